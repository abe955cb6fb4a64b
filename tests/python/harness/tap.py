"""A way to a server that counts the connections over it."""

import socket
import threading
import time
from urllib.parse import urlsplit

from .tls import pass_on


class Tap:
    """Passes bytes on to `server`; listens on `host`."""

    def __init__(self, server: str, host: str = "127.0.0.1"):
        parts = urlsplit(server)
        self._target = (parts.hostname, parts.port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=256)
        port = self._listener.getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.made = 0
        self.ended = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_ended(self, count: int, timeout: float) -> float:
        """How long it took until the gateway had closed so many connections."""
        began = time.monotonic()
        while self.ended < count:
            assert time.monotonic() < began + timeout, f"open after {timeout} s"
            time.sleep(0.01)
        return time.monotonic() - began

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.made += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        far = socket.create_connection(self._target)
        threading.Thread(target=pass_on, args=(far, near), daemon=True).start()
        pass_on(near, far)
        self.ended += 1
