"""A provider of streams that does not come to an end: events, then comments until nobody listens."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMENT_SECONDS = 0.2


def text(word: str) -> dict:
    return {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}


STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


class Chatter:
    """Answers every POST with `events` and comments, on a port of its own."""

    def __init__(self, *events: dict):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                try:
                    for event in events:
                        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                    while True:
                        self.wfile.write(b": still here\n\n")
                        time.sleep(COMMENT_SECONDS)
                except OSError:
                    """It has been hung up on."""

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
