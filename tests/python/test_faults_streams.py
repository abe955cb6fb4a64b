"""Streams that break after their first content, in each client's format: with `first` the truth at the
end, with `complete` the whole answer from the fallback (times at a tenth, in full in soak). Each is
followed by a request that succeeds."""

import json

import pytest
from harness import http, pair
from harness.config import Config

IDLE = "x-weir-stream-idle-timeout-ms"
# Sixty tokens; one of the simulator's is four bytes, and a chunk holds one.
SIXTY = "chunks=60,answer-bytes=240"
BREAKS = [
    f"{SIXTY},cut=40",
    f"{SIXTY},reset=40",
    f"{SIXTY},stall=20",
    f"{SIXTY},garbage=20",
    f"{SIXTY},error=20",
    f"{SIXTY},no-finish",
]
# Comments for ever have a limit of their own, of at least five seconds: in soak.
COMMENTS = f"{SIXTY},stall=20,comments=50"


@pytest.fixture
def two(start, sim, other_sim, pace):
    limits = {"stream_idle_timeout_in_seconds": 30, "stream_comment_timeout_in_seconds": 5}
    callers = pair.start(start, sim, other_sim, **{**limits, "max_retries": 0})
    callers.breaks = BREAKS if pace.part < 1 else [*BREAKS, COMMENTS]
    callers.idle = {IDLE: str(round(30_000 * pace.part))}
    return callers


def test_with_first_the_caller_is_told_the_truth(two):
    for do in two.breaks:
        with two.case(do):
            seen = two.ask(stream=True, headers=two.idle)
            assert seen.status == 200 and seen.text, seen
            assert not seen.complete and len(seen.errors) == 1, seen
            assert seen.model == two.model and seen.errors[0]["message"]
            # What has been seen is not said again by somebody else.
            assert two.calls() == (1, 0)


def test_with_complete_the_caller_sees_nothing_of_it(two):
    for do in two.breaks:
        with two.case(do):
            seen = two.ask(stream=True, headers={**two.idle, **pair.COMPLETE})
            two.well(seen, "groq")
            assert seen.headers["x-weir-commit"] == "complete"
            assert two.calls() == (1, 1)


def test_what_is_complete_is_taken_as_complete(two):
    for do in ["no-done", "trailing", "split=1", "gzip", "split=7,gzip"]:
        with two.case(do):
            seen = two.ask(stream=True)
            two.well(seen, "openai")
            assert two.calls() == (1, 0)


def test_the_end_follows_the_last_event_at_once(start, sim):
    """What the connection still has to say is read later: neither caller nor slot waits for it."""
    gateway = start(Config().provider("openai", sim.url, concurrency=1, buffer=4))
    sim.rule("linger")
    for _ in range(5):
        seen = pair.Pair(gateway, sim, sim).ask(stream=True, falls_back=False)
        assert seen.complete and not seen.errors and seen.took < 1, seen
    sim.wait_in_flight(0, 2)


def test_each_of_several_answers_has_its_own_end(two):
    """A stream in which one has its finish reason and another has not is not complete."""
    stream = two.gateway.stream("openai/gpt-4o", n=2).read()
    ends = [c["index"] for e in stream.parsed for c in e["choices"] if c.get("finish_reason")]
    assert sorted(ends) == [0, 1] and stream.done
    with two.case("no-finish"):
        stream = two.gateway.stream(f"openai/{two.model}", n=2).read()
        assert stream.errors and not stream.done


MESSAGES = [{"role": "user", "content": "hi"}]
# How a stream is asked for in each format, what ends one that is complete, and what its error is called.
FORMATS = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES}, "[DONE]", None),
    "responses": ("/v1/responses", {"input": "hi"}, '"response.completed"', "error"),
    "messages": ("/anthropic/v1/messages", {"messages": MESSAGES, "max_tokens": 200},
                 '"message_stop"', "error"),
    "gemini": ("/genai/v1beta/models/{}:streamGenerateContent?alt=sse",
               {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, '"finishReason"', None),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_error_in_its_own_way_and_never_success(two, name):
    path, body, end, kind = FORMATS[name]

    def read() -> list[str]:
        asked = {"model": f"openai/{two.model}", "stream": True, **body}
        if "{}" in path:
            asked = body
        url = two.gateway.url + path.format(f"openai/{two.model}")
        return list(http.stream(url, asked))

    good = read()
    assert any(end in event for event in good), good[-2:]
    for do in ["cut=3", "reset=3", "garbage=3", "error=3", "no-finish"]:
        with two.case(f"chunks=6,{do}"):
            broken = read()
            assert not any(end in event for event in broken), broken[-2:]
            last = json.loads(broken[-1])
            assert last["error"]["message"] if kind is None else last["type"] == kind, last
