"""Plain HTTP for what the SDK would hide: exact headers, broken streams, error bodies."""

import http.client
import json
import re
import socket
from dataclasses import dataclass, field
from typing import Iterator
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20.0

# Every answer of a gateway, for the search for secrets at the end of the run; of a long body the
# beginning.
ANSWERS: list[str] = []
KEPT_BYTES = 16_384


def keep(headers: dict[str, str], body: bytes = b"") -> None:
    ANSWERS.append(f"{headers}\n{body[:KEPT_BYTES].decode('utf-8', 'replace')}")


def tries_of(headers) -> str:
    """Who was asked and what came of it, without the times."""
    return re.sub(r";ms=\d+", "", headers.get("x-weir-attempts", ""))


class Tried:
    """What the headers of an answer say of its tries."""

    headers: dict[str, str]

    @property
    def tries(self) -> str:
        """Who was asked and what came of it, without the times."""
        return tries_of(self.headers)

    @property
    def tries_ms(self) -> list[int]:
        """How long each try took."""
        return [int(ms) for ms in re.findall(r";ms=(\d+)", self.headers["x-weir-attempts"])]


@dataclass
class Answer(Tried):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> dict:
        """`error` of an answer in OpenAI's shape; fails on any other shape."""
        error = self.json()["error"]
        assert isinstance(error["message"], str) and error["message"], self.body
        assert isinstance(error["type"], str) and error["type"], self.body
        return error


@dataclass
class Events(Tried):
    """A stream that was read to its end."""

    status: int
    headers: dict[str, str]
    data: list[str] = field(default_factory=list)
    ended: str = "complete"

    @property
    def done(self) -> bool:
        return "[DONE]" in self.data

    @property
    def parsed(self) -> list[dict]:
        return [json.loads(data) for data in self.data if data != "[DONE]"]

    @property
    def errors(self) -> list[dict]:
        return [event["error"] for event in self.parsed if event.get("error")]

    @property
    def text(self) -> str:
        deltas = (c.get("delta", {}) for e in self.parsed for c in e.get("choices", []))
        return "".join(delta.get("content") or "" for delta in deltas)


class Stream(Tried):
    """A streamed answer over a bare socket, so that a stream that is cut can be told from one
    that ends. Closing it early is what a client that leaves does."""

    def __init__(self, url: str, body, headers: dict | None, timeout: float):
        parts = urlsplit(url)
        raw = json.dumps(body).encode()
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += [f"host: {parts.netloc}", "content-type: application/json"]
        lines += [f"content-length: {len(raw)}"]
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        head = f"POST {path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
        self.socket.sendall(head.encode() + raw)
        self._file = self.socket.makefile("rb")
        self.status = int(self._file.readline().split(b" ")[1])
        self.headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.ended = "open"
        keep(self.headers)

    def _parts(self) -> Iterator[bytes]:
        if "content-length" in self.headers:
            yield self._file.read(int(self.headers["content-length"]))
            return
        while True:
            size = self._file.readline()
            if not size.endswith(b"\r\n"):
                raise EOFError
            length = int(size.split(b";")[0], 16)
            part = self._file.read(length + 2)
            if len(part) < length + 2:
                raise EOFError
            if length == 0:
                return
            yield part[:-2]

    def __iter__(self) -> Iterator[str]:
        """The data of each event."""
        pending = b""
        try:
            for part in self._parts():
                pending += part
                *events, pending = pending.replace(b"\r\n", b"\n").split(b"\n\n")
                for event in events:
                    lines = event.split(b"\n")
                    data = [line[5:].lstrip() for line in lines if line.startswith(b"data:")]
                    if data:
                        yield b"\n".join(data).decode()
            self.ended = "complete"
        except (EOFError, ConnectionError):
            self.ended = "cut"

    def body(self) -> bytes:
        """All of an answer that is no stream of events."""
        return b"".join(self._parts())

    def read(self) -> Events:
        data = list(self)
        self.close()
        keep(self.headers, "\n".join(data).encode())
        return Events(self.status, self.headers, data, self.ended)

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def _headers(response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def request(
    method: str,
    url: str,
    body=None,
    headers: dict | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("content-type", "application/json")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, _headers(response), response.read())
    finally:
        connection.close()
    # The simulator's admin calls say which keys it saw.
    if not parts.path.startswith("/sim/"):
        keep(answer.headers, answer.body)
    return answer


def stream(url: str, body, headers: dict | None = None, timeout: float = TIMEOUT_SECONDS) -> Stream:
    return Stream(url, body, headers, timeout)


def raw(address: tuple[str, int], head: bytes, timeout: float = TIMEOUT_SECONDS) -> bytes:
    """Sends bytes as they are and reads until the peer closes, or until an answer is whole."""
    with socket.create_connection(address, timeout=timeout) as connection:
        try:
            connection.sendall(head)
        except ConnectionError:
            pass  # It may answer and close before everything is sent.
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionError:
            break
        if not part:
            break
        received += part
        head, found, body = received.partition(b"\r\n\r\n")
        if found:
            length = [
                line.split(b":")[1] for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            if length and len(body) >= int(length[0]):
                break
    keep({}, received)
    return received


def parsed(received: bytes) -> Answer:
    """Takes the bytes of one whole answer apart."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return Answer(int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}, body)
