"""A part of a pool is lost under those who wait in it."""

import threading
import time

import pytest
from harness import load
from harness.config import Config
from test_chaos_redis import SERVICE, SLACK

pytestmark = [pytest.mark.topologies("processes-redis"), pytest.mark.slow]

# How long the slot is in use, in seconds.
HOLDS = 4


def test_who_waits_in_a_line_that_is_lost_is_served(start, sim, pace):
    """Redis has lost one of the pool's parts."""
    config = Config().provider("openai", sim.url, concurrency=1, buffer=30)
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms}
    gateway = start(config, log_level="info", own_redis=True)
    assert gateway.chat("openai/gpt-4o").status == 200
    sim.rule(f"latency={SERVICE * 1000:.0f}")
    messages = [{"role": "user", "content": "hi"}]
    body = load.chat_request({"model": "openai/gpt-4o", "messages": messages})
    # So long that all the others have come by then, also where they come slowly.
    holding = threading.Thread(target=lambda: gateway.chat(f"openai/sim:latency={HOLDS * 1000}"))
    holding.start()
    sim.wait_in_flight(1)
    answers = []
    clients = threading.Thread(
        target=lambda: answers.extend(load.run(gateway.addresses, [body] * 15, 15, seconds_max=30))
    )
    clients.start()
    gateway.wait_waiting(15)
    lost = f"{gateway.prefix}:v2:{{openai}}:order"
    assert gateway.redis.command("DEL", lost) == 1
    began = time.time()
    clients.join()
    took = time.time() - began
    holding.join()
    assert {answer.status for answer in answers} == {200}
    assert took < HOLDS + pace.grace + 15 * SERVICE + 2 * SLACK
    assert sim.stats()["total"]["high_water"] == 1
