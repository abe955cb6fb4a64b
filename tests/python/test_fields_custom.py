"""`custom_provider_config` and the servers of one's own: each field acts. A test is named after its
field and fails when that is ignored."""

import json
import socket
import struct
import time

import pytest
from harness import fake
from harness.config import Config, Key
from harness.proxies import Impostor

pytestmark = pytest.mark.topologies("all-in-one-memory")


@pytest.fixture
def custom(start, sim):
    """Starts a gateway with one custom provider, `corp`."""

    def custom(url=None, keys=None, network=None, **section):
        section = {"base_provider_type": "openai", **section}
        config = Config().provider("corp", url or sim.url, keys, **(network or {}))
        config.document["providers"]["corp"]["custom_provider_config"] = section
        if section.get("is_key_less"):
            config.provider("openai", sim.url)
            del config.document["providers"]["corp"]["keys"]
        return start(config)

    return custom


# What each base is asked for a chat, and where its credential stands.
BASES = {
    "openai": ("/v1/chat/completions", "authorization"),
    "anthropic": ("/v1/messages", "x-api-key"),
    "cohere": ("/v2/chat", "authorization"),
    "gemini": ("/models/m:generateContent", "x-goog-api-key"),
    "huggingface": ("/v1/chat/completions", "authorization"),
    "bedrock": ("/model/m/converse", "authorization"),
    "replicate": ("/v1/models/m/predictions", "authorization"),
}
PREDICTION = {"id": "p", "status": "succeeded", "output": ["Hi"], "error": None, "urls": {}}


def test_field_custom_provider_config_base_provider_type(start):
    server = fake.Fake(fake.provider)
    config = Config()
    for base in BASES:
        extra = {"bedrock_key_config": {"region": "us-east-1"}} if base == "bedrock" else {}
        key = Key(f"{base}-key", extra=extra)
        config.provider(f"my-{base}", server.url, [key])
        section = {"base_provider_type": base}
        config.document["providers"][f"my-{base}"]["custom_provider_config"] = section
    # The fake speaks these formats only if it is told to.
    told = {"/v2/": COHERE, "/predictions": PREDICTION}
    server.answer = lambda asked: next(
        ((200, body) for part, body in told.items() if part in asked.path), fake.provider(asked)
    )
    gateway = start(config)
    try:
        for base, (path, header) in BASES.items():
            answer = gateway.chat(f"my-{base}/m")
            assert answer.status == 200, f"{base}: {answer.body}"
            asked = server.asked()[-1]
            assert asked.path.endswith(path), f"{base}: {asked.path}"
            assert config.secret(f"{base}-key") in asked.headers[header], base
    finally:
        server.stop()


COHERE = {
    "id": "c",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
    "usage": {"tokens": {"input_tokens": 1, "output_tokens": 1}},
}


def test_field_custom_provider_config_is_key_less(custom, sim):
    gateway = custom(is_key_less=True)
    assert gateway.chat("corp/m").status == 200
    headers = dict(sim.requests()[0]["headers"])
    assert "authorization" not in headers and sim.requests()[0]["key"] in ("", None)


def test_field_custom_provider_config_allowed_requests(custom, sim):
    gateway = custom(allowed_requests={"chat_completion": True, "embedding": False})
    assert gateway.chat("corp/m").status == 200
    streamed = gateway.chat("corp/m", stream=True)
    embedded = gateway.request("POST", "/v1/embeddings", {"model": "corp/m", "input": "hi"})
    for answer in (streamed, embedded):
        assert answer.status == 400, answer.body
        assert answer.error["type"] == "unsupported_operation"
    assert len(sim.requests()) == 1


def test_field_custom_provider_config_request_path_overrides(custom, sim, other_sim):
    paths = {
        "chat_completion": "/v9/chat/completions",
        "chat_completion_stream": f"{other_sim.url}/far/chat/completions",
    }
    gateway = custom(request_path_overrides=paths)
    assert gateway.chat("corp/m").status == 200
    assert gateway.stream("corp/m").read().done
    assert sim.requests()[0]["path"] == "/v9/chat/completions"
    assert other_sim.requests()[0]["path"] == "/far/chat/completions"


def stream_of(*parts, resets: bool = False):
    """A server whose stream has these parts: events, and seconds in between; it then says nothing
    more and keeps the connection, or resets it."""

    def act(peer):
        request = b""
        while b"\r\n\r\n" not in request:
            request += peer.recv(1 << 16)
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        while len(body) < length:
            body += peer.recv(1 << 16)
        peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for part in parts:
            if isinstance(part, dict):
                peer.sendall(b"data: " + json.dumps(part).encode() + b"\n\n")
            else:
                time.sleep(part)
        if resets:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            return
        while peer.recv(1 << 16):
            pass

    return Impostor("http", act)


def chunk(**choice) -> dict:
    whole = {"index": 0, "delta": {}, "finish_reason": None, **choice}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [whole]}


TEXT = chunk(delta={"role": "assistant", "content": "hi"})
STOP = chunk(finish_reason="stop")
USAGE = {
    **chunk(),
    "choices": [],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}
IDLE = {"stream_idle_timeout_in_seconds": 5}


def test_field_custom_provider_config_does_not_send_done_marker(custom):
    server = stream_of(TEXT, STOP)
    try:
        gateway = custom(server.url, network=IDLE, does_not_send_done_marker=True)
        began = time.monotonic()
        events = gateway.stream("corp/m").read()
        assert events.done and not events.errors and events.text == "hi"
        assert time.monotonic() - began < 4.5
    finally:
        server.stop()
    # Where the marker is due, a connection that breaks before it has broken the stream.
    server = stream_of(TEXT, STOP, 0.3, resets=True)
    try:
        events = custom(server.url, does_not_send_done_marker=True).stream("corp/m").read()
        assert events.done and not events.errors
        events = custom(server.url).stream("corp/m").read()
        assert events.errors and not events.done
    finally:
        server.stop()


def test_field_custom_provider_config_wait_for_usage(custom):
    server = stream_of(TEXT, STOP, 3.0, USAGE)
    section = {"does_not_send_done_marker": True}
    try:
        events = custom(server.url, wait_for_usage=True, **section).stream("corp/m").read()
        assert events.done and not events.errors
        assert [e["usage"]["total_tokens"] for e in events.parsed if e.get("usage")] == [9]
        events = custom(server.url, **section).stream("corp/m").read()
        assert events.done and not [e for e in events.parsed if e.get("usage")]
    finally:
        server.stop()


@pytest.mark.parametrize("vendor", ["ollama", "sgl"])
def test_field_url_of_each_key(start, sim, other_sim, vendor):
    """Each key is a server; the weights spread the calls over them."""
    keys = [
        Key(f"{vendor}-a", weight=1.0, extra={f"{vendor}_key_config": {"url": sim.url}}),
        Key(f"{vendor}-b", weight=3.0, extra={f"{vendor}_key_config": {"url": other_sim.url}}),
    ]
    config = Config().provider(vendor, "", keys)
    del config.document["providers"][vendor]["network_config"]["base_url"]
    for entry in config.document["providers"][vendor]["keys"]:
        entry["value"] = ""
    gateway = start(config)
    for _ in range(8):
        assert gateway.chat(f"{vendor}/m").status == 200
    assert (len(sim.requests()), len(other_sim.requests())) == (2, 6)
    headers = dict(sim.requests()[0]["headers"])
    assert "authorization" not in headers
    # Both servers are asked what they have.
    listed = gateway.request("GET", "/v1/models")
    assert listed.status == 200 and len(listed.json()["data"]) > 0


def test_field_vllm_key_config_url_and_model_name(start, sim, other_sim):
    """A key serves the one model that its server has, under the name that an alias leads to."""
    keys = [
        Key(
            "vllm-llama",
            models=["llama"],
            extra={
                "aliases": {"llama": "meta-llama/Llama-3"},
                "vllm_key_config": {"url": sim.url, "model_name": "meta-llama/Llama-3"},
            },
        ),
        Key(
            "vllm-qwen",
            models=["Qwen/Qwen3"],
            extra={"vllm_key_config": {"url": other_sim.url, "model_name": "Qwen/Qwen3"}},
        ),
    ]
    config = Config().provider("vllm", "", keys)
    del config.document["providers"]["vllm"]["network_config"]["base_url"]
    gateway = start(config)
    assert gateway.chat("vllm/llama").status == 200
    assert gateway.chat("vllm/Qwen/Qwen3").status == 200
    assert [entry["model"] for entry in sim.requests()] == ["meta-llama/Llama-3"]
    assert [entry["model"] for entry in other_sim.requests()] == ["Qwen/Qwen3"]
    assert gateway.chat("vllm/other").status >= 400
    assert len(sim.requests()) + len(other_sim.requests()) == 2


def test_field_huggingface_aliases(start, sim):
    key = Key("hf", models=["llama"], extra={"aliases": {"llama": "groq/meta-llama/Llama-3"}})
    gateway = start(Config().provider("huggingface", sim.url, [key]))
    assert gateway.chat("huggingface/llama").status == 200
    assert sim.requests()[0]["model"] == "meta-llama/Llama-3:groq"
    assert gateway.chat("huggingface/other").status >= 400
