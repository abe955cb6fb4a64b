"""Answers as servers and what stands before them send them: compressed, although nobody asked."""

import gzip
import json
import zlib

import pytest
from harness.config import Config
from harness.fake import CHAT, Fake

# What is named last was put on last.
ENCODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "gzip, deflate": lambda body: zlib.compress(gzip.compress(body)),
    "identity, x-gzip": gzip.compress,
}
DELTAS = [{"content": "hello"}, {"content": " there"}]
CHUNKS = [{"choices": [{"index": 0, "delta": delta}]} for delta in DELTAS]
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
EVENTS = "".join(f"data: {json.dumps(one)}\n\n" for one in [*CHUNKS, STOP]) + "data: [DONE]\n\n"
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]}


@pytest.fixture(params=ENCODINGS)
def gateway(request, start):
    """Its provider answers in an encoding, whatever it is asked for."""
    encoding = request.param

    def answer(asked):
        kind, status = "application/json", 200
        if asked.json()["model"] == "refused":
            status, body = 400, json.dumps({"error": {"message": "temperature is too high"}})
        elif asked.json()["model"] == "lost":
            status, kind, body = 404, "text/plain", "404 page not found"
        elif asked.path.endswith("/embeddings"):
            body = json.dumps(VECTORS)
        elif asked.json().get("stream"):
            kind, body = "text/event-stream", EVENTS
        else:
            body = json.dumps(CHAT)
        encoded = ENCODINGS[encoding](body.encode())
        return status, encoded, {"content-type": kind, "content-encoding": encoding}

    server = Fake(answer)
    yield start(Config().provider("openai", server.url))
    server.stop()


def test_every_answer_is_decoded(gateway):
    answer = gateway.chat("openai/m")
    assert answer.json() == CHAT and "content-encoding" not in answer.headers
    vectors = gateway.request("POST", "/v1/embeddings", {"model": "openai/m", "input": "x"})
    assert vectors.json() == VECTORS
    events = gateway.stream("openai/m").read()
    assert events.text == "hello there" and events.done and not events.errors


def test_errors_are_decoded(gateway):
    refused = gateway.chat("openai/refused")
    said = refused.json()["error"]["message"]
    assert (refused.status, said) == (400, "temperature is too high"), refused.body
    lost = gateway.chat("openai/lost")
    assert lost.status == 404 and lost.error["message"].endswith("404 page not found")


def test_what_is_not_so_encoded_is_asked_for_once(start):
    server = Fake(lambda _: (200, b"{}", {"content-encoding": "gzip, br"}))
    try:
        gateway = start(Config().provider("openai", server.url, max_retries=2))
        answer = gateway.chat("openai/m")
        assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
        assert "br" in answer.error["message"], answer.body
        assert len(server.asked()) == 1
    finally:
        server.stop()
