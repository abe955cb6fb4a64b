"""Redis is away and `on_loss` is `share`: every router goes on with its part of the limits."""

import time

import pytest
from test_chaos_redis import BUDGETS, CLIENTS, LIMIT, SERVICE, SLACK, under_load

pytestmark = [pytest.mark.topologies("cluster"), pytest.mark.slow]

MODES = {"exact", "share", "refuse"}
HEADER = "x-weir-quota-mode"


def mode(router) -> str:
    """What a router's metrics say; one series is 1, the others are 0."""
    page = router.metrics()
    series = {name: f'weir_quota_mode{{provider="openai",mode="{name}"}} ' for name in MODES}
    on = {name for name, text in series.items() if f"{text}1" in page}
    assert len(on) == 1 and sum(text in page for text in series.values()) == 3, page
    return on.pop()


def all_are(gateway, wanted: str) -> bool:
    return all(mode(router) == wanted for router in gateway.routers)


def readyz_modes(gateway) -> list[str]:
    """What every router's /readyz says."""
    details = [router.readiness().json()["detail"] for router in gateway.routers]
    return [detail["quota"]["mode"]["openai"] for detail in details]


def test_shares_of_a_limit_add_up_to_it(start, sim, pace):
    gateway, traffic = under_load(start, sim, pace, on_loss="share")
    with traffic:
        sim.wait_until(lambda sim: len(traffic.calls) > 3 * CLIENTS)
        assert all_are(gateway, "exact")
        gateway.redis.pause()
        paused = time.time()
        gateway.wait_until(lambda: all_are(gateway, "share"), 2 * BUDGETS + SLACK)
        # What was granted before runs on beside the shares until it ends.
        shared = time.time() + SERVICE + SLACK
        assert readyz_modes(gateway) == ["share"] * 3
        sim.wait_until(lambda sim: time.time() > paused + pace.outage, pace.outage + 5)
        assert all_are(gateway, "share")
        gateway.redis.resume()
        over = time.time()
        gateway.wait_until(lambda: all_are(gateway, "exact"), pace.grace + 2 * BUDGETS + SLACK)
        exact = time.time()
        sim.wait_until(lambda sim: time.time() > exact + SERVICE + SLACK)
        settled = time.time()
        sim.wait_in_flight(LIMIT)
        sim.wait_until(lambda sim: time.time() > settled + 3 * SERVICE)
    print(f"exact {exact - over:.2f} s after, {len(traffic.calls)} calls")
    assert not [str(call) for call in traffic.calls if not call.served]
    assert sim.busiest(shared, over) == LIMIT
    # All three were cut off: at worst their whole shares came on top.
    assert sim.busiest() <= 2 * LIMIT
    assert sim.busiest(until=paused) == LIMIT == sim.busiest(since=settled)
    for call in traffic.calls:
        # In the queue for the share, or for the first answer.
        assert call.seconds < BUDGETS + CLIENTS / LIMIT * SERVICE + pace.grace + SLACK, call
    during = [c for c in traffic.calls if c.started > shared and c.ended < over]
    assert during and all(call.headers.get(HEADER) == "share" for call in during)
    outside = [c for c in traffic.calls if c.ended < paused or c.started > settled]
    assert outside and not any(HEADER in call.headers for call in outside)


@pytest.mark.parametrize("on_loss", ["share", "refuse"])
def test_the_mode_of_a_lost_store_is_seen(start, sim, pace, on_loss):
    """Without load: the routers notice by themselves, and come back by themselves."""
    gateway, _ = under_load(start, sim, pace, on_loss)
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 200 and HEADER not in answer.headers
    gateway.redis.kill()
    gateway.wait_until(lambda: all_are(gateway, on_loss))
    began = time.time()
    answer = gateway.chat("openai/gpt-4o")
    assert time.time() - began < BUDGETS + SLACK
    assert answer.headers[HEADER] == on_loss
    assert answer.status == (200 if on_loss == "share" else 503)
    assert on_loss == "share" or int(answer.headers["retry-after"]) >= 1
    assert readyz_modes(gateway) == [on_loss] * 3
    gateway.redis.start()
    gateway.wait_until(lambda: all_are(gateway, "exact"))
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 200 and HEADER not in answer.headers
