"""A real redis-server on a socket of its own, spoken to by hand, and what can befall it."""

import shutil
import socket
import tempfile
from pathlib import Path

from .process import Process

READY = "[Rr]eady to accept connections"
ANSWER_SECONDS = 10.0


class RedisError(AssertionError):
    """The server answered with an error."""


class Redis:
    """One server, empty at first. Nothing is written to a disk."""

    def __init__(self, name: str, directory: Path):
        self.name, self._directory = name, directory
        self.socket = Path(tempfile.mkdtemp(prefix="weir-e2e-")) / "redis.sock"
        self.url = f"redis+unix://{self.socket}"
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Starts it, after `kill` as another server that knows nothing."""
        self._starts += 1
        argv = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self.process = Process(f"{self.name}-{self._starts}", argv, {}, self._directory)
        self.process.wait_for(READY)

    def pause(self) -> None:
        """From now on it takes what is sent and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        """Ends it for good."""
        self.process.kill()
        shutil.rmtree(self.socket.parent, ignore_errors=True)

    def command(self, *words) -> object:
        """One command on a connection of its own; its answer, texts as bytes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(self.socket))
            raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            parts = [b"*%d\r\n" % len(raw)] + [b"$%d\r\n%s\r\n" % (len(w), w) for w in raw]
            connection.sendall(b"".join(parts))
            with connection.makefile("rb") as answer:
                return _read(answer)

    def contents(self, prefix: str = "") -> dict[bytes, list[bytes]]:
        """Everything that it holds under keys that begin so."""
        keys, cursor = set(), b"0"
        while True:
            cursor, found = self.command("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", 1000)
            keys.update(found)
            if cursor == b"0":
                return {key: self._value(key) for key in sorted(keys)}

    def _value(self, key: bytes) -> list[bytes]:
        kind = self.command("TYPE", key).decode()
        if kind == "none":
            return []  # It ended between the two questions.
        question = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "list": ("LRANGE", key, 0, -1),
            "set": ("SMEMBERS", key),
            "zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
            "stream": ("XRANGE", key, "-", "+"),
        }[kind]
        return list(_flat(self.command(*question)))

    def page(self, prefix: str = "") -> str:
        """The same as text, a line for a key; bytes that are no text stay apart from those that
        are."""
        lines = (b" ".join([key, *values]) for key, values in self.contents(prefix).items())
        return b"\n".join(lines).decode("latin-1")


def _flat(answer):
    if isinstance(answer, list):
        for inner in answer:
            yield from _flat(inner)
    elif answer is not None:
        yield answer


def _read(answer):
    kind, line = answer.read(1), answer.readline().rstrip(b"\r\n")
    if kind == b"-":
        raise RedisError(line.decode())
    if kind == b"+":
        return line
    if kind == b":":
        return int(line)
    size = int(line)
    if size < 0:
        return None
    if kind == b"*":
        return [_read(answer) for _ in range(size)]
    assert kind == b"$", kind + line
    return answer.read(size + 2)[:-2]
