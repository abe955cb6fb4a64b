"""One router of three is cut off from Redis; the others are not, and know nothing of it."""

import time

import pytest
from harness.config import Config
from harness.traffic import Traffic, chats
from test_chaos_redis import BUDGETS, SERVICE, SLACK
from test_chaos_share import HEADER, mode

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

LIMIT = 6
CLIENTS = 30


@pytest.mark.parametrize("on_loss", ["share", "refuse"])
def test_a_router_that_is_cut_off_alone(start, sim, pace, on_loss):
    config = Config().provider("openai", sim.url, concurrency=LIMIT, buffer=6 * CLIENTS)
    config.document["quota_store"] = {"on_loss": on_loss, "lease_ttl_ms": pace.lease_ttl_ms}
    gateway = start(config, log_level="info", own_redis=True, relays=1)
    assert gateway.chat("openai/gpt-4o").status == 200
    sim.rule(f"latency={SERVICE * 1000:.0f}")
    alone, *others = gateway.routers
    with Traffic(gateway.addresses, chats(), CLIENTS) as traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        gateway.relays[0].cut()
        cut = time.time()
        gateway.wait_until(lambda: mode(alone) == on_loss, 2 * BUDGETS + SLACK)
        sim.wait_until(lambda sim: time.time() > cut + pace.outage, pace.outage + 5)
        assert [mode(router) for router in others] == ["exact", "exact"]
        gateway.relays[0].mend()
        mended = time.time()
        gateway.wait_until(lambda: mode(alone) == "exact", pace.grace + 2 * BUDGETS + SLACK)
        settled = time.time() + SERVICE + SLACK
        sim.wait_until(lambda sim: time.time() > settled + 3 * SERVICE)
    # A third was cut off: its share may come on top of what the others use.
    on_top = LIMIT // 3 if on_loss == "share" else 0
    assert sim.busiest() == LIMIT + on_top
    assert sim.busiest(until=cut) == LIMIT == sim.busiest(since=settled)
    marked = [call for call in traffic.calls if HEADER in call.headers]
    assert marked and all(cut < call.ended < settled for call in marked)
    assert {call.headers[HEADER] for call in marked} == {on_loss}
    assert {call.status for call in marked} == {200 if on_loss == "share" else 503}
    assert all(call.served for call in traffic.calls if call not in marked)
    beside = [call for call in traffic.calls if cut < call.started and call.ended < mended]
    assert any(call.served and HEADER not in call.headers for call in beside)
