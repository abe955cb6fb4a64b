"""A way to a server that counts the connections over it."""

import socket
import time
from urllib.parse import urlsplit

from .pipe import Pipe


class Tap(Pipe):
    """Passes bytes on to `server`; listens on `host`."""

    def __init__(self, server: str, host: str = "127.0.0.1"):
        parts = urlsplit(server)
        self._target = (parts.hostname, parts.port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, 0), family=family, backlog=256)
        port = listener.getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        super().__init__(listener)

    def wait_ended(self, count: int, timeout: float) -> float:
        """How long it took until the gateway had closed so many connections."""
        began = time.monotonic()
        while self.ended < count:
            assert time.monotonic() < began + timeout, f"open after {timeout} s"
            time.sleep(0.01)
        return time.monotonic() - began

    def _ends(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        return near, socket.create_connection(self._target)
