"""Faults before the first content, with two retries, 30 s limits and one fallback (times at a tenth,
in full in soak): what the caller gets, and what the providers see. Each is followed by a request that
succeeds."""

import pytest
from harness import pair

KINDS = [False, True]


@pytest.fixture
def two(start, sim, other_sim, pace):
    def two(**network):
        limits = {
            "default_request_timeout_in_seconds": round(30 * pace.part),
            "retry_backoff_initial": max(100, round(500 * pace.part)),
            "retry_backoff_max": max(100, round(5000 * pace.part)),
        }
        return pair.start(start, sim, other_sim, **{**limits, **network})

    return two


def test_a_short_rest_that_is_named_is_waited_for_and_others_are_the_fallbacks(two, pace):
    callers = two()
    rest = round(2000 * pace.part)
    for stream in KINDS:
        do = f"status=429,retry-after-ms={rest},times=1"
        with callers.case(do, stream):
            seen = callers.ask(stream=stream)
            callers.well(seen, "openai")
            assert seen.tries == "openai/openai-1:429, openai/openai-1:200"
            assert rest / 1000 <= seen.took < rest / 1000 + 2
            assert callers.calls() == (2, 0)
    for stream, hint in [
        (False, ""),
        (True, ""),
        (False, ",retry-after=3600"),
        (False, ",retry-after-date=3600"),
        (True, ",retry-after=soon"),
        (False, ",retry-after=99999999999999999999"),
        (True, ",reset-requests=6m0s"),
    ]:
        with callers.case(f"status=429{hint}", stream):
            seen = callers.ask(stream=stream)
            callers.well(seen, "groq")
            assert seen.took < 2 and callers.calls() == (1, 1)


def test_silence_costs_one_try_and_one_limit(two, sim, pace):
    callers = two()
    for stream in KINDS:
        with callers.case("silence", stream):
            seen = callers.ask(stream=stream)
            callers.well(seen, "groq")
            assert seen.tries == "openai/openai-1:silent, groq/groq-1:200"
            assert 30 * pace.part <= seen.took < 30 * pace.part + 2
            assert [one["outcome"] for one in sim.requests()] == ["client_closed"]


def test_a_first_token_that_does_not_come_in_time_costs_one_limit(two, pace):
    """Headers and then silence, a late first token, comments for ever."""
    callers = two(first_token_timeout_in_seconds=round(10 * pace.part))
    for do in ["stall", f"first-chunk={round(20_000 * pace.part)}", "comments=100"]:
        with callers.case(do):
            seen = callers.ask(stream=True)
            callers.well(seen, "groq")
            assert seen.tries == "openai/openai-1:silent, groq/groq-1:200"
            assert 10 * pace.part <= seen.took < 10 * pace.part + 2


def test_a_hedge_does_not_wait_for_the_limit(two, pace):
    callers = two(hedge_after_ms=round(5000 * pace.part))
    with callers.case(f"first-chunk={round(20_000 * pace.part)}"):
        seen = callers.ask(stream=True)
        callers.well(seen, "groq")
        assert 5 * pace.part <= seen.took < 5 * pace.part + 2
        assert callers.calls() == (1, 1)


def test_what_may_pass_is_tried_three_times(two):
    callers = two()
    for nth, status in enumerate([408, 500, 502, 503, 504, 529]):
        stream = KINDS[nth % 2]
        with callers.case(f"status={status}", stream):
            seen = callers.ask(stream=stream)
            callers.well(seen, "groq")
            assert seen.tries.count(f"openai/openai-1:{status}") == 3
            assert callers.calls() == (3, 1)


def test_a_connection_or_stream_that_breaks_is_tried_again(two):
    """Before the head or right after it; the third time it is well."""
    callers = two()
    for stream in KINDS:
        for do in ["reset", "cut", "reset=first", "cut=first", *["error=first"] * stream]:
            with callers.case(f"{do},times=2", stream):
                seen = callers.ask(stream=stream)
                callers.well(seen, "openai")
                assert callers.calls() == (3, 0)
                # A connection that is closed when it is used again has cost nothing and is no try.
                tries = [3, 2] if do in ("cut", "reset") else [3]
                assert seen.tries.count("openai/openai-1") in tries


def test_in_an_outage_the_next_callers_cost_one_call_at_most(two):
    callers = two()
    for stream in KINDS:
        with callers.case("status=503", stream):
            counts = []
            for _ in range(12):
                before = callers.calls()[0]
                callers.well(callers.ask(stream=stream), "groq")
                counts.append(callers.calls()[0] - before)
            routers = len(callers.gateway.routers) or 1
            assert counts[0] == 3 and max(counts) == 3, counts
            # Each router finds out for itself; the first that has seen five tells the pool.
            assert sum(count > 1 for count in counts) <= 2 * routers, counts


def test_what_is_in_the_request_is_told_or_taken_elsewhere_after_one_try(two):
    callers = two()
    for stream in KINDS:
        with callers.case("status=400,code=context_length_exceeded", stream):
            seen = callers.ask(stream=stream)
            callers.well(seen, "groq")
            assert seen.tries == "openai/openai-1:400, groq/groq-1:200"
            assert callers.calls() == (1, 1)
        with callers.case("status=400,code=content_filter", stream):
            seen = callers.ask(stream=stream)
            assert seen.status == 400 and seen.errors[0]["code"] == "content_filter", seen
            assert seen.tries == "openai/openai-1:400"
            assert callers.calls() == (1, 0)


def test_an_answer_that_is_none_is_not_asked_for_twice(two):
    """A page, or no JSON, with status 200: it may have been billed."""
    callers = two()
    for stream in KINDS:
        for do in ["html", "html,content-type=application/json", "garbage=first"]:
            with callers.case(do, stream):
                seen = callers.ask(stream=stream)
                callers.well(seen, "groq")
                assert callers.calls() == (1, 1)


def test_what_is_only_sent_strangely_is_taken(two):
    """Under another name, packed, an event split at every byte."""
    callers = two()
    for stream in KINDS:
        for do in ["content-type=text/plain", "content-type=image/png", "gzip", "split=1"]:
            with callers.case(do, stream):
                seen = callers.ask(stream=stream)
                callers.well(seen, "openai")
                assert callers.calls() == (1, 0)


def test_a_502_with_a_page_is_told_as_an_error_of_the_format(two, sim, other_sim):
    callers = two(max_retries=0)
    page = {"headers": {"content-type": "text/html"}, "body": "<html>Bad gateway</html>"}
    sim.rule("status=502", **page)
    other_sim.rule("status=502", **page)
    seen = callers.ask()
    assert seen.status == 502 and seen.errors[0]["message"], seen
    callers.is_healthy()
