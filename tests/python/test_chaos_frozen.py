"""A gateway that stands still: its slots are others' when it wakes, so its calls end before it asks
for more."""

import time

import pytest
from harness.config import Config
from harness.traffic import Traffic, chats
from test_chaos_redis import SLACK

pytestmark = [pytest.mark.topologies("all-in-one-memory", "all-in-one-redis"), pytest.mark.slow]

LIMIT = 6
# Longer than all of this takes.
LONG = 20.0


def test_who_wakes_up_without_slots_ends_their_calls(start, sim, pace):
    config = Config().provider(
        "openai", sim.url, concurrency=LIMIT, buffer=100, default_request_timeout_in_seconds=60
    )
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms}
    gateway = start(config, log_level="info")
    (service,) = gateway.services
    model = f"openai/sim:latency={LONG * 1000:.0f}"
    bodies = [{"model": model, "stream": stream} for stream in (False, True)]
    lasting = Traffic(gateway.addresses, chats(*bodies, model=model), LIMIT)
    with lasting:
        sim.wait_in_flight(LIMIT)
        service.process.pause()
        paused = time.time()
        still = 1.4 * pace.lease_ttl_ms / 1000
        sim.wait_until(lambda _: time.time() > paused + still, still + 5)
        awake = time.time()
        service.process.resume()
        lasting.no_more()
        short = Traffic(gateway.addresses, chats(), LIMIT)
        with short:
            sim.wait_until(lambda _: len(short.calls) > 2 * LIMIT)
        # Those that were not answered yet are sent again, in their turn.
        settled = time.time() + SLACK
        sim.wait_until(lambda _: time.time() > settled)
        assert sim.busiest() == LIMIT
        ended = [e for e in sim.requests() if e["ended_us"] and e["started_us"] / 1e6 < paused]
        assert len(ended) == LIMIT
        after = [entry["ended_us"] / 1e6 - awake for entry in ended]
        assert 0 < min(after) and max(after) < SLACK, after
        assert {entry["outcome"] for entry in ended} == {"client_closed"}
        assert [str(call) for call in short.calls if not call.served] == []
        service.process.wait_for("the process stood still")
        gateway.may_have_ended = True
        gateway.lose(service)
