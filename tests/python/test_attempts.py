"""What is told of each try, in headers, errors, metrics and the log, and what counts as waiting."""

import re
import time

import pytest
from harness import pair
from harness.config import Config


@pytest.fixture
def two(start, sim, other_sim):
    return lambda **network: pair.start(start, sim, other_sim, **network)


def parts(answer) -> dict[str, float]:
    """`server-timing` in milliseconds."""
    found = re.findall(r"(\w+);dur=([\d.]+)", answer.headers["server-timing"])
    return {part: float(ms) for part, ms in found}


def logged_waits(gateway) -> list[float]:
    logs = (edge.process.output for edge in gateway.edges)
    return [float(ms) for log in logs for ms in re.findall(r'queue_ms\W+([\d.]+)', log)]


def test_every_try_is_told_with_its_time(two, sim):
    gateway = two(max_retries=1).gateway
    sim.rule("status=503,latency=300,times=1")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.tries == "openai/openai-1:503, openai/openai-1:200"
    failed, answered = answer.tries_ms
    assert 290 <= failed < 2000 and answered < 290


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_error_of_the_gateway_tells_its_tries_in_its_body(two, sim, other_sim, stream):
    gateway = two(max_retries=1).gateway
    sim.rule("reset")
    other_sim.rule("cut")
    answer = gateway.chat("openai/gpt-4o", fallbacks=["groq/llama-3"], stream=stream)
    assert answer.status == 502
    told = answer.json()["extra_fields"]["attempts"]
    assert [(one["provider"], one["key"], one["outcome"]) for one in told] == [
        ("openai", "openai-1", "transient"),
        ("openai", "openai-1", "transient"),
        ("groq", "groq-1", "transient"),
    ]
    assert [one["ms"] for one in told] == answer.tries_ms


def test_a_refusal_before_anybody_is_asked_has_no_tries(two):
    body = two().gateway.chat("nowhere/gpt-4o").json()
    assert "attempts" not in body["extra_fields"]


def test_a_try_that_failed_is_no_completion(two, sim):
    gateway = two(max_retries=1).gateway
    sim.rule("status=503,times=1")
    assert gateway.chat("openai/gpt-4o").status == 200
    page = gateway.metrics()

    def count(name, **labels):
        total = 0
        for line in page.splitlines():
            if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += int(line.rsplit(" ", 1)[1])
        return total

    tries = {"provider": "openai", "key": "openai-1"}
    assert count("weir_attempts_total", outcome="ok", **tries) == 1
    assert count("weir_attempts_total", outcome="transient", **tries) == 1
    assert count("weir_requests_total", provider="openai") == 1


def test_waiting_is_what_the_try_that_answered_waited_for_its_slot(two, sim):
    """Neither the waits of tries that failed, nor backoffs."""
    gateway = two(max_retries=1, retry_backoff_initial=800, retry_backoff_max=800).gateway
    sim.rule("status=503,latency=200,times=1")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 200
    assert int(answer.headers["x-weir-queue-ms"]) < 200
    timing = parts(answer)
    assert timing["earlier"] >= 800 and timing["upstream"] < 600, timing
    waits = gateway.wait_until(lambda: logged_waits(gateway))
    assert max(waits) < 200, waits
    # Most requests have nothing that was earlier.
    assert "earlier" not in parts(gateway.chat("openai/gpt-4o"))


def test_who_waited_for_a_slot_is_told_so(start, sim, other_sim):
    gateway = start(Config().provider("openai", sim.url, concurrency=1, buffer=4))
    holding = gateway.stream("openai/sim:chunks=3,interval=300")
    next(iter(holding))
    answer = gateway.chat("openai/gpt-4o")
    holding.close()
    assert answer.status == 200 and int(answer.headers["x-weir-queue-ms"]) >= 300


def test_a_list_of_models_follows_the_retry_settings(two, sim):
    gateway = two(max_retries=1, retry_backoff_initial=300, retry_backoff_max=300).gateway
    sim.rule("status=503,times=1", path="/models")
    began = time.monotonic()
    answer = gateway.request("GET", "/v1/models?provider=openai")
    assert answer.status == 200, answer.body
    assert answer.tries == "openai/openai-1:503, openai/openai-1:200"
    assert time.monotonic() - began >= 0.2
    # Without retries the first word counts.
    sim.reset()
    gateway = two(max_retries=0).gateway
    sim.rule("status=503,times=1", path="/models")
    answer = gateway.request("GET", "/v1/models?provider=openai")
    assert (answer.status, answer.tries) == (503, "openai/openai-1:503")
