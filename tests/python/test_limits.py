"""Concurrency, buffer and weights, exact under load."""

import json
import re
import socket
import threading

import openai
import pytest
from harness import load
from harness.config import Config, Key

SHARES = {"five": 5.0, "three": 3.0, "tiny": 0.001, "part": 0.7}


def chat(model="openai/gpt-4o", **more):
    messages = [{"role": "user", "content": "hi"}]
    return load.chat_request({"model": model, "messages": messages, **more})


def test_a_full_buffer_answers_429_at_once(start, sim):
    """Two at work and four waiting of twenty at once: six are served, fourteen refused."""
    config = Config().provider("openai", sim.url, concurrency=2, buffer=4)
    gateway = start(config)
    sim.rule("latency=1500")
    results = load.run(gateway.addresses, [chat()] * 20, clients=20)
    served = [result for result in results if result.status == 200]
    refused = [result for result in results if result.status == 429]
    assert (len(served), len(refused)) == (6, 14)
    for result in refused:
        assert json.loads(result.body)["error"]["type"] == "request_dropped"
        assert int(result.headers["retry-after"]) >= 1
    # Refused at once, not after somebody was served.
    assert all(result.status == 429 for result in results[:14])
    stats = sim.stats()["total"]
    assert (stats["requests"], stats["high_water"]) == (6, 2)
    assert "weir_requests_dropped_total" in gateway.metrics()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_full_buffer_is_the_sdks_rate_limit_error(start, sim, sdk, stream):
    gateway = start(Config().provider("openai", sim.url, concurrency=1, buffer=1))
    holding = gateway.stream("openai/sim:stall=1")
    next(iter(holding))
    waiting = _waiting(gateway, "openai/next", 1)
    with pytest.raises(openai.RateLimitError) as caught:
        sdk(gateway).chat.completions.create(
            model="openai/refused", messages=[{"role": "user", "content": "hi"}], stream=stream
        )
    assert caught.value.type == "request_dropped"
    assert int(caught.value.response.headers["retry-after"]) >= 1
    holding.close()
    assert b"200 OK" in waiting.recv(65536)
    waiting.close()
    assert [entry["model"] for entry in sim.requests()][1:] == ["next"]


def test_a_full_provider_goes_to_the_fallback(start, sim, other_sim):
    config = Config().provider("openai", sim.url, concurrency=1, buffer=1)
    config.provider("groq", other_sim.url)
    gateway = start(config)
    sim.rule("latency=700")
    results = load.run(gateway.addresses, [chat(fallbacks=["groq/x"])] * 6, clients=6)
    assert all(result.status == 200 for result in results)
    providers = sorted(result.headers["x-weir-provider"] for result in results)
    assert providers == ["groq"] * 4 + ["openai"] * 2


def assert_every_router_granted(gateway):
    """The limits were those of all routers together, not of one that did all the work."""
    for router in gateway.routers:
        granted = re.findall(r"(?m)^weir_grants_total\{.*\} (\d+)$", router.metrics())
        assert sum(map(int, granted)) > 500 / len(gateway.routers)


@pytest.mark.load
def test_weights_are_exact_over_many_requests(start, sim):
    keys = [Key(name, weight) for name, weight in SHARES.items()]
    config = Config().provider("openai", sim.url, keys)
    gateway = start(config, log_level="info")
    results = load.run(gateway.addresses, [chat()] * 8_000, clients=32)
    assert {result.status for result in results} == {200}
    seen = sim.stats()["keys"]
    total = sum(SHARES.values())
    for name, weight in SHARES.items():
        share = 8_000 * weight / total
        count = seen[config.secret(name)]["requests"]
        assert abs(count - share) <= 1, f"{name}: {count} of {share}"
    assert sim.stats()["total"]["requests"] == 8_000
    assert_every_router_granted(gateway)


@pytest.mark.load
def test_concurrency_is_reached_and_never_exceeded(start, sim):
    """150 clients, streams and not, over 7 slots and two keys."""
    config = Config().provider(
        "openai", sim.url, [Key("a"), Key("b")], concurrency=7, buffer=500
    )
    gateway = start(config, log_level="info")
    sim.rule("latency=4,chunks=4,interval=1")
    requests = [chat(stream=number % 2 == 0) for number in range(2_000)]
    results = load.run(gateway.addresses, requests, clients=150)
    assert len(results) == 2_000
    assert {result.status for result in results} == {200}
    streams = [result for result in results if b"data: " in result.body]
    assert len(streams) == 1_000
    assert all(result.body.rstrip().endswith(b"data: [DONE]") for result in streams)
    whole = [json.loads(result.body) for result in results if result not in streams]
    assert len(whole) == 1_000
    assert all(answer["choices"][0]["finish_reason"] == "stop" for answer in whole)
    stats = sim.stats()["total"]
    assert stats["high_water"] == 7
    assert (stats["requests"], stats["succeeded"], stats["in_flight"]) == (2_000, 2_000, 0)
    assert_every_router_granted(gateway)


def test_the_queue_is_first_come_first_served(start, sim):
    """One slot: those who wait are served in the order of their arrival."""
    config = Config().provider("openai", sim.url, concurrency=1, buffer=10)
    gateway = start(config)
    first = gateway.stream("openai/sim:stall=1")
    next(iter(first))
    waiting = []
    for number in range(4):
        waiting.append(_waiting(gateway, f"openai/m-{number}", number + 1))
    first.close()
    for connection in waiting:
        assert b"200 OK" in connection.recv(65536)
        connection.close()
    assert [entry["model"] for entry in sim.requests()][1:] == [f"m-{n}" for n in range(4)]


def test_a_deadline_passes_in_the_queue_as_well(start, sim):
    config = Config().provider("openai", sim.url, concurrency=1, buffer=2)
    gateway = start(config)
    holding = gateway.stream("openai/sim:stall=1")
    next(iter(holding))
    late = gateway.chat("openai/late", headers={"x-request-timeout-ms": "200"})
    assert (late.status, late.error["type"]) == (504, "request_timed_out")
    holding.close()
    assert gateway.chat("openai/next").status == 200
    assert [entry["model"] for entry in sim.requests()][1:] == ["next"]


def _waiting(gateway, model, depth):
    """A request that is in the queue: metrics say so before this returns."""
    connection = socket.create_connection(gateway.address, timeout=20)
    connection.sendall(chat(model))
    gateway.wait_waiting(depth)
    return connection


@pytest.mark.slow
def test_no_slot_is_held_while_a_retry_waits(start, sim):
    """With one slot, a request gets through while another one backs off."""
    config = Config().provider(
        "openai",
        sim.url,
        concurrency=1,
        buffer=4,
        max_retries=1,
        retry_backoff_initial=1500,
        retry_backoff_max=1500,
    )
    gateway = start(config)
    sim.rule("status=503,times=1", model="slow-one")
    requests = [chat("openai/slow-one")]
    results = []

    worker = threading.Thread(
        target=lambda: results.extend(load.run(gateway.addresses, requests, clients=1))
    )
    worker.start()
    sim.wait_until(lambda sim: any(entry["ended_us"] for entry in sim.requests()))
    assert gateway.chat("openai/quick").status == 200
    worker.join(20)
    assert results[0].status == 200
    assert [entry["model"] for entry in sim.requests()] == ["slow-one", "quick", "slow-one"]
