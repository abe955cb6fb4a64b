"""With a fallback: which waits are worth it (docs/failures.md)."""

import time

import pytest
from harness.config import Config

MODEL = "openai/gpt-4o"
FALLBACK = {"fallbacks": ["groq/llama-3"]}


@pytest.fixture
def pair(start, sim, other_sim):
    """A gateway with `openai`, and `groq` to fall back to."""

    def pair(**network):
        settings = {"max_retries": 2, "retry_backoff_initial": 100, "retry_backoff_max": 2000}
        config = Config().provider("openai", sim.url, **{**settings, **network})
        return start(config.provider("groq", other_sim.url))

    return pair


def asked(gateway, **more):
    """The tries of a request with a fallback, and its time in seconds."""
    began = time.monotonic()
    answer = gateway.chat(MODEL, **FALLBACK, **more)
    assert answer.status == 200, answer.body
    return answer.tries, time.monotonic() - began


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_provider_named_is_a_backoff_if_it_is_short(pair, sim, status):
    gateway = pair()
    sim.rule(f"status={status},retry-after=2,times=1")
    tries, took = asked(gateway)
    assert tries == f"openai/openai-1:{status}, openai/openai-1:200"
    assert 1.9 < took < 4


@pytest.mark.parametrize(
    "do", ["status=429,retry-after=3", "status=429", "status=503,retry-after=3"]
)
def test_a_longer_wait_or_one_that_nobody_named_is_the_fallbacks(pair, sim, do):
    gateway = pair()
    sim.rule(do)
    tries, took = asked(gateway)
    assert tries.startswith("openai/openai-1:") and tries.endswith(", groq/groq-1:200")
    assert tries.count("openai") == 2 and took < 1.5


def test_without_retries_nobody_waits(pair, sim):
    gateway = pair(max_retries=0)
    sim.rule("status=429,retry-after=1,times=1")
    tries, took = asked(gateway)
    assert tries == "openai/openai-1:429, groq/groq-1:200" and took < 0.8


def test_who_comes_during_a_rest_waits_for_its_end_if_it_was_named_and_is_near(pair, sim):
    gateway = pair()
    sim.rule("status=429,retry-after=3,times=1")
    assert asked(gateway)[0] == "openai/openai-1:429, groq/groq-1:200"
    tries, took = asked(gateway)
    assert tries == "groq/groq-1:200" and took < 0.8
    time.sleep(1.3)
    tries, took = asked(gateway)
    assert tries == "openai/openai-1:200" and 0.5 < took < 2.2
    # Of this rest nobody named the end.
    sim.rule("status=429,times=1")
    assert asked(gateway)[0] == "openai/openai-1:429, groq/groq-1:200"
    tries, took = asked(gateway)
    assert tries == "groq/groq-1:200" and took < 0.8


def test_a_slow_failure_is_not_had_three_times(pair, sim):
    gateway = pair(slow_failure_in_seconds=1)
    sim.rule("status=503,latency=1300")
    tries, took = asked(gateway)
    assert tries == "openai/openai-1:503, groq/groq-1:200" and took < 3
    sim.reset()
    sim.rule("status=503,times=2")
    tries, _ = asked(gateway)
    assert tries == "openai/openai-1:503, openai/openai-1:503, openai/openai-1:200"
