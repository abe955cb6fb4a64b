"""A Redis that is new, emptied or back does not stop requests, whose limits hold meanwhile."""

import socket
import time

import pytest
from harness.config import Config
from test_chaos_redis import CLIENTS, LIMIT, SERVICE, SLACK, flush, pause, restart, under_load
from test_chaos_share import all_are

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

# The longest that nothing is served.
STOP = 0.3


def longest_stop(calls, since: float, until: float) -> float:
    """The longest time without the end of a call that was served."""
    ends = sorted(call.ended for call in calls if call.served and since < call.ended < until)
    return max(after - before for before, after in zip([since, *ends], [*ends, until]))


def rate(calls, since: float, until: float) -> float:
    """How many calls a second were served."""
    return sum(call.served and since < call.ended < until for call in calls) / (until - since)


@pytest.mark.parametrize("accident", [pause, restart, flush], ids=lambda one: one.__name__)
def test_a_redis_that_is_back_stops_nobody(start, sim, pace, accident):
    gateway, traffic = under_load(start, sim, pace, on_loss="share")
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        # What this machine does at present.
        usually = time.time()
        sim.wait_until(lambda _: time.time() > usually + 3)
        began = time.time()
        accident(gateway.redis, pace)
        over = time.time()
        end = over + pace.grace + 1
        sim.wait_until(lambda sim: time.time() > end, pace.grace + 5)
        gateway.wait_until(lambda: all_are(gateway, "exact"))
        settled = time.time() + SERVICE + SLACK
        sim.wait_until(lambda sim: time.time() > settled + 3 * SERVICE)
    spans = {"before": (usually, began), "after": (over, end)}
    stops = {name: longest_stop(traffic.calls, *span) for name, span in spans.items()}
    rates = {name: rate(traffic.calls, *span) for name, span in spans.items()}
    print(f"without an answer, s: {stops}; answers a second: {rates}")
    assert not [str(call) for call in traffic.calls if not call.served]
    assert stops["after"] < max(stops["before"], SERVICE) + STOP
    assert rates["after"] >= 0.8 * rates["before"]
    # At worst what shares allow on top of what ran before.
    assert sim.busiest(began, settled) <= 2 * LIMIT
    assert sim.busiest(until=began) == LIMIT == sim.busiest(since=settled)


def test_a_fresh_stack_serves_as_soon_as_it_is_ready(start, sim, pace):
    """Redis has just been started; routers are ready when it is known that nobody holds anything."""
    config = Config().provider("openai", sim.url)
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms}
    began = time.time()
    gateway = start(config, log_level="info", own_redis=True)
    ready = time.time()
    assert gateway.chat("openai/gpt-4o").status == 200
    took = time.time() - ready
    print(f"ready after {ready - began:.2f} s, served within {took:.3f} s")
    assert took < STOP


def test_a_stack_on_a_redis_that_was_there_waits_for_nobody(start, sim, pace):
    """Three routers begin a pool that never was there."""
    config = Config().provider("openai", sim.url)
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms}
    first = start(config, log_level="info", own_redis=True)
    await_all_spoken(first, pace)
    second = start(config, log_level="info", on_redis=first.redis)
    asked = time.time()
    assert second.chat("openai/gpt-4o").status == 200
    took = time.time() - asked
    print(f"served within {took:.3f} s")
    assert took < STOP


@pytest.mark.topologies("all-in-one-redis")
def test_a_provider_that_a_reload_brings_waits_for_nobody(start, sim, other_sim, pace):
    config = Config().provider("openai", sim.url)
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms}
    both = Config(config.document | {"providers": dict(config.document["providers"])}, config.env)
    both.keys = config.keys
    both.provider("groq", other_sim.url)
    gateway = start(config, env=both.env, log_level="info", own_redis=True)
    await_all_spoken(gateway, pace)
    gateway.reload({**both.document, "quota_store": config.document["quota_store"]})
    asked = time.time()
    assert gateway.chat("groq/m").status == 200
    took = time.time() - asked
    print(f"served within {took:.3f} s")
    assert took < STOP


def await_all_spoken(gateway, pace) -> None:
    """Until whoever held something of a pool of this Redis would have said so."""
    up = time.time() + pace.lease_ttl_ms / 4000 + 1 + 2
    gateway.wait_until(lambda: time.time() > up, pace.lease_ttl_ms / 1000 + 5)


def test_why_redis_is_lost_is_told(start, sim, pace):
    gateway, _ = under_load(start, sim, pace, on_loss="share")
    assert gateway.chat("openai/gpt-4o").status == 200
    gateway.redis.command("CONFIG", "SET", "requirepass", "changed-meanwhile")
    cut_off(gateway.redis, "changed-meanwhile")
    for router in gateway.routers:
        told = router.process.wait_for(r"NOAUTH|[Aa]uthentication (failed|required)")
        assert "changed-meanwhile" not in told.string
    # Another one that asks for no password: the search for secrets reads what is in it.
    restart(gateway.redis, pace)
    gateway.wait_until(lambda: all_are(gateway, "exact"))


def cut_off(redis, password: str) -> None:
    """Ends every connection, also those that listen."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.socket))
        connection.sendall(f"AUTH {password}\r\n".encode())
        assert connection.recv(64).startswith(b"+OK")
        for kind in ("normal", "pubsub"):
            connection.sendall(f"CLIENT KILL TYPE {kind} SKIPME yes\r\n".encode())
            assert connection.recv(64).startswith(b":")
