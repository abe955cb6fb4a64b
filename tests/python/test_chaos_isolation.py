"""One router of three is in trouble with its way to Redis: the others keep their rate and the limit."""

import re
import time

import pytest
from harness.config import Config
from harness.traffic import Traffic, chats
from test_chaos_redis import BUDGETS, SERVICE, SLACK
from test_chaos_share import mode

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

LIMIT = 9
CLIENTS = 36
# What the others keep of their rate.
KEPT = 0.9


def late(relay):
    relay.delay(0.3, "answer")


def black_hole(relay):
    relay.lose()


def deaf(relay):
    relay.lose("answer")


def dumb(relay):
    relay.lose("ask")


def halved(relay):
    relay.halve("answer")


def under_load(start, sim, pace, relays=1):
    config = Config().provider("openai", sim.url, concurrency=LIMIT, buffer=6 * CLIENTS)
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms}
    gateway = start(config, log_level="info", own_redis=True, relays=relays)
    sim.rule(f"latency={SERVICE * 1000:.0f}")
    return gateway, Traffic(gateway.addresses, chats(), CLIENTS)


def grants(routers) -> int:
    """How many slots these routers were given."""
    pages = "\n".join(router.metrics() for router in routers)
    return sum(int(count) for count in re.findall(r"^weir_grants_total\{.*\} (\d+)$", pages, re.M))


def rate(sim, routers, seconds: float) -> float:
    """How many slots a second these routers are given."""
    began, before = time.time(), grants(routers)
    sim.wait_until(lambda _: time.time() >= began + seconds, seconds + 10)
    return (grants(routers) - before) / (time.time() - began)


@pytest.mark.parametrize("trouble", [late, black_hole, deaf, dumb, halved], ids=lambda t: t.__name__)
def test_the_others_keep_their_rate(start, sim, pace, trouble):
    gateway, traffic = under_load(start, sim, pace)
    _, *others = gateway.routers
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        usual = rate(sim, others, 4.0)
        began = time.time()
        trouble(gateway.relays[0])
        during = rate(sim, others, 8.0)
        assert [mode(router) for router in others] == ["exact", "exact"]
        mended = time.time()
        gateway.relays[0].mend()
        after = rate(sim, others, 4.0)
        gateway.wait_until(lambda: [mode(one) for one in gateway.routers] == ["exact"] * 3)
        settled = time.time() + SERVICE + SLACK
        sim.wait_until(lambda sim: time.time() > settled + 3 * SERVICE)
    print(f"{usual:.1f}/s before, {during:.1f}/s during, {after:.1f}/s after")
    assert during >= KEPT * usual
    # The one that is back has its part again. Two cores are never twice the same.
    assert after >= 0.8 * usual
    assert not [str(call) for call in traffic.calls if not call.served]
    # A third was cut off: its share may come on top of what the others use.
    assert sim.busiest(began, settled) <= LIMIT + LIMIT // 3
    assert sim.busiest(until=began) == LIMIT == sim.busiest(since=settled)
    assert mended > began


@pytest.mark.parametrize("how", ["killed", "told"])
def test_a_router_that_ends_stops_nobody(start, sim, pace, how):
    """One that is told to end says so: nothing is kept for it."""
    gateway, traffic = under_load(start, sim, pace, relays=0)
    alone, *others = gateway.routers
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        usual = rate(sim, others, 3.0)
        ended = time.time()
        if how == "told":
            gateway.lost.append(alone)
            alone.process.terminate()
            alone.process.wait()
            gone = time.time()
            known = gateway.redis.command("HGET", f"{gateway.prefix}:v2:{{openai}}:rows", "routers")
            assert len(known) == 2 * 41, "a row for each router that is there"
        else:
            gateway.lose(alone)
            gone = ended + pace.lease_ttl_ms / 1000 + 0.5
        during = rate(sim, others, 6.0)
        assert [mode(router) for router in others] == ["exact", "exact"]
    print(f"{usual:.1f}/s before, {during:.1f}/s after")
    assert during >= KEPT * usual
    full = sim.full_again(LIMIT, gone)
    assert full and full < gone + SLACK


def test_a_bell_that_is_not_heard_costs_a_short_poll(start, sim, pace):
    """Connections to the bell are half open at all routers; tickets wait at each."""
    gateway, traffic = under_load(start, sim, pace, relays=3)
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        usual = rate(sim, gateway.routers, 3.0)
        for relay in gateway.relays:
            relay.deafen()
        # A second of silence, and the time for an answer.
        unheard = time.time() + 1.0 + BUDGETS / 2 + SLACK
        sim.wait_until(lambda sim: time.time() > unheard)
        seen = time.time()
        during = rate(sim, gateway.routers, 5.0)
    print(f"{usual:.1f}/s before, {during:.1f}/s without a bell")
    assert during >= 0.6 * usual
    waits = sorted(call.seconds for call in traffic.calls if call.started > seen)
    # Four rounds of the slots, each of which may wait for a poll.
    assert waits[len(waits) * 99 // 100] < CLIENTS / LIMIT * (SERVICE + 0.1) + SLACK
    assert sim.stats()["total"]["high_water"] == LIMIT
