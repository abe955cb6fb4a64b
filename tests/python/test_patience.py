"""How long a caller waits for parts of its answer: in headers, within what the settings allow."""

import pytest
from harness import pair

FIRST, IDLE = "x-weir-first-token-timeout-ms", "x-weir-stream-idle-timeout-ms"


@pytest.fixture
def two(start, sim, other_sim):
    return lambda **network: pair.start(start, sim, other_sim, **network)


def test_a_stream_without_a_first_token_in_time_is_the_fallbacks(two, sim):
    callers = two(breaker_failures=1)
    sim.rule("first-chunk=5000")
    seen = callers.ask(stream=True, headers={FIRST: "500"})
    callers.well(seen, "groq")
    assert seen.tries == "openai/openai-1:silent, groq/groq-1:200"
    assert 0.45 < seen.took < 2
    # That one caller is in a hurry says nothing of the provider.
    sim.reset()
    seen = callers.ask(stream=True)
    callers.well(seen, "openai")
    # Of a whole answer nobody sees the first token.
    sim.rule("latency=800")
    callers.well(callers.ask(headers={FIRST: "300"}), "openai")
    callers.is_healthy()


def test_a_stream_that_stalls_ends_at_the_callers_limit(two, sim):
    callers = two(breaker_failures=1)
    sim.rule("stall=2")
    seen = callers.ask(stream=True, headers={IDLE: "400"})
    assert len(seen.errors) == 1 and not seen.complete, seen
    assert "stalled for 0.4 s" in seen.errors[0]["message"]
    assert seen.took < 2
    sim.wait_in_flight(0, 2)
    sim.reset()
    callers.well(callers.ask(stream=True), "openai")


def test_nobody_waits_longer_than_the_settings_allow(two, sim):
    callers = two(default_request_timeout_in_seconds=1, max_retries=0)
    sim.rule("first-chunk=9000")
    seen = callers.ask(stream=True, headers={FIRST: "8000"}, falls_back=False)
    assert seen.status == 504 and 0.9 < seen.took < 4, seen


@pytest.mark.parametrize(
    ("name", "value"),
    [(FIRST, "0"), (FIRST, "soon"), (IDLE, "1.5"), (IDLE, "-1"), ("x-weir-hedge-ms", "x")],
)
def test_what_is_no_time_is_refused(two, sim, name, value):
    callers = two()
    seen = callers.ask(stream=True, headers={name: value})
    assert seen.status == 400 and seen.errors[0]["message"].startswith(name), seen
    assert callers.calls() == (0, 0)
