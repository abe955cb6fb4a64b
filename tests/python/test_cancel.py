"""A client that leaves: the provider's call is closed and the slot is back, quickly."""

import select
import socket
import statistics
import time

import pytest
from harness import load
from harness.config import Config

ROUNDS = 20
MEDIAN_MAX = 0.200
EACH_MAX = 1.0


def _now_us() -> int:
    return time.time_ns() // 1000


def _request(model, **more) -> bytes:
    messages = [{"role": "user", "content": "hi"}]
    return load.chat_request({"model": model, "messages": messages, **more})


@pytest.mark.parametrize(
    ("how", "stream"),
    [("silence", False), ("silence", True), ("stall=2", True), ("stall", False)],
    ids=["unary", "stream-before-head", "stream-open", "unary-half"],
)
def test_a_client_that_leaves_frees_the_slot(start, sim, how, stream):
    """One slot: whoever waits behind is served as soon as the one who leaves is noticed."""
    config = Config().provider("openai", sim.url, concurrency=1, buffer=4)
    gateway = start(config)
    closed_after, slot_after = [], []
    for turn in range(ROUNDS):
        seen = sim.stats()["last_seq"]
        leaving = socket.create_connection(gateway.address, timeout=20)
        leaving.sendall(_request(f"openai/sim:{how},tag={turn}", stream=stream))
        sim.wait_in_flight(1)
        if how == "stall=2":
            assert b"chat.completion.chunk" in _until(leaving, b"chat.completion.chunk")
        waiting = socket.create_connection(gateway.address, timeout=20)
        waiting.sendall(_request("openai/next"))
        gateway.wait_waiting(1)
        left_us = _now_us()
        leaving.close()
        assert b"200 OK" in waiting.recv(65536)
        waiting.close()
        gone, served = sim.wait_until(lambda sim: _both_ended(sim, seen))
        assert gone["outcome"] == "client_closed"
        closed_after.append((gone["ended_us"] - left_us) / 1e6)
        slot_after.append((served["started_us"] - left_us) / 1e6)
    for what, times in (("closed", closed_after), ("slot", slot_after)):
        print(f"{what}: median {statistics.median(times):.4f} s, worst {max(times):.4f} s")
        assert statistics.median(times) <= MEDIAN_MAX, times
        assert max(times) <= EACH_MAX, times


def _until(connection, mark):
    received = b""
    while mark not in received:
        part = connection.recv(65536)
        assert part, received
        received += part
    return received


def _both_ended(sim, after):
    entries = [entry for entry in sim.requests() if entry["seq"] > after]
    return entries if len(entries) == 2 and all(e["ended_us"] for e in entries) else None


def test_a_client_that_leaves_the_queue_gives_up_its_place(start, sim):
    config = Config().provider("openai", sim.url, concurrency=1, buffer=1)
    gateway = start(config)
    holding = gateway.stream("openai/sim:stall=1")
    next(iter(holding))
    waiting = socket.create_connection(gateway.address, timeout=20)
    waiting.sendall(_request("openai/gone"))
    gateway.wait_waiting(1)
    assert gateway.chat("openai/too-many").status == 429
    waiting.close()
    gateway.wait_waiting(0)
    late = socket.create_connection(gateway.address, timeout=20)
    late.sendall(_request("openai/late"))
    gateway.wait_waiting(1)
    holding.close()
    assert b"200 OK" in late.recv(65536)
    late.close()
    assert [entry["model"] for entry in sim.requests()][1:] == ["late"]


def test_the_sdk_closing_a_stream_closes_the_providers_call(client, sim):
    messages = [{"role": "user", "content": "hi"}]
    stream = client.chat.completions.create(
        model="openai/sim:stall=2", messages=messages, stream=True
    )
    next(iter(stream))
    stream.close()
    sim.wait_in_flight(0, timeout=2.0)
    assert sim.requests()[0]["outcome"] == "client_closed"


def _in_time(times) -> None:
    assert len(times) == ROUNDS
    assert statistics.median(times) <= MEDIAN_MAX, times
    assert max(times) <= EACH_MAX, times


def _gone(gateway) -> int:
    return sum(edge.process.output.count("client_gone") for edge in gateway.edges)


def _sent(gateway, model, **more) -> socket.socket:
    leaving = socket.create_connection(gateway.address, timeout=20)
    leaving.sendall(_request(model, **more))
    return leaving


@pytest.mark.parametrize("stage", ["queued", "backing-off"])
def test_a_client_that_leaves_while_it_waits_gives_up_its_place(start, sim, stage):
    config = Config().provider(
        "openai", sim.url, concurrency=1, buffer=1, max_retries=1, breaker_failures=0,
        retry_backoff_initial=30_000, retry_backoff_max=30_000,
    )  # fmt: skip
    gateway = start(config)
    holding = gateway.stream("openai/sim:stall=1") if stage == "queued" else None
    if holding:
        next(iter(holding))
    times = []
    for turn in range(ROUNDS):
        model = f"openai/sim:status=503,tag={turn}" if stage == "backing-off" else "openai/next"
        leaving = _sent(gateway, model)
        gateway.wait_waiting(1)
        gone = _gone(gateway)
        left = time.monotonic()
        leaving.close()
        # The request's last line is written when nothing of it is left at the edge.
        gateway.wait_until(lambda: _gone(gateway) > gone)
        times.append(time.monotonic() - left)
        gateway.wait_waiting(0)
    if holding:
        holding.close()
        sim.wait_in_flight(0)
    _in_time(times)
    assert gateway.chat("openai/gpt-4o").status == 200
    # Nobody was asked for one that had left.
    asked = [entry["model"] for entry in sim.requests()]
    assert len(asked) == (2 if stage == "queued" else ROUNDS + 1), asked


def test_the_place_of_a_client_that_leaves_the_queue_is_free_at_once(start, sim):
    """There is one: the next client is refused until it is free."""
    gateway = start(Config().provider("openai", sim.url, concurrency=1, buffer=1))
    holding = gateway.stream("openai/sim:stall=1")
    next(iter(holding))
    waiting, times = _sent(gateway, "openai/next"), []
    gateway.wait_waiting(1)
    for _ in range(ROUNDS):
        left = time.monotonic()
        waiting.close()
        waiting, taken = _waits(gateway)
        times.append(taken - left)
    waiting.close()
    holding.close()
    _in_time(times)


def _waits(gateway) -> tuple[socket.socket, float]:
    """A request that got a place, and when it was sent: whoever gets none is told so at once."""
    while True:
        sent = time.monotonic()
        one = _sent(gateway, "openai/next")
        if not select.select([one], [], [], 0.25)[0]:
            return one, sent
        assert b" 429 " in one.recv(65536)
        one.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_that_leaves_a_hedge_closes_both_calls(start, sim, other_sim, stream):
    config = Config().provider(
        "openai", sim.url, concurrency=1, buffer=4, hedge_after_ms=20, hedge_max_percent=100
    )
    gateway = start(config.provider("groq", other_sim.url, concurrency=1, buffer=4))
    sim.rule("silence")
    other_sim.rule("silence")
    times = []
    for _ in range(ROUNDS):
        leaving = _sent(gateway, "openai/gpt-4o", fallbacks=["groq/llama-3"], stream=stream)
        sim.wait_in_flight(1)
        other_sim.wait_in_flight(1)
        left_us = _now_us()
        leaving.close()
        for provider in (sim, other_sim):
            provider.wait_in_flight(0)
        ends = [provider.requests()[-1]["ended_us"] for provider in (sim, other_sim)]
        times.append((max(ends) - left_us) / 1e6)
    _in_time(times)
    for provider in (sim, other_sim):
        assert {entry["outcome"] for entry in provider.requests()} == {"client_closed"}
        provider.reset()
    # Both slots are back: there is one of each.
    assert gateway.chat("openai/gpt-4o").status == gateway.chat("groq/llama-3").status == 200
