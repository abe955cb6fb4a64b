"""Anything from anybody: clients, providers, neighbours. Nothing panics, nothing is a 500, nothing
grows. The draws are the same each time; with --soak they are others, and more."""

import contextlib
import itertools
import json
import random
import re
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import http2, mutate
from harness.config import Config, Key

CASES = 10_000
# Most of them wait most of the time.
THREADS = 16
MIB = 1 << 20
GATEWAYS = 16
SEED = 20261128
PATHS = [
    "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/rerank",
    "/v1/models", "/v1/models/openai/m", "/anthropic/v1/messages/count_tokens", "/cohere/v2/chat",
    "/genai/v1beta/models/gemini%2Fm:streamGenerateContent?alt=sse", "/health", "/nowhere", "/",
    "/genai/v1beta/models/anthropic%2Fm:generateContent", "/bedrock/model/openai%2Fm/converse",
    "/bedrock/model/anthropic%2Fm/invoke-with-response-stream", "/v1/completions",
    "/openai/deployments/openai%2Fm/chat/completions?api-version=2024-10-21",
]  # fmt: skip
MODELS = ["openai/m", "anthropic/m", "gemini/m", "cohere/m", "bedrock/m", "m"]
HEADERS = [
    "x-weir-timeout-ms: 5", "x-weir-fallbacks: anthropic/m", "content-encoding: gzip", "accept: */*",
    "expect: 100-continue", "x-request-id: ä", "traceparent: 00-1-1-1", "authorization: Bearer sk-weir-x",
    "origin: null", "connection: upgrade", "x-weir-key: k", "content-type: text/plain",
]  # fmt: skip


@pytest.fixture
def draws(request):
    """Cases for each of the threads, and what to draw with."""
    soak = request.config.getoption("--soak")
    seed = time.time_ns() if soak else SEED
    print(f"seed {seed}")
    each = (5 if soak else 1) * CASES // THREADS
    return [(random.Random(f"{seed}-{number}"), each) for number in range(THREADS)]


def config(url: str, keys: int = 1) -> Config:
    more = {"max_retries": 0, "default_request_timeout_in_seconds": 5}
    config = Config()
    for name in ("openai", "anthropic", "gemini", "cohere"):
        config.provider(name, url, [Key(f"{name}-{number}") for number in range(keys)], **more)
    return config


def rss(process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


def together(draws, work) -> dict[str, int]:
    """What `work(draw)` gave, counted; it is called for every case, by some threads."""
    counted: dict[str, int] = {}
    lock = threading.Lock()

    def run(draw_and_count):
        draw, count = draw_and_count
        for _ in range(count):
            outcome = work(draw)
            with lock:
                counted[outcome] = counted.get(outcome, 0) + 1

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, draws))
    assert sum(counted.values()) >= CASES
    print(counted)
    return counted


def assert_unharmed(gateway, before: dict[str, int], model="openai/m") -> None:
    assert gateway.alive()
    for process in gateway.processes:
        assert "panicked" not in process.output, process.output[-2000:]
    gateway.wait_until(lambda: gateway.chat(model).status == 200, 20)
    limits = {name: size * 1.1 + 16 * MIB for name, size in before.items()}
    gateway.wait_until(lambda: all(rss(one) < limits[one.name] for one in gateway.processes), 20)


def warm(gateway) -> dict[str, int]:
    for _ in range(200):
        assert gateway.chat("openai/m").status == 200
    return {one.name: rss(one) for one in gateway.processes}


def exchange(address, sent: bytes, patience: float = 0.3) -> bytes:
    """What comes back until the connection ends. Who is silent for a moment has said what it says."""
    received, is_over = b"", False
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=10) as one:
        one.sendall(sent)
        while True:
            ready, _, _ = select.select([one], [], [], patience)
            if not ready and is_over:
                break
            if not ready:
                one.shutdown(socket.SHUT_WR)
                is_over = True
            elif part := one.recv(65_536):
                received += part
            else:
                break
    return received


@pytest.mark.topologies("all-in-one-memory")
def test_whatever_clients_send(start, sim, draws):
    gateway = start(config(sim.url), log_level="error")
    before = warm(gateway)
    bodies = mutate.samples("requests")
    names = re.compile(rb'"model": ?"[^"]*"')

    def one(draw) -> str:
        body = names.sub(b'"model":"%s"' % draw.choice(MODELS).encode(), draw.choice(bodies))
        if draw.random() < 0.7:
            body = mutate.spoil(draw, body)
        method = draw.choice(["POST"] * 9 + ["GET", "PUT", "OPTIONS", "HEAD", "PATCH"])
        lines = [f"{method} {draw.choice(PATHS)} HTTP/1.1", "host: localhost", "connection: close"]
        lines += draw.sample(HEADERS, draw.choice([0, 0, 1, 3])) + [f"content-length: {len(body)}"]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if draw.random() < 0.3:
            head = mutate.spoil(draw, head)
        received = exchange(gateway.address, head + body)
        assert not received or received.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), (head, body, received[:200])
        status = received[9:12].decode()
        assert status != "500", (head, body, received)
        return status

    counted = together(draws, one)
    # The rooms behind were reached, and the door was tried.
    assert counted["200"] > 100 and counted["400"] > 500, counted
    assert_unharmed(gateway, before)


class Liar:
    """A provider that answers what it likes, once it has heard a request to its end."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket):
        with one, contextlib.suppress(OSError):
            one.settimeout(20)
            received = b""
            while b"\r\n\r\n" not in received:
                if not (part := one.recv(65_536)):
                    return
                received += part
            head, _, body = received.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
            while len(body) < length:
                body += one.recv(65_536)
            one.sendall(self._answer(head, body))

    def close(self):
        self._listener.close()


def lies(draw: random.Random, answers, streams, errors) -> bytes:
    """The bytes of an answer, sound or spoilt at its head, its body or its framing."""
    body, kind = draw.choice([
        (draw.choice(answers), "application/json"),
        (draw.choice(streams), "text/event-stream"),
        (draw.choice(errors), "application/json"),
        (b"<html>no</html>", "text/html"),
    ])  # fmt: skip
    if draw.random() < 0.6:
        body = mutate.spoil(draw, body)
    # Few of those that keys rest for: who waits for a key hears nothing.
    status = draw.choice([200] * 180 + [400, 404, 408, 500, 204, 302, 206] * 8 + [401, 403, 429, 503])
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}"]
    if draw.random() < 0.3:
        values = ["retry-after: 1e99", "retry-after: -1", "x-ratelimit-reset-requests: 9h",
                  "content-encoding: br", "set-cookie: a=b", "x-a: " + "b" * 5000]  # fmt: skip
        lines.append(draw.choice(values))
    if draw.random() < 0.5:
        chunks = b"".join(
            b"%x\r\n%s\r\n" % (len(piece), piece)
            for piece in (body[at : at + 700] for at in range(0, len(body), 700))
        )
        lines.append("transfer-encoding: chunked")
        body = chunks + (b"0\r\n\r\n" if draw.random() < 0.9 else b"")
    else:
        lines.append(f"content-length: {len(body) + draw.choice([0] * 8 + [5, -1])}")
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return mutate.spoil(draw, whole) if draw.random() < 0.2 else whole


@pytest.mark.topologies("all-in-one-memory")
def test_whatever_providers_answer(start, sim, draws):
    kinds = [mutate.samples(part) for part in ("answers", "streams", "errors")]
    numbers, lying = itertools.count(), True
    sound = json.dumps({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    }).encode()  # fmt: skip
    sound = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(sound), sound)

    def answer(head: bytes, _body: bytes) -> bytes:
        named = re.search(rb"x-case: (\d+)", head)
        if not lying or not named:
            return sound
        return lies(random.Random(int(named.group(1))), *kinds)

    liar = Liar(answer)
    # Keys that were refused rest, so that later cases would wait for one: others take their turns.
    gateways = [start(config(liar.url, keys=100), log_level="error") for _ in range(GATEWAYS)]
    before = [warm(gateway) for gateway in gateways]
    paths = {
        "/v1/chat/completions": ["messages"], "/v1/messages": ["messages"], "/cohere/v2/chat": ["messages"],
        "/v1/responses": ["input"],
    }  # fmt: skip

    def one(draw) -> str:
        path = draw.choice(list(paths))
        turns = [{"role": "user", "content": "hi"}]
        body = {"model": draw.choice(MODELS[:4]), "max_tokens": 9, "stream": draw.random() < 0.5}
        body[paths[path][0]] = turns
        sent = json.dumps(body).encode()
        case = draw.randrange(1 << 40) + next(numbers)
        lines = [f"POST {path} HTTP/1.1", "host: localhost", "connection: close", f"x-case: {case}",
                 "content-type: application/json", f"content-length: {len(sent)}"]  # fmt: skip
        address = gateways[case % GATEWAYS].address
        received = exchange(address, "\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
        status = received[9:12].decode()
        assert status != "500", (case, received[:500])
        return status

    counted = together(draws, one)
    assert counted["200"] > 500 and counted["502"] > 200, counted
    lying = False
    for gateway, sizes in zip(gateways, before):
        assert_unharmed(gateway, sizes)
    liar.close()


@pytest.mark.topologies("processes")
def test_whatever_neighbours_send(start, sim, draws):
    gateway = start(config(sim.url), log_level="error")
    before = warm(gateway)
    places = [gateway.routers[0], gateway.workers["openai"][0]]
    ports = [int(place.url.rpartition(":")[2]) for place in places]
    paths = ["/weir.router.v1.Router/Call", "/weir.worker.v1.Worker/Call"]
    inner = [b"\x0a", b"\x12", b"\xff" * 10, b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\0" * 5]

    def one(draw) -> str:
        which = draw.randrange(2)
        token = gateway.link_token if draw.random() < 0.8 else "x"
        fields = http2.call(paths[which], token)
        message = b"".join(
            http2.field(draw.randrange(1, 20), draw.choice([b"openai/m", "chat", 7, 1 << 60, b"{}", b"\x08\x01"]))
            for _ in range(draw.randrange(12))
        )  # fmt: skip
        if draw.random() < 0.5:
            message = mutate.spoil(draw, message, inner + mutate.WORDS)
        framed = http2.message(message)
        if draw.random() < 0.2:
            framed = mutate.spoil(draw, framed, inner)
        frames = http2.frame(http2.SETTINGS, 0, 0) + http2.head(1, http2.block(fields))
        ends = http2.END_STREAM if draw.random() < 0.8 else 0
        frames += http2.frame(http2.DATA, ends, 1, framed[: http2.FRAME_BYTES])
        if draw.random() < 0.4:
            frames = mutate.spoil(draw, frames, inner)
        received = exchange(("127.0.0.1", ports[which]), http2.PREFACE + frames, 0.05)
        return "answered" if received else "closed"

    together(draws, one)
    assert_unharmed(gateway, before)
