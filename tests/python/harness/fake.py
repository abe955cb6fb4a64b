"""A server that answers what a test says, and remembers what it was asked."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request; names of headers in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    def json(self):
        return json.loads(self.body)


# A status and a document, text or bytes; and headers, if they are not as usual.
Answer = tuple[int, object] | tuple[int, object, dict[str, str]]


def _bytes(body) -> tuple[bytes, str]:
    """What a body is sent as, and its type."""
    match body:
        case bytes():
            return body, "application/octet-stream"
        case str():
            return body.encode(), "text/plain"
    return json.dumps(body).encode(), "application/json"


class Fake:
    """Listens until it is stopped, on a port of its own unless an address is given."""

    def __init__(self, answer: Callable[[Asked], Answer], address=("127.0.0.1", 0)):
        self._asked: list[Asked] = []
        self._lock = threading.Lock()
        self.answer = answer
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                with fake._lock:
                    fake._asked.append(asked)
                status, body, *more = fake.answer(asked)
                data, kind = _bytes(body)
                self.send_response(status)
                headers = {"content-type": kind, "content-length": str(len(data))}
                for name, value in (headers | (more[0] if more else {})).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 1024
            daemon_threads = True

            def handle_error(self, *_):
                """Clients may leave."""

        self._server = Server(address, Handler)
        self.port = self._server.server_address[1]
        self.host = f"{address[0]}:{self.port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def asked(self) -> list[Asked]:
        with self._lock:
            return list(self._asked)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CLAUDE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
GEMINI = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}
# What the ends of paths say of the format.
BY_PATH = [
    ("/converse", CONVERSE),
    (":generateContent", GEMINI),
    ("/messages", CLAUDE),
    (":rawPredict", CLAUDE),
    ("", CHAT),
]


def provider(asked: Asked) -> Answer:
    """A provider that says hi in the format of the path."""
    return 200, next(body for end, body in BY_PATH if asked.path.endswith(end))
