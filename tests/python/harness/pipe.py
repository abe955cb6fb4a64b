"""What the ways to a server are made of on which something is counted, unlocked or cut."""

import socket
import threading


class Pipe:
    """Passes bytes on between each connection to `listener` and one of its own to a server."""

    def __init__(self, listener: socket.socket):
        self._listener = listener
        self.made = 0
        self.ended = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        # Closing alone does not wake who waits in it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _ends(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        """What is read of `near`, and the connection to the server."""
        raise NotImplementedError

    def _hold(self) -> None:
        """Comes back when bytes may go on."""

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.made += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            near, far = self._ends(near)
        except OSError:
            near.close()
            return
        threading.Thread(target=self._pass_on, args=(far, near), daemon=True).start()
        self._pass_on(near, far)
        self.ended += 1

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Until one side is at its end; then both are."""
        try:
            while data := source.recv(1 << 16):
                self._hold()
                target.sendall(data)
        except OSError:
            pass
        shut(source, target)


def shut(*both: socket.socket) -> None:
    """Whoever reads or writes there is at its end."""
    for one in both:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
