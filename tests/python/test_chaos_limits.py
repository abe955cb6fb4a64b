"""Routers whose files differ: one limit is in force, whoever is overruled says so, and what was replaced
does not come back."""

import copy
import json
import time

import pytest
from harness.config import Config
from harness.gateway import Service
from harness.process import Process
from harness.traffic import Traffic, chats
from test_chaos_redis import BUDGETS, SERVICE, SLACK
from test_chaos_share import mode

pytestmark = [pytest.mark.topologies("processes-redis"), pytest.mark.slow]

OLD, NEW = 8, 2
CLIENTS = 12


def skewed(router) -> bool:
    return router.readiness().json()["detail"]["quota"]["config_skew"] == ["openai"]


def test_a_replaced_limit_does_not_come_back(start, sim, pace, weir, run_dir):
    config = Config().provider("openai", sim.url, concurrency=OLD, buffer=100)
    config.document["quota_store"] = {"lease_ttl_ms": pace.lease_ttl_ms, "on_loss": "share"}
    gateway = start(config, log_level="info", own_redis=True)
    (overruled,), (worker,) = gateway.routers, gateway.workers["openai"]
    sim.rule(f"latency={SERVICE * 1000:.0f}")
    started = []

    def another(concurrency: int) -> Service:
        """A router beside the gateway's, with a file of its own."""
        document = copy.deepcopy(config.document)
        limits = document["providers"]["openai"]["concurrency_and_buffer_size"]
        limits["concurrency"] = concurrency
        path = run_dir / f"{gateway.prefix}-router-{len(started)}.json"
        path.write_text(json.dumps(document))
        argv = [weir, "router", "--config", str(path), "--redis", gateway.redis.url]
        argv += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        argv += ["--worker", f"openai={worker.url}"]
        env = {"WEIR_LINK_TOKEN": gateway.link_token, "WEIR_LOG_LEVEL": "info"}
        started.append(Process(f"{gateway.prefix}-other-{len(started)}", argv, env, run_dir))
        service = Service.of(started[-1])
        gateway.wait_until(lambda: service.readiness().status == 200)
        return service

    def busiest(seconds: float) -> int:
        with Traffic(gateway.addresses, chats(), CLIENTS) as traffic:
            sim.wait_until(lambda sim: len(traffic.calls) > 2 * CLIENTS)
            since = time.time()
            sim.wait_until(lambda _: time.time() > since + seconds, seconds + 5)
            until = time.time()
        return sim.busiest(since, until)

    try:
        assert busiest(0.5) == OLD and not skewed(overruled)
        newer = another(NEW)
        gateway.wait_until(lambda: skewed(overruled))
        assert busiest(0.5) == NEW and not skewed(newer)
        for _ in range(2):
            older = another(OLD)
            gateway.wait_until(lambda: skewed(older))
            # Each offers its own limits again at times.
            then = time.time() + pace.lease_ttl_ms / 1000
            gateway.wait_until(lambda: time.time() > then)
            assert busiest(0.5) == NEW
            assert skewed(overruled) and skewed(older) and not skewed(newer)
            older.process.terminate()
            older.process.wait()
        # All have heard that the other is gone.
        heard = time.time() + pace.lease_ttl_ms / 2000
        gateway.wait_until(lambda: time.time() > heard)
        # Two routers divide what is in force, not what one of them has read.
        gateway.redis.pause()
        gateway.wait_until(lambda: mode(overruled) == "share", 2 * BUDGETS + SLACK + 3)
        assert busiest(1.0) == NEW // 2
        assert skewed(overruled)
        gateway.redis.resume()
        gateway.wait_until(lambda: mode(overruled) == "exact", pace.grace + 2 * BUDGETS + SLACK)
        assert busiest(0.5) == NEW
        # Nobody is left who has read the newer one.
        newer.process.terminate()
        newer.process.wait()
        gateway.wait_until(lambda: not skewed(overruled))
        assert busiest(0.5) == OLD
    finally:
        for process in started:
            process.kill()
