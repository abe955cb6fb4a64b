"""A Redis of the benchmark's own, without persistence, and what its counters say."""

import dataclasses
import pathlib
import re
import socket
import time

from .processes import Processes


@dataclasses.dataclass
class Counters:
    """Calls since the server was started."""

    scripts: int = 0
    inside: int = 0
    other: int = 0

    def __sub__(self, before: "Counters") -> "Counters":
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(before)
        return Counters(*(a - b for a, b in zip(mine, theirs)))


class Redis:
    def __init__(self, processes: Processes, core: int | None, name: str) -> None:
        folder = processes.folder / f"redis-{name}"
        folder.mkdir()
        self.path = folder / "sock"
        self.url = f"redis+unix://{self.path}"
        process = processes.start(
            core, "redis-server", "--port", "0", "--unixsocket", self.path, "--dir", folder,
            "--save", "", "--appendonly", "no",
        )
        self.pid = process.pid
        deadline = time.monotonic() + 15
        while self._ask("PING") != b"+PONG":
            if time.monotonic() > deadline:
                raise SystemExit("redis-server does not answer")
            processes.check_alive()
            time.sleep(0.02)

    def _ask(self, command: str) -> bytes:
        """One command as a line, one reply: a line, or a text with its length before it."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(30)
                link.connect(str(self.path))
                link.sendall(command.encode() + b"\r\n")
                reply = link.makefile("rb")
                head = reply.readline().rstrip()
                return reply.read(int(head[1:])) if head.startswith(b"$") else head
        except (FileNotFoundError, ConnectionRefusedError):
            return b""

    def counters(self) -> Counters:
        """`inside`: commands that scripts called. Bookkeeping of this bench is left out."""
        counters = Counters()
        text = self._ask("INFO commandstats").decode()
        for name, calls in re.findall(r"^cmdstat_(\S+?):calls=(\d+)", text, re.M):
            if name in ("fcall", "evalsha", "eval"):
                counters.scripts += int(calls)
            elif name in CLIENT:
                counters.other += int(calls)
            elif name not in ("info", "ping"):
                counters.inside += int(calls)
        return counters


# Commands that a router sends by itself, not from within the script.
CLIENT = ("hello", "auth", "select", "subscribe", "unsubscribe", "client|setinfo", "client|setname",
          "function|load", "script|load")

