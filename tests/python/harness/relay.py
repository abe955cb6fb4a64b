"""A way to Redis that can be cut: what goes through it stops, connections stay open."""

import socket
import threading
from pathlib import Path

from .pipe import Pipe


class Relay(Pipe):
    """Passes bytes between a socket of its own and the server's, while it is open."""

    def __init__(self, server: Path):
        self._server = server
        self._open = threading.Event()
        self._open.set()
        path = server.with_name(f"relay-{id(self)}.sock")
        self.url = f"redis+unix://{path}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        super().__init__(listener)

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        """What was held back arrives late, as on a network that was slow."""
        self._open.set()

    def _ends(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(self._server))
        return near, far

    def _hold(self) -> None:
        self._open.wait()
