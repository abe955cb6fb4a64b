"""A few clients whose requests fail do not take a provider's calls by having them tried again and again."""

import re
import threading
import time

import pytest
from harness.config import Config

# As many as a pool has saved up, and of a hundred requests.
SAVED = 100
PERCENT = 20

# Each router counts what it sees, so with one alone the figures are exact.
pytestmark = pytest.mark.topologies("all-in-one-memory", "all-in-one-redis")


def config(sim, **network) -> Config:
    network = {"max_retries": 8, "retry_backoff_initial": 100, "retry_backoff_max": 100, **network}
    # That outages spare the failing model is another matter.
    return Config().provider(
        "openai", sim.url, concurrency=20, buffer=200, breaker_failures=0, **network
    )


def failed_calls(gateway) -> int:
    counted = r'weir_attempts_total{provider="openai",key="[^"]*",outcome="transient"} (\d+)'
    return sum(int(count) for count in re.findall(counted, gateway.metrics()))


def run_all(workers) -> None:
    threads = [threading.Thread(target=worker) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_field_retry_max_percent(start, sim):
    """12 clients whose requests all fail, with 8 retries each, beside 4 that are well."""
    gateway = start(config(sim))
    sim.rule("status=503", model="bad")
    failed, done = [], []

    def fails():
        for _ in range(20):
            failed.append(gateway.chat("openai/bad"))

    def is_well():
        for _ in range(60):
            done.append(gateway.chat("openai/good").status)

    began = time.monotonic()
    run_all([fails] * 12 + [is_well] * 4)
    took = time.monotonic() - began

    assert {answer.status for answer in failed} == {503} and set(done) == {200}
    retries = failed_calls(gateway) - len(failed)
    requests = len(failed) + len(done)
    allowed = SAVED + requests * PERCENT / 100 + took + 1
    assert SAVED <= retries <= allowed, (retries, allowed, requests, took)
    # Half of the requests are well. With all retries they would have a tenth of the calls.
    share = len(done) / (requests + retries)
    assert share > 0.3, (share, retries, took)
    spared = [answer for answer in failed if answer.tries.count(":503") < 9]
    counted = f'weir_requests_not_retried_total{{provider="openai"}} {len(spared)}'
    assert spared and counted in gateway.metrics()


def test_a_few_requests_are_tried_again_as_often_as_configured(start, sim):
    gateway = start(config(sim))
    sim.rule("status=503", model="bad")
    run_all([lambda: gateway.chat("openai/bad")] * 10)
    assert failed_calls(gateway) == 10 * 9
    assert "weir_requests_not_retried_total{" not in gateway.metrics()


def test_all_are_tried_again_where_that_is_wanted(start, sim):
    gateway = start(config(sim, retry_max_percent=100))
    sim.rule("status=503", model="bad")
    run_all([lambda: gateway.chat("openai/bad")] * 30)
    assert failed_calls(gateway) == 30 * 9
