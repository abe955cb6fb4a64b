"""A way to Redis that can be cut, slowed, or made deaf in one direction: connections stay open."""

import queue
import socket
import threading
import time
from pathlib import Path

from .pipe import Pipe, shut

# What a client that listens for messages says first.
SUBSCRIBE = b"SUBSCRIBE"


class Relay(Pipe):
    """Passes bytes between a socket of its own and the server's, while it is open.

    What is told to it holds for bytes that come from then on, in either direction by itself: `ask` is
    the way to the server, `answer` the way back.
    """

    def __init__(self, server: Path):
        self._server = server
        self._open = threading.Event()
        self._open.set()
        self._seconds = {"ask": 0.0, "answer": 0.0}
        self._lost: set[str] = set()
        self._halved: set[str] = set()
        self._bells: set[socket.socket] = set()
        self._bell_lost = False
        path = server.with_name(f"relay-{id(self)}.sock")
        self.url = f"redis+unix://{path}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        super().__init__(listener)

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        """What was held back arrives late, as on a network that was slow; what was lost, never."""
        self._seconds = {"ask": 0.0, "answer": 0.0}
        self._lost, self._halved, self._bell_lost = set(), set(), False
        self._open.set()

    def delay(self, seconds: float, *ways: str) -> None:
        """All that comes arrives so much later."""
        self._seconds |= dict.fromkeys(ways or ("ask", "answer"), seconds)

    def lose(self, *ways: str) -> None:
        """All that comes is lost, and nobody is told: a black hole, or half of one."""
        self._lost = set(ways or ("ask", "answer"))

    def halve(self, *ways: str) -> None:
        """Half of what comes next arrives, and that is the connection's end."""
        self._halved = set(ways or ("ask", "answer"))

    def deafen(self) -> None:
        """Connections that listen for messages hear nothing any more; the others are well."""
        self._bell_lost = True

    def _ends(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(self._server))
        return near, far

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        way = "ask" if source.getsockname() == self._listener.getsockname() else "answer"
        late: queue.Queue = queue.Queue()
        threading.Thread(target=self._deliver, args=(late, source, target), daemon=True).start()
        try:
            while data := source.recv(1 << 16):
                if way == "ask" and SUBSCRIBE in data:
                    self._bells.add(target)
                if way in self._lost or (self._bell_lost and source in self._bells):
                    continue
                is_last = way in self._halved
                data = data[: len(data) // 2] if is_last else data
                late.put((time.monotonic() + self._seconds[way], data))
                if is_last:
                    break
        except OSError:
            pass
        late.put(None)

    def _deliver(self, late: queue.Queue, source: socket.socket, target: socket.socket) -> None:
        """Each part when it is due; at the end both sides are."""
        try:
            while part := late.get():
                due, data = part
                time.sleep(max(due - time.monotonic(), 0))
                self._open.wait()
                target.sendall(data)
        except OSError:
            pass
        shut(source, target)
