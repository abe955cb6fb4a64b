"""What happens to Redis under a cluster whose limits must stay exact: `on_loss` is `refuse`."""

import time

import pytest
from harness.config import Config
from harness.traffic import Traffic, chats

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

LIMIT = 6
CLIENTS = 18
LASTING = 2
SERVICE = 0.1
# Two time-outs of 250 ms; nobody waits longer on a Redis that is silent.
BUDGETS = 0.5
# For two cores that everything here shares.
SLACK = 0.5


def under_load(start, sim, pace, on_loss="refuse"):
    config = Config().provider(
        "openai",
        sim.url,
        concurrency=LIMIT,
        buffer=6 * CLIENTS,
        default_request_timeout_in_seconds=60,
    )
    settings = {"on_loss": on_loss, "lease_ttl_ms": pace.lease_ttl_ms}
    config.document["quota_store"] = settings
    gateway = start(config, log_level="info", own_redis=True)
    # The grace of the empty pool is over.
    assert gateway.chat("openai/gpt-4o").status == 200
    sim.rule(f"latency={SERVICE * 1000:.0f}")
    return gateway, Traffic(gateway.addresses, chats(), CLIENTS)


def pause(redis, pace):
    redis.pause()
    time.sleep(pace.outage)
    redis.resume()


def restart(redis, pace):
    redis.kill()
    redis.start()


def flush(redis, pace):
    assert redis.command("FLUSHALL") == b"OK"


def forget_scripts(redis, pace):
    for what in ("SCRIPT", "FUNCTION"):
        assert redis.command(what, "FLUSH") == b"OK"


def whole_after(sim, traffic, moment, limit, seconds):
    """Waits until the whole limit is in use again, and a while longer."""
    sim.wait_until(lambda sim: sim.full_again(limit, moment), timeout=seconds)
    whole = sim.full_again(limit, moment)
    print(f"in full use {whole - moment:.2f} s after, {len(traffic.calls)} calls")
    sim.wait_until(lambda sim: time.time() > whole + 3 * SERVICE)
    return whole


@pytest.mark.parametrize("accident", [pause, restart, flush], ids=lambda one: one.__name__)
def test_the_limit_outlives_redis(start, sim, pace, accident):
    gateway, traffic = under_load(start, sim, pace)
    # Some run through it all, and are to be counted afterwards.
    model = f"sim:latency={(pace.outage + pace.grace + SLACK) * 1000:.0f}"
    lasting = Traffic(gateway.addresses, chats(model=f"openai/{model}"), LASTING)
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        with lasting:
            sim.wait_until(lambda sim: [e["model"] for e in sim.requests()].count(model) == LASTING)
            began = time.time()
            accident(gateway.redis, pace)
            over = time.time()
            lasting.no_more()
            # The grace, and what a router waits before it asks again.
            most = pace.grace + 2 * BUDGETS + SLACK
            # A call that was granted before may arrive a little later.
            whole = whole_after(sim, traffic, over + SERVICE, LIMIT, most)
    assert sim.stats()["total"]["high_water"] == LIMIT
    lasting.assert_all_served()
    assert len(lasting.calls) == LASTING
    assert all(call.started < began and over < call.ended for call in lasting.calls)
    refused = [call for call in traffic.calls if not call.served]
    for call in refused:
        assert call.status == 503 and int(call.headers["retry-after"]) >= 1, call
        assert began < call.ended and call.started < whole, call
    waits = [(min(c.ended, over) - max(c.started, began), str(c)) for c in traffic.calls]
    waited, call = max(waits)
    print(f"the longest wait for Redis: {waited:.3f} s")
    assert waited < BUDGETS + SERVICE + SLACK, call
    served = [call for call in traffic.calls if call.served]
    assert any(call.started > over for call in served)
    if accident is pause:
        assert refused, "an outage that nobody noticed"
        assert sim.busiest(began + BUDGETS + SERVICE + SLACK, over) == 0


def test_a_forgotten_script_is_sent_again(start, sim, pace):
    """Nobody notices."""
    gateway, traffic = under_load(start, sim, pace)
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        for _ in range(3):
            forget_scripts(gateway.redis, pace)
            seen = len(traffic.calls)
            sim.wait_until(lambda sim: len(traffic.calls) > seen + 3 * CLIENTS)
    assert not [str(call) for call in traffic.calls if not call.served]
    assert max(call.seconds for call in traffic.calls) < CLIENTS / LIMIT * SERVICE + 2 * SLACK
    assert sim.stats()["total"]["high_water"] == LIMIT
