"""Processes of a cluster that die under load: what is lost, and when the limit is whole again."""

import time

import pytest
from harness.config import Config
from harness.topology import LEASE_TTL_MS
from harness.traffic import Traffic, chats

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

LIMIT = 9
CLIENTS = 36
TTL = LEASE_TTL_MS / 1000
# A router polls that often, and a lease that ran out is seen at a poll.
SWEEP = 0.5
# For two cores that everything here shares.
SLACK = 0.5


def under_load(start, sim):
    """A gateway whose limit is the bottleneck, and clients that keep it there."""
    config = Config().provider("openai", sim.url, concurrency=LIMIT, buffer=4 * CLIENTS)
    gateway = start(config, log_level="info")
    sim.rule("latency=60,chunks=6,interval=20")
    traffic = Traffic(gateway.addresses, chats({}, {"stream": True}), CLIENTS)
    return gateway, traffic


def closed_at(sim, moment):
    """Calls that a dying process took along, and those that were under way and went on."""
    entries = [e for e in sim.requests() if e["ended_us"] and e["started_us"] / 1e6 < moment]
    entries = [entry for entry in entries if entry["ended_us"] / 1e6 >= moment]
    closed = [entry for entry in entries if entry["outcome"] == "client_closed"]
    return closed, [entry for entry in entries if entry["outcome"] == "completed"]


def lost_at(traffic, moment):
    """The calls that failed; all of them must have been answered in part when it happened."""
    lost = [call for call in traffic.calls if not call.served]
    for call in lost:
        assert call.started < moment and call.ended < moment + SLACK, call
        assert call.status == 200, f"nothing had come, so it could go elsewhere: {call}"
    return lost


def test_a_killed_router_takes_only_its_own_along(start, sim):
    gateway, traffic = under_load(start, sim)
    victim = gateway.routers[0]
    with traffic:
        sim.wait_in_flight(LIMIT)
        gateway.wait_until(lambda: "weir_grants_total{" in victim.metrics())
        killed = time.time()
        gateway.lose(victim)
        # Its slots stay taken until their leases end; then all of them are in use again.
        sim.wait_until(lambda sim: time.time() > killed + TTL + SWEEP + SLACK)
        sim.wait_in_flight(LIMIT)
    closed, went_on = closed_at(sim, killed)
    assert closed and went_on
    assert len(lost_at(traffic, killed)) <= len(closed)
    stats = sim.stats()["total"]
    assert stats["high_water"] == LIMIT
    print(f"{len(traffic.calls)} calls, {len(closed)} closed with the router")
    # It cannot have been full while the leases of the dead stood, so this is when they ended.
    full = sim.full_again(LIMIT, killed + SLACK)
    assert full and full < killed + TTL + SWEEP + SLACK
    assert sim.busiest(killed + 0.1, killed + TTL / 2) < LIMIT


def test_a_killed_worker_is_replaced_by_the_other(start, sim):
    gateway, traffic = under_load(start, sim)
    victim = gateway.workers["openai"][0]
    with traffic:
        sim.wait_in_flight(LIMIT)
        gateway.wait_until(lambda: busy_with(victim) > 0)
        killed = time.time()
        gateway.lose(victim)
        sim.wait_until(lambda sim: time.time() > killed + SLACK)
        sim.wait_in_flight(LIMIT)
    closed, went_on = closed_at(sim, killed)
    assert closed and went_on
    lost = lost_at(traffic, killed)
    print(f"{len(traffic.calls)} calls, {len(closed)} closed with the worker, {len(lost)} lost")
    assert len(lost) < len(closed), "some had not been answered yet, and went to the other"
    # A call that is sent again may arrive before the provider knows that the first is gone.
    assert sim.busiest(until=killed - SLACK) == LIMIT
    assert sim.busiest(since=killed + SLACK) == LIMIT


def busy_with(worker) -> int:
    """Connections to the provider in use."""
    pages = worker.metrics().splitlines()
    counts = [line.split()[-1] for line in pages if line.startswith("weir_upstream_connections{")]
    return sum(int(float(count)) for count in counts)
