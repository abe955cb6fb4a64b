"""An OTLP/HTTP collector that keeps the spans it receives."""

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

# Every message of the run as text, for the search for secrets at its end.
MESSAGES: list[str] = []


class Span:
    """A span, with its ids as text and its attributes as a dict."""

    def __init__(self, span, service: str):
        self.name = span.name
        self.service = service
        self.trace_id = span.trace_id.hex()
        self.span_id = span.span_id.hex()
        self.parent_id = span.parent_span_id.hex()
        self.kind = span.kind
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.failed = span.status.code == 2
        self.attributes = {pair.key: _value(pair.value) for pair in span.attributes}
        self.events = [event.name for event in span.events]

    def __repr__(self) -> str:
        place = f"{self.span_id} under {self.parent_id}"
        return f"{self.service} {self.name}({place}: {self.attributes})"


def _value(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(inner) for inner in value.array_value.values]
    return getattr(value, kind) if kind else None


class Collector:
    """Listens on a free port; `env` makes a process export to it at once."""

    def __init__(self):
        self._spans: list[Span] = []
        self._changed = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    collector._take(body)
                reply = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def env(self) -> dict[str, str]:
        host, port = self._server.server_address[:2]
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def _take(self, body: bytes) -> None:
        message = ExportTraceServiceRequest.FromString(body)
        MESSAGES.append(str(message))
        spans = []
        for resource in message.resource_spans:
            pairs = {pair.key: _value(pair.value) for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                spans += [Span(span, pairs["service.name"]) for span in scope.spans]
        with self._changed:
            self._spans.extend(spans)
            self._changed.notify_all()

    def wait_for(self, trace_id: str, count: int, timeout: float = 15.0) -> list[Span]:
        """The spans of a trace, once there are at least `count`, by their start."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                spans = [span for span in self._spans if span.trace_id == trace_id]
                if len(spans) >= count:
                    return sorted(spans, key=lambda span: span.start)
                left = deadline - time.monotonic()
                assert left > 0, f"{count} spans did not come in {timeout} s: {spans}"
                self._changed.wait(left)

    def _serve(self) -> None:
        # It looks that often whether it should stop; half a second if nothing is said.
        self._server.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
