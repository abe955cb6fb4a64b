"""HTTP/2 frame by frame, for a peer that does what no sound one does."""

import socket
import struct
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, END_HEADERS = 1, 4
# A frame that any peer takes.
FRAME_BYTES = 16_384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def _number(value: int, bits: int) -> bytes:
    """A number as RFC 7541 §5.1 has it."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([value])
    out, value = [limit], value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def block(fields: list[tuple[str, str]]) -> bytes:
    """Headers as literals that nobody remembers."""
    texts = (part.encode() for pair in fields for part in pair)
    parts = [_number(len(text), 7) + text for text in texts]
    return b"".join(b"\0" + name + value for name, value in zip(parts[::2], parts[1::2]))


def head(stream: int, encoded: bytes, ends: bool = False) -> bytes:
    """A block of headers in as many frames as it takes."""
    pieces = [encoded[at : at + FRAME_BYTES] for at in range(0, len(encoded), FRAME_BYTES)] or [b""]
    frames = []
    for number, piece in enumerate(pieces):
        flags = (END_HEADERS if number == len(pieces) - 1 else 0) | (END_STREAM if ends else 0)
        frames.append(frame(CONTINUATION if number else HEADERS, flags & (4 if number else 5),
                            stream, piece))  # fmt: skip
    return b"".join(frames)


def call(path: str, token: str | None = None, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """The head of a gRPC call."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "weir"),
              ("content-type", "application/grpc"), ("te", "trailers")]  # fmt: skip
    if token:
        fields.append(("authorization", f"Bearer {token}"))
    return [*fields, *more]


def message(encoded: bytes) -> bytes:
    """A protobuf message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(encoded)) + encoded


def field(number: int, value: bytes | str | int) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = []
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def initial_window(frames: list) -> int:
    """What a stream may send before its reader makes room, as the reader's settings say (RFC 9113, 6.5.2)."""
    window = 65_535
    for kind, _, content in frames:
        for at in range(0, len(content) if kind == SETTINGS else 0, 6):
            if int.from_bytes(content[at : at + 2], "big") == 4:
                window = int.from_bytes(content[at + 2 : at + 6], "big")
    return window


class Peer:
    """One connection, which reads what it is sent unless it is `deaf`."""

    def __init__(self, address: tuple[str, int], deaf: bool = False):
        self.socket = socket.create_connection(address, timeout=20)
        self.received = b""
        self.closed = threading.Event()
        self.heard = threading.Condition()
        # Windows as large as can be: nothing waits for updates.
        settings = struct.pack(">HI", 4, 2**31 - 1)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        if not deaf:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := self.socket.recv(65_536):
                with self.heard:
                    self.received += data
                    self.heard.notify_all()
        except OSError:
            pass
        self.closed.set()
        with self.heard:
            self.heard.notify_all()

    def send(self, data: bytes) -> bool:
        """False if the connection was closed meanwhile, or nobody reads."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def frames(self) -> list[tuple[int, int, bytes]]:
        """Kind, stream and content of every frame so far."""
        data, found = self.received, []
        while len(data) >= 9:
            length = int.from_bytes(data[:3], "big")
            if len(data) < 9 + length:
                break
            stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
            found.append((data[3], stream, data[9 : 9 + length]))
            data = data[9 + length :]
        return found

    def wait_for(self, holds, timeout: float = 10.0) -> bool:
        """Whether `holds(frames)` comes true before the connection ends."""
        with self.heard:
            self.heard.wait_for(lambda: holds(self.frames()) or self.closed.is_set(), timeout)
            return bool(holds(self.frames()))

    def upload(self, stream: int, data: bytes) -> None:
        """Sends a body to its end, no faster than its reader makes room."""
        # The reader's own window counts from when it hears that its settings are known.
        self.wait_for(lambda frames: any(kind == SETTINGS for kind, _, _ in frames))
        self.send(frame(SETTINGS, 1, 0))
        first_window = initial_window(self.frames())
        sent = 0
        while sent < len(data):
            made = lambda frames: first_window + sum(
                int.from_bytes(content, "big") for kind, of, content in frames
                if (kind, of) == (WINDOW_UPDATE, stream)
            )  # fmt: skip
            if not self.wait_for(lambda frames: made(frames) > sent):
                return
            piece = data[sent : sent + min(FRAME_BYTES, made(self.frames()) - sent)]
            sent += len(piece)
            self.send(frame(DATA, END_STREAM if sent == len(data) else 0, stream, piece))

    def close(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
