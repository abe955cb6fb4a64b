"""Systems under callgrind, and the loads whose instructions are counted.

What comes of a load must not depend on how fast the machine is: one request after the other on one connection,
each begun when what the last one left to be done is over. What processes do by the clock, whoever asks, is
counted while nobody does, and taken off. The simulated provider, Redis and the client run as they always do.
"""

import dataclasses
import http.client
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from . import loads
from .processes import Processes
from .redis import Redis
from .rounds import say
from .systems import MEMORY, SERVICES, Stage, System

# Beside the binary, so that nothing of it is ever committed.
KEPT = "instructions"
# Requests that come before those that are counted.
WARM_UP = 30
# After each answer: a slot is given back, a settlement may wait a few milliseconds for company.
REST_SECONDS = 0.025
START_SECONDS = 120
PATIENCE_SECONDS = 60
# For so long it is watched what a process does that has nothing to do.
IDLE_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Load:
    """`requests` of a kind, each after the last, on a system."""

    title: str
    system: str
    requests: int
    model: str = loads.PLAIN
    stream: bool = False


LOADS = {
    "all-in-one": Load("all in one, 1 KiB", MEMORY, 200),
    "stream": Load("all in one, a stream of 50 chunks", MEMORY, 10, "sim:chunks=50,interval=20", True),
    "services": Load("edge + router + worker, 1 KiB", SERVICES, 200),
}


class Counted(Stage):
    """Weir's processes under callgrind, with one thread each, wherever the kernel puts them."""

    def __init__(self, processes: Processes, weir: pathlib.Path) -> None:
        super().__init__(processes, weir, pinned=False)
        self.pids: dict[str, int] = {}
        self.asked = 0

    def _threads(self) -> list[object]:
        return ["--threads", 1]

    def room(self, room: str, *flags: object, env: dict[str, str] | None = None) -> tuple[int, int]:
        port, pid = super().room(room, *flags, env=env)
        self.pids[room] = pid
        return port, pid

    def _under(self, room: str) -> list[object]:
        out = self.processes.folder / f"callgrind.{room}"
        return ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]

    def tell(self, *words: str) -> None:
        """Says the same to callgrind in each process."""
        for pid in self.pids.values():
            command = ["vgdb", f"--pid={pid}", *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def spent(self) -> dict[str, int]:
        """What each process has spent since this was asked last."""
        self.tell("dump")
        self.asked += 1
        return {room: total(self.processes.folder / f"callgrind.{room}.{self.asked}") for room in self.pids}


def total(dump: pathlib.Path) -> int:
    """Of a dump, once it is written to its end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if dump.exists() and (found := re.search(r"^totals: (\d+)", dump.read_text(), re.M)):
            return int(found[1])
        time.sleep(0.1)
    raise SystemExit(f"callgrind did not write {dump.name}")


def play(system: System, load: Load, requests: int) -> None:
    """Each is answered as it should be, or there is nothing to count."""
    kind = dataclasses.replace(loads.TALK, model=load.model, stream=load.stream)
    body = loads.body(kind).encode()
    # In one piece: whether two are read together is a matter of time.
    request = (
        f"POST {kind.path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-weir-bench-client\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    with socket.create_connection(("127.0.0.1", system.port), PATIENCE_SECONDS) as link:
        for _ in range(requests):
            link.sendall(request)
            answer = http.client.HTTPResponse(link, method="POST")
            answer.begin()
            read = answer.read()
            if answer.status != 200 or (load.stream and b"[DONE]" not in read):
                raise SystemExit(f"{load.title}: {answer.status} {read[:300]!r}")
            time.sleep(REST_SECONDS)


def count(weir: pathlib.Path, load: Load, kept: pathlib.Path) -> dict[str, int]:
    """Instructions by process, of one request."""
    with tempfile.TemporaryDirectory(prefix="weir-count-") as folder:
        with Processes(pathlib.Path(folder)) as processes:
            stage = Counted(processes, weir)
            if load.system == MEMORY:
                system = stage.all_in_one(MEMORY, None)
            else:
                system = stage.services(Redis(processes, None, "counted"))
            stage.wait_for(system, START_SECONDS)
            play(system, load, 3)
            stage.tell("instrumentation", "on")
            play(system, load, min(WARM_UP, load.requests // 2))
            stage.spent()
            began = time.monotonic()
            play(system, load, load.requests)
            spent, seconds = stage.spent(), time.monotonic() - began
            for room in stage.pids:
                shutil.copy(processes.folder / f"callgrind.{room}.{stage.asked}", kept)
            began = time.monotonic()
            time.sleep(IDLE_SECONDS)
            idle, share = stage.spent(), seconds / (time.monotonic() - began)
    return {
        room: round((spent[room] - idle[room] * share) / load.requests) for room in spent
    }


def run(weir: pathlib.Path, names: list[str]) -> dict[str, dict[str, int]]:
    found = {}
    for name in names:
        began = time.monotonic()
        kept = weir.parent.parent / KEPT / name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        found[name] = count(weir, LOADS[name], kept)
        spent = time.monotonic() - began
        say(f"{LOADS[name].title}: {sum(found[name].values()):,} a request, in {spent:.0f} s")
    return found
