"""Streams that begin for the client when they are complete: what breaks is had again, and not seen."""

import pytest
from harness.config import Config, Key

MODEL = "openai/gpt-4o"
COMPLETE = {"x-weir-commit": "complete"}
# How a stream breaks after its first content.
BREAKS = ["cut=3", "reset=3", "garbage=3", "error=3", "stall=3"]


@pytest.fixture
def pair(start, sim, other_sim):
    """A gateway with `openai`, and `groq` to fall back to."""

    def pair(**network):
        settings = {"retry_backoff_initial": 100, "stream_idle_timeout_in_seconds": 5}
        config = Config().provider("openai", sim.url, **{**settings, **network})
        return start(config.provider("groq", other_sim.url))

    return pair


def read(gateway, headers=None, **body):
    """The stream's head, and what was read of it."""
    stream = gateway.stream(MODEL, headers=headers, **body)
    return stream, stream.read()


@pytest.mark.parametrize("do", BREAKS)
def test_a_stream_that_breaks_is_had_from_the_fallback(pair, sim, do):
    gateway = pair()
    sim.rule(do)
    stream, events = read(gateway, COMPLETE, fallbacks=["groq/llama-3"])
    assert stream.status == 200 and events.done and not events.errors
    assert events.text.endswith("You said: hi")
    assert stream.headers["x-weir-commit"] == "complete"
    assert stream.headers["x-weir-provider"] == "groq"
    assert stream.tries.endswith(", groq/groq-1:200")
    # Whoever does not ask for it sees the break.
    stream, events = read(gateway, fallbacks=["groq/llama-3"])
    assert events.errors and not events.done
    assert "x-weir-commit" not in stream.headers


def test_a_stream_that_breaks_is_had_again_where_there_is_no_fallback(pair, sim):
    gateway = pair(max_retries=1)
    sim.rule("cut=3,times=1")
    stream, events = read(gateway, COMPLETE)
    assert events.done and events.text.endswith("You said: hi")
    assert stream.tries == "openai/openai-1:cut, openai/openai-1:200"


def test_if_all_break_the_client_gets_an_error_and_not_a_piece(pair, sim):
    gateway = pair()
    sim.rule("cut=3")
    answer = gateway.chat(MODEL, headers=COMPLETE, stream=True)
    assert answer.status == 502, answer.body
    assert answer.error["type"] == "upstream_answer_broken", answer.body


def test_the_provider_may_say_it_for_all_and_a_client_may_say_no(pair, sim):
    gateway = pair(commit="complete", max_retries=1)
    sim.rule("cut=3,times=1")
    stream, events = read(gateway)
    assert events.done and stream.headers["x-weir-commit"] == "complete"
    sim.reset()
    sim.rule("cut=3,times=1")
    _, events = read(gateway, {"x-weir-commit": "first"})
    assert events.errors and not events.done


def test_whole_answers_are_as_ever(pair):
    answer = pair().chat(MODEL, headers=COMPLETE)
    assert answer.status == 200 and "x-weir-commit" not in answer.headers


def test_a_stream_that_is_too_long_begins_before_its_end_and_says_so(pair, sim):
    gateway = pair(max_held_stream_mb=1, max_retries=1)
    sim.rule("chunks=60,answer-bytes=2400000")
    stream, events = read(gateway, COMPLETE)
    assert stream.headers["x-weir-commit"] == "first"
    assert events.done and not events.errors


def test_a_stream_longer_than_an_attempt_is_waited_for(pair, sim):
    """The request timeout is the time to the first content."""
    gateway = pair(default_request_timeout_in_seconds=1)
    sim.rule("chunks=10,interval=300")
    stream, events = read(gateway, COMPLETE)
    assert stream.status == 200 and events.done
    answer = gateway.chat(MODEL, headers={**COMPLETE, "x-request-timeout-ms": "1500"}, stream=True)
    assert answer.status == 504 and answer.error["type"] == "request_timed_out", answer.body


def test_a_refusal_in_a_stream_is_obeyed(start, sim):
    """What an error says still decides what is done: the next key at once, which is no retry."""
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config)
    sim.rule("error=3,code=rate_limit_exceeded", key=config.secret("a"))
    stream, events = read(gateway, COMPLETE)
    assert events.done and not events.errors
    assert stream.tries == "openai/a:429, openai/b:200"


def test_another_word_is_refused(pair):
    answer = pair().chat(MODEL, headers={"x-weir-commit": "last"}, stream=True)
    assert answer.status == 400
    assert answer.error["message"] == "x-weir-commit must be `first` or `complete`"


def test_a_client_that_leaves_meanwhile_ends_the_call(pair, sim):
    gateway = pair()
    sim.rule("chunks=100,interval=200")
    with pytest.raises(TimeoutError):
        gateway.chat(MODEL, headers=COMPLETE, stream=True, timeout=1)
    sim.wait_in_flight(0, timeout=2)
    assert sim.requests()[-1]["outcome"] == "client_closed"
