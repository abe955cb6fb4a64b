"""Providers do not hold each other up: one whose proxy swallows everything leaves the others' times
as they are, in one process and in several."""

import asyncio
import statistics
import time

import pytest
from harness import load, proxies
from harness.config import Config

pytestmark = pytest.mark.topologies("all-in-one-memory", "processes")

STUCK = 100
ROUNDS = 5
# A machine that does other things besides may be slower in some rounds than in others. What is held
# up is so every time.
TRIES = 3
CLIENTS = 8
# How long the well provider takes, in milliseconds. The 99th percentile of calls that take less than
# one is mostly what the machine did meanwhile.
SERVICE = 40


async def _timed(address, request: bytes, count: int, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request)
        status, headers = await load.read_head(reader)
        await load.read_body(reader, headers)
        times.append(time.perf_counter() - began)
        assert status == 200
    writer.close()


async def _p99(address, request: bytes, clients: int, count: int) -> float:
    times: list[float] = []
    await asyncio.gather(*(_timed(address, request, count, times) for _ in range(clients)))
    return statistics.quantiles(times, n=100)[98]


async def _stick(address, request: bytes, count: int) -> list:
    """So many calls that will not be answered."""
    stuck = [await asyncio.open_connection(*address) for _ in range(count)]
    for _, writer in stuck:
        writer.write(request)
    return stuck


async def measured(gateway, silent, well: bytes, bad: bytes, count: int) -> tuple[list, list]:
    """p99 of the well provider in rounds, without and with calls that are stuck at the other."""
    address = gateway.address
    without, beside = [], []
    await _p99(address, well, CLIENTS, count)
    for _ in range(ROUNDS):
        without.append(await _p99(address, well, CLIENTS, count))
        already = silent.connections
        stuck = await _stick(address, bad, STUCK)
        deadline = time.monotonic() + 20
        while silent.connections < already + STUCK:
            assert time.monotonic() < deadline, silent.connections
            await asyncio.sleep(0.01)
        beside.append(await _p99(address, well, CLIENTS, count))
        for _, writer in stuck:
            writer.close()
    return without, beside


def test_a_stuck_provider_leaves_the_others_alone(start, sim, other_sim, request):
    silent = proxies.silent("http")
    config = Config().provider("openai", sim.url, default_request_timeout_in_seconds=300)
    config.document["providers"]["openai"]["proxy_config"] = silent.section()
    config.provider("groq", other_sim.url)
    gateway = start(config, log_level="info")
    messages = [{"role": "user", "content": "hi"}]
    well, bad = (
        load.chat_request({"model": f"{name}/m", "messages": messages})
        for name in ("groq", "openai")
    )
    count = 250 if request.config.getoption("--soak") else 40
    other_sim.rule(f"latency={SERVICE}")
    seen = []
    try:
        for _ in range(TRIES):
            seen.append(asyncio.run(measured(gateway, silent, well, bad, count)))
            usual, now = map(statistics.median, seen[-1])
            print(f"p99 without: {usual * 1000:.1f} ms, beside: {now * 1000:.1f} ms")
            if now <= 1.25 * usual:
                break
        else:
            pytest.fail(f"p99 without, and beside, in rounds: {seen}")
    finally:
        silent.stop()
    assert sim.requests() == []
