"""A provider that is down for a while, and then well or slow (times at a tenth, in full in soak)."""

import time

import pytest
from harness import pair


@pytest.mark.parametrize("do", ["status=503", "reset"])
def test_down_for_a_minute_and_well_again(start, sim, other_sim, pace, do):
    """One request every four seconds: each is answered, at most one call each once it is known, and the
    provider serves again within ten seconds."""
    if do == "reset" and pace.part < 1:
        pytest.skip("in soak: it takes as long as the other and says little more")
    callers = pair.start(start, sim, other_sim, retry_backoff_max=100)
    down, every = 60 * pace.part, 4 * pace.part
    sim.rule(f"{do},for={round(down * 1000)}")
    began = time.monotonic()
    counts, back = [], None
    while back is None:
        before = callers.calls()[0]
        seen = callers.ask()
        assert seen.status == 200 and seen.complete, seen
        counts.append(callers.calls()[0] - before)
        now = time.monotonic() - began
        if now > down and seen.provider == "openai":
            back = now
        assert now < down + 10 + every, "not back within ten seconds"
        time.sleep(max(0.0, every - seen.took))
    assert back <= down + 10
    routers = len(callers.gateway.routers) or 1
    # Each router finds out by itself, with two requests at most, whenever these come to it.
    assert sum(count > 1 for count in counts) <= 2 * routers, counts
    callers.is_healthy()


def test_down_and_then_slow(start, sim, other_sim, pace):
    """It is back, but no better than silent: the fallback's callers notice nothing."""
    limit = round(10 * pace.part)
    callers = pair.start(start, sim, other_sim, retry_backoff_max=100,
                         first_token_timeout_in_seconds=limit)  # fmt: skip
    sim.rule("status=503,for=1500")
    # Until the end: were it well again within the five seconds, a trial call could rightly find it so.
    sim.rule("first-chunk=60000")
    began = time.monotonic()
    while time.monotonic() - began < 5:
        seen = callers.ask(stream=True)
        callers.well(seen, "groq")
        assert seen.took < limit + 2
        time.sleep(0.3)
    callers.is_healthy()
