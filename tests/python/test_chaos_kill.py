"""Processes of a cluster that die under load: what is lost, and when the limit is whole again."""

import collections
import json
import time

import pytest
from harness.config import Config
from harness.traffic import Traffic, chats

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

LIMIT = 18
CLIENTS = 36
SLOW_CLIENTS = 6
SLOW = "sim:latency=1000"
# A router polls that often, and a lease that ran out is seen at a poll.
SWEEP = 0.5
# For two cores that everything here shares.
SLACK = 0.5


def kill_under_load(start, sim, pace, victim_of, then):
    """Kills a service while the limit is the bottleneck; the calls, the slow ones, and when."""
    config = Config().provider("openai", sim.url, concurrency=LIMIT, buffer=4 * CLIENTS)
    config.document["quota_store"] = {"on_loss": "refuse", "lease_ttl_ms": pace.lease_ttl_ms}
    gateway = start(config, log_level="info", own_redis=True)
    # The grace of the empty pool is over.
    assert gateway.chat("openai/gpt-4o").status == 200
    sim.rule("latency=150,chunks=5,interval=30")
    traffic = Traffic(gateway.addresses, chats({}, {"stream": True}), CLIENTS)
    slow = Traffic(gateway.addresses, chats(model=f"openai/{SLOW}"), SLOW_CLIENTS)
    with traffic, slow:
        # Some have come back, so that every router has its part of the slots.
        sim.wait_until(lambda sim: len(traffic.calls) > 2 * CLIENTS and slow.calls)
        sim.wait_until(lambda sim: sum(running(e) for e in sim.requests()) >= SLOW_CLIENTS / 2)
        killed = time.time()
        gateway.lose(victim_of(gateway))
        sim.wait_until(lambda sim: time.time() > killed + then, timeout=then + 5)
        sim.wait_in_flight(LIMIT)
    assert_only_its_own_were_lost(sim, traffic.calls + slow.calls, killed)
    # Not answered yet, so it could go elsewhere.
    slow.assert_all_served()
    return killed


def running(entry) -> bool:
    return entry["model"] == SLOW and not entry["ended_us"]


def assert_only_its_own_were_lost(sim, calls, killed):
    """What failed had been answered in part, and its call to the provider ended with the service,
    or had ended already; what had not been answered yet was sent again."""
    attempts = collections.defaultdict(list)
    for entry in sim.requests()[1:]:
        attempts[json.loads(entry["body"])["user"]].append(entry)
    lost = [call for call in calls if not call.served]
    for call in lost:
        assert call.started < killed and call.ended < killed + SLACK, call
        assert call.status == 200, f"nothing had come, so it could go elsewhere: {call}"
        (only,) = attempts[call.name]
        ended = only["ended_us"] / 1e6
        assert only["outcome"] == "client_closed" or ended < killed + 0.1, (call, only)
    again = [name for name, entries in attempts.items() if len(entries) > 1]
    print(f"{len(calls)} calls, {len(lost)} lost, {len(again)} sent again")
    assert again
    for name in again:
        first, second = attempts[name]
        assert first["outcome"] == "client_closed" or first["ended_us"] / 1e6 < killed + 0.1, first
        assert second["started_us"] / 1e6 > killed and second["outcome"] == "completed", second
    before = [e for es in attempts.values() for e in es if e["started_us"] / 1e6 < killed]
    assert any(e["ended_us"] / 1e6 > killed and e["outcome"] == "completed" for e in before)


def test_a_killed_router_takes_only_its_own_along(start, sim, pace):
    ttl = pace.lease_ttl_ms / 1000
    killed = kill_under_load(start, sim, pace, lambda g: g.routers[0], ttl + SWEEP + SLACK)
    assert sim.stats()["total"]["high_water"] == LIMIT
    # Its slots stay taken until their leases end, at the earliest this long after it was killed.
    assert sim.busiest(killed + 0.1, killed + ttl / 2) < LIMIT
    full = sim.full_again(LIMIT, killed + ttl / 2)
    assert full and full < killed + ttl + SWEEP + SLACK
    print(f"the whole limit {full - killed:.2f} s after the kill")


def test_a_killed_worker_is_replaced_by_the_other(start, sim, pace):
    killed = kill_under_load(start, sim, pace, lambda g: g.workers["openai"][0], SLACK)
    # A call that is sent again may arrive before the provider knows that the first is gone.
    assert sim.busiest(until=killed) == LIMIT
    assert sim.busiest(since=killed + SLACK) == LIMIT
