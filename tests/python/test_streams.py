"""Streams that break: an error event and never a false [DONE]."""

import pytest
from harness.config import Config


@pytest.mark.parametrize(
    "how", ["cut=3", "reset=3", "garbage=3", "error=3", "no-finish", "cut=99"]
)
def test_a_stream_that_breaks_ends_in_an_error_event(gateway, how):
    events = gateway.stream(f"openai/sim:chunks=6,{how}").read()
    assert events.status == 200
    assert events.text, "what had come before is passed on"
    assert not events.done, events.data
    (error,) = events.errors
    assert error["message"] and error["type"]
    assert events.data[-1].find('"error"') >= 0


@pytest.mark.slow
def test_a_stalled_stream_ends_at_the_idle_limit(start, sim):
    config = Config().provider("openai", sim.url, stream_idle_timeout_in_seconds=5)
    events = start(config).stream("openai/sim:stall=3").read()
    assert events.text and not events.done
    assert len(events.errors) == 1
    sim.wait_in_flight(0)


def test_a_stream_that_merely_lacks_done_is_complete(gateway, sim):
    events = gateway.stream("openai/sim:no-done").read()
    assert not events.errors
    assert events.data[-1] == "[DONE]" and events.data.count("[DONE]") == 1
    assert events.ended == "complete"
    assert gateway.chat("openai/gpt-4o").status == 200


def test_a_whole_stream_is_terminated_once(gateway):
    events = gateway.stream("openai/gpt-4o").read()
    assert events.data.count("[DONE]") == 1
    assert events.ended == "complete"


def test_an_error_before_content_is_a_plain_error(gateway):
    """Nothing was sent yet, so the client gets a status instead of a broken stream."""
    answer = gateway.chat("openai/sim:error", stream=True)
    assert answer.status >= 500, answer.body
    assert answer.error["message"]


def test_slow_streams_are_not_cut(gateway):
    events = gateway.stream("openai/sim:first-chunk=300,chunks=4,interval=150").read()
    assert events.done and not events.errors


@pytest.mark.slow
def test_a_stream_without_a_first_token_times_out(start, sim):
    config = Config().provider("openai", sim.url, default_request_timeout_in_seconds=1)
    answer = start(config).chat("openai/sim:stall=0", stream=True)
    assert answer.status == 504, answer.body
    sim.wait_in_flight(0)


def test_broken_answers_are_counted(gateway):
    gateway.stream("openai/sim:cut=3").read()
    assert "weir_answers_broken_total" in gateway.metrics()
