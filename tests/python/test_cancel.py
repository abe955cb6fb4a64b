"""A client that leaves: the provider's call is closed and the slot is back, quickly."""

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
