"""A provider that is out is not asked again and again, and is found when it is back."""

import time

import pytest
from harness.config import Config, Key

FALLBACK = {"fallbacks": ["groq/llama-3"]}


@pytest.fixture
def pair(start, sim, other_sim):
    """A gateway with `openai`, and `groq` to fall back to."""

    def pair(keys=None, **network):
        settings = {"max_retries": 2, "retry_backoff_initial": 100, "retry_backoff_max": 100}
        config = Config().provider("openai", sim.url, keys, **{**settings, **network})
        return start(config.provider("groq", other_sim.url))

    return pair


def tries(gateway, model="openai/gpt-4o", **body) -> tuple[int, str]:
    answer = gateway.chat(model, **{**FALLBACK, **body})
    return answer.status, answer.tries


@pytest.mark.parametrize("do", ["status=503", "reset"])
def test_in_an_outage_a_request_costs_one_call_at_most(pair, sim, do):
    gateway = pair()
    sim.rule(do)
    seen = [tries(gateway) for _ in range(20)]
    assert {status for status, _ in seen} == {200}
    calls = [made.count("openai/") for _, made in seen]
    # Each router counts for itself: one of them sees the fifth failure in a row.
    known = calls.index(0)
    routers = len(gateway.routers) or 1
    assert sum(calls[:known]) <= 4 * routers + 1 and max(calls) == 3, seen
    # Then nobody is asked, or one to see whether it is back.
    assert max(calls[known:]) <= 1 and sum(calls[known:]) <= 4, seen


def test_other_models_of_the_provider_go_on(pair, sim):
    gateway = pair(keys=[Key("a"), Key("b")])
    sim.rule("status=503", model="gpt-4o")
    for _ in range(4):
        assert tries(gateway)[0] == 200
    assert tries(gateway)[1] == "groq/groq-1:200"
    assert tries(gateway, "openai/gpt-4o-mini")[1].startswith("openai/")


def test_a_provider_that_is_back_serves_again_within_seconds(pair, sim):
    gateway = pair()
    sim.rule("status=503")
    lost = time.monotonic()
    while time.monotonic() - lost < 6:
        assert tries(gateway)[0] == 200
        time.sleep(0.2)
    sim.reset()
    back = time.monotonic()
    while not tries(gateway)[1].startswith("openai/openai-1:200"):
        assert time.monotonic() - back < 10
        time.sleep(0.2)
    assert [tries(gateway)[1] for _ in range(10)] == ["openai/openai-1:200"] * 10


def test_without_a_fallback_it_fails_at_once_and_says_when_to_try_again(pair, sim):
    gateway = pair()
    sim.rule("status=503")
    # Each router counts for itself, and three tries at one of them are not five. The request that makes
    # the fifth is told what the provider said, the next one that it rests.
    for _ in range(2 * (len(gateway.routers) or 1) + 1):
        began = time.monotonic()
        answer = gateway.chat("openai/gpt-4o")
        assert answer.status == 503, answer.body
        if answer.error["type"] == "no_eligible_keys":
            break
    assert time.monotonic() - began < 0.5
    assert answer.error["type"] == "no_eligible_keys", answer.body
    assert "rests after failures of `gpt-4o`" in answer.error["message"]
    assert 1 <= int(answer.headers["retry-after"]) <= 8
    assert "x-weir-attempts" not in answer.headers


def test_streams_that_always_break_are_an_outage_too(pair, sim):
    gateway = pair(breaker_failures=2, max_retries=1)
    sim.rule("cut=2")
    streams = 0
    while (stream := gateway.stream("openai/gpt-4o")).status == 200:
        assert stream.read().errors
        streams += 1
        # Each of up to three routers has seen one, and one of them another.
        assert streams <= 4
    assert stream.status == 503
    assert tries(gateway)[1] == "groq/groq-1:200"


def test_failures_that_are_not_in_a_row_are_none_and_it_can_be_switched_off(pair, sim):
    gateway = pair(max_retries=0)
    # Of several routers one may see all of the failures and none of the answers in between.
    for _ in range(4 if len(gateway.routers) < 2 else 2):
        sim.rule("status=503,times=2")
        assert [tries(gateway)[1][:19] for _ in range(3)] == [
            "openai/openai-1:503", "openai/openai-1:503", "openai/openai-1:200"]  # fmt: skip
        sim.reset()
    gateway = pair(max_retries=0, breaker_failures=0)
    sim.rule("status=503")
    assert all(tries(gateway)[1].startswith("openai/") for _ in range(12))


def test_what_is_the_clients_fault_is_no_outage(pair, sim):
    gateway = pair(breaker_failures=1)
    sim.rule("status=400")
    for _ in range(3):
        assert gateway.chat("openai/gpt-4o").status == 400
