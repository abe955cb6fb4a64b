"""Real servers behind the gateway: the same answers as without it, and what happens when one dies,
comes back, or has been idle for as long as it keeps connections."""

import json
import time

import pytest
from harness import http

# Greedy, so that the same is said each time.
SAME = {"temperature": 0, "seed": 1, "max_tokens": 12}
SAY = [{"role": "user", "content": "hello"}]
BODIES = {
    "plain": {"messages": SAY},
    "a system's word": {"messages": [{"role": "system", "content": "be short"}, *SAY]},
    "one token": {"messages": SAY, "max_tokens": 1},
    "several turns": {
        "messages": [*SAY, {"role": "assistant", "content": "it is"}, *SAY],
    },
    "a stop": {"messages": SAY, "stop": ["a", "y"]},
    "another seed": {"messages": SAY, "seed": 4},
    "not greedy": {"messages": SAY, "temperature": 0.7, "top_p": 0.9},
    "penalties": {"messages": SAY, "presence_penalty": 0.5, "frequency_penalty": 0.5},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]},
    "bytes beyond ASCII": {"messages": [{"role": "user", "content": "grüße, 你好"}]},
    "JSON": {"messages": SAY, "response_format": {"type": "json_object"}},
    "a user": {"messages": SAY, "user": "me"},
    "a bias": {"messages": SAY, "logit_bias": {"260": -100}},
    "too long for its context": {"messages": [{"role": "user", "content": "long " * 400}]},
    "no messages at all": {"messages": "hello"},
}
# What differs from one call to the next, and what names the server's own.
OWN = ("id", "created", "model", "system_fingerprint", "extra_fields", "provider_specific_fields")


# A stream that ends without its end, as llama-cpp-python's does where its context is too short.
BROKEN = "broken"


def _plain(value):
    """Without what is another each time, and without members that say nothing."""
    if isinstance(value, dict):
        kept = {name: _plain(inner) for name, inner in value.items() if name not in OWN}
        return {name: inner for name, inner in kept.items() if inner not in (None, {}, [])}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _said(answer: http.Answer, stream: bool):
    """The status, and what was said."""
    if answer.status != 200:
        return answer.status
    text = answer.body.decode()
    if not stream:
        return answer.status, _plain(json.loads(text))
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        return BROKEN
    return answer.status, [_plain(json.loads(line)) for line in lines[:-1]]


def _ask(url: str, model: str, body: dict, stream: bool = False, headers: dict | None = None):
    """The answer, and what of it is the same each time."""
    body = {"model": model, "stream": stream, **SAME, **body}
    answer = http.request("POST", f"{url}/v1/chat/completions", body, headers, timeout=60)
    return answer, _said(answer, stream)


def _status(place, model: str) -> int:
    return _ask(place.gateway.url, model, BODIES["plain"])[0].status


def _server(place, name: str):
    return place.proxy if name == "litellm" else place.llamas[0]


@pytest.mark.parametrize("provider", ["own-0", "litellm"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("what", BODIES)
def test_the_answer_is_that_of_the_server(place, provider, stream, what):
    server = _server(place, provider)
    _, direct = _ask(server.url, "tiny", BODIES[what], stream, server.headers())
    answer, through = _ask(place.gateway.url, f"{provider}/tiny", BODIES[what], stream)
    if direct == BROKEN:
        # Nothing of it has come: the gateway can still say that it failed.
        assert answer.status >= 400, answer.body
    else:
        assert through == direct, (direct, through, answer.body)


@pytest.mark.parametrize("provider", ["own-0", "litellm"])
def test_after_as_long_as_it_keeps_connections_nothing_breaks(place, provider):
    """uvicorn closes after 5 s; a request must not meet a connection that is being closed."""
    for idle in (4.8, 4.95, 5.0, 5.05, 5.2):
        assert _status(place, f"{provider}/tiny") == 200
        time.sleep(idle)
    assert _status(place, f"{provider}/tiny") == 200


@pytest.mark.parametrize("provider", ["own-1", "litellm"])
def test_one_that_is_killed_is_told_and_serves_again_when_it_is_back(place, provider):
    server = place.proxy if provider == "litellm" else place.llamas[1]
    server.kill()
    assert _status(place, f"{provider}/tiny") in (502, 503)
    server.start()
    back = time.monotonic()
    while _status(place, f"{provider}/tiny") != 200:
        assert time.monotonic() - back < 10
        time.sleep(0.2)


def test_of_two_one_that_dies_costs_no_request_and_has_its_share_back(place):
    def ask(count: int) -> list[http.Answer]:
        url, body = place.gateway.url, BODIES["one token"]
        answers = [_ask(url, "vllm/tiny", body)[0] for _ in range(count)]
        assert {answer.status for answer in answers} == {200}, [one.body for one in answers]
        return answers

    def keys(count: int) -> list[str]:
        return [answer.headers["x-weir-key"] for answer in ask(count)]

    assert sorted(keys(10)) == ["l0"] * 5 + ["l1"] * 5
    place.llamas[1].kill()
    assert keys(10).count("l0") >= 9
    # Its health check has it rest: nobody finds out any more.
    time.sleep(2)
    assert all("unreachable" not in answer.headers["x-weir-attempts"] for answer in ask(6))
    place.llamas[1].start()
    back = time.monotonic()
    while "l1" not in keys(3):
        assert time.monotonic() - back < 10
        time.sleep(0.2)
    assert keys(10).count("l1") >= 4
