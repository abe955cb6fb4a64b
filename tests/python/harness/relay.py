"""A way to Redis that can be cut: what goes through it stops, connections stay open."""

import socket
import threading
from pathlib import Path


class Relay:
    """Passes bytes between a socket of its own and the server's, while it is open."""

    def __init__(self, server: Path):
        self._server = server
        self._open = threading.Event()
        self._open.set()
        path = server.with_name(f"relay-{id(self)}.sock")
        self.url = f"redis+unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        """What was held back arrives late, as on a network that was slow."""
        self._open.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(self._server))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                self._open.wait()
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
