"""A provider that says nothing for too long gets another one beside it; whoever speaks first is kept."""

import re

import pytest
from harness import pair
from harness.config import Config

KINDS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
def two(start, sim, other_sim):
    def two(**network):
        network = {"hedge_after_ms": 500, "hedge_max_percent": 100, **network}
        return pair.start(start, sim, other_sim, **network)

    return two


def outcomes(gateway, provider) -> dict[str, int]:
    found = re.findall(
        rf'weir_attempts_total{{provider="{provider}",key="[^"]*",outcome="(\w+)"}} (\d+)',
        gateway.metrics(),
    )
    counts = {}
    for outcome, count in found:
        counts[outcome] = counts.get(outcome, 0) + int(count)
    return counts


@KINDS
def test_the_fallback_is_kept_if_it_speaks_first(two, sim, other_sim, stream):
    callers = two(breaker_failures=1)
    sim.rule("first-chunk=8000" if stream else "latency=8000")
    seen = callers.ask(stream=stream)
    callers.well(seen, "groq")
    assert seen.tries == "openai/openai-1:cancelled, groq/groq-1:200"
    assert 0.45 < seen.took < 3
    # The provider sees that nobody waits any more.
    sim.wait_in_flight(0, 2)
    assert [one["outcome"] for one in sim.requests()] == ["client_closed"]
    assert [one["outcome"] for one in other_sim.requests()] == ["completed"]
    counts = outcomes(callers.gateway, "openai")
    assert counts.get("cancelled") == 1 and not counts.get("ok"), counts
    # Who lost has failed nobody: it is asked first again.
    sim.reset()
    callers.well(callers.ask(stream=stream), "openai")
    callers.is_healthy()


@KINDS
def test_the_first_is_kept_if_it_speaks_after_all(two, sim, other_sim, stream):
    callers = two()
    sim.rule("first-chunk=1500" if stream else "latency=1500")
    other_sim.rule("silence")
    seen = callers.ask(stream=stream)
    callers.well(seen, "openai")
    assert seen.tries == "groq/groq-1:cancelled, openai/openai-1:200"
    other_sim.wait_in_flight(0, 2)
    assert [one["outcome"] for one in other_sim.requests()] == ["client_closed"]
    callers.is_healthy()


def test_who_answers_in_time_has_nobody_beside_it(two, other_sim):
    callers = two()
    callers.well(callers.ask(), "openai")
    callers.well(callers.ask(stream=True), "openai")
    assert not other_sim.requests()


def test_a_caller_may_ask_for_it_and_forbid_it(two, sim):
    callers = two(hedge_after_ms=0)
    sim.rule("latency=1500")
    callers.well(callers.ask(), "openai")
    seen = callers.ask(headers={"x-weir-hedge-ms": "300"})
    callers.well(seen, "groq")
    callers = two(hedge_after_ms=300)
    callers.well(callers.ask(headers={"x-weir-hedge-ms": "0"}), "openai")


def test_no_more_than_the_share_is_hedged(two, sim, other_sim):
    callers = two(hedge_after_ms=100, hedge_max_percent=10)
    sim.rule("latency=250")
    for _ in range(15):
        assert callers.ask().status == 200
    routers = len(callers.gateway.routers) or 1
    hedged = len(other_sim.requests())
    # One at the beginning, for each router, and one in ten.
    assert 1 <= hedged <= routers + 1, hedged


def test_a_slot_that_is_not_free_is_not_waited_for(start, sim, other_sim):
    config = Config().provider("openai", sim.url, hedge_after_ms=300, hedge_max_percent=100)
    config.provider("groq", other_sim.url, concurrency=1, buffer=4)
    gateway = start(config)
    callers = pair.Pair(gateway, sim, other_sim)
    holding = gateway.stream("groq/sim:stall=1")
    next(iter(holding))
    sim.rule("latency=900")
    seen = callers.ask()
    holding.close()
    callers.well(seen, "openai")
    assert seen.tries == "openai/openai-1:200"


def test_a_failure_of_the_first_leaves_the_second(two, sim, other_sim):
    callers = two()
    sim.rule("status=503,latency=900")
    other_sim.rule("latency=900")
    seen = callers.ask()
    callers.well(seen, "groq")
    assert seen.tries == "openai/openai-1:503, groq/groq-1:200"
    assert callers.calls() == (1, 1)
    callers.is_healthy()
