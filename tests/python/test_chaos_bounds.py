"""Clients that wear a pool out: models made up, keys at rest, probes that hang, lines of many kinds."""

import re
import time

import pytest
from harness import load
from harness.config import Config, Key
from harness.traffic import Traffic, chats

pytestmark = [pytest.mark.topologies("processes-redis"), pytest.mark.slow]

# For two cores that everything here shares.
SLACK = 0.7
# A rest of a key that was told to, in seconds: it ends before those of models that do not exist, which last a
# minute.
RESTS = 20


def chat(model):
    messages = [{"role": "user", "content": "hi"}]
    return load.chat_request({"model": model, "messages": messages})


def waiting(gateway):
    return sum(int(n) for n in re.findall(r"^weir_queue_depth\{.*\} (\d+)", gateway.metrics(), re.M))


def resting(gateway):
    found = re.search(r"^weir_pool_cooling\{.*\} (\d+)", gateway.metrics(), re.M)
    return int(found[1]) if found else 0


def test_models_made_up_end_no_real_rest(start, sim):
    """More of them than a pool has room for rests, and theirs end later: a key that was told to rest does so."""
    keys = [Key(f"key-{n}") for n in range(12)]
    gateway = start(Config().provider("openai", sim.url, keys), log_level="info")
    sim.rule(f"status=429,retry-after={RESTS}", model="real")
    sim.rule("status=404")

    def make_up(numbers):
        made_up = [chat(f"openai/made-up-{n}") for n in numbers]
        answers = load.run(gateway.addresses, made_up, clients=8)
        assert {answer.status for answer in answers} == {404}

    make_up(range(1_300))
    rested = time.time()
    assert gateway.chat("openai/real").status == 429
    make_up(range(1_300, 1_500))
    asked = sim.stats()["last_seq"]
    assert asked > 16_384 + len(keys)
    for _ in range(20):
        gateway.chat("openai/real")
    over = (rested + RESTS) * 1e6
    real = [entry for entry in sim.requests() if entry["model"] == "real"]
    assert len([entry for entry in real if entry["started_us"] < over]) == len(keys)
    assert resting(gateway) < 1_100


def test_a_probe_that_hangs_holds_nobody_up(start, sim):
    """After one 429 answers take 6 s: the second request does not wait for the first."""
    config = Config().provider("openai", sim.url, concurrency=40, buffer=40)
    gateway = start(config, log_level="info")
    sim.rule("status=429,retry-after=1,times=1")
    sim.rule("latency=6000")
    assert gateway.chat("openai/gpt-4o").status == 429
    with Traffic(gateway.addresses, chats(), 20):
        sim.wait_in_flight(1, timeout=2 + SLACK)
        began = time.time()
        # One, then 2, 4, 8 with every second.
        sim.wait_until(lambda sim: sim.in_flight() >= 8, timeout=10)
        assert 2 < time.time() - began < 3 + 2 * SLACK


def test_what_rests_keeps_nobody_from_starting(start, sim):
    """A model whose key rests has as many waiting as it may: another one is served all the same."""
    config = Config().provider("openai", sim.url, concurrency=4, buffer=10, max_retries=3)
    gateway = start(config, log_level="info")
    sim.rule("status=429,retry-after=8", model="tired")
    with Traffic(gateway.addresses, chats(model="openai/tired"), 40):
        # Until the pool knows of the rest, whoever waits does so for a slot, and may have all of the buffer.
        sim.wait_until(lambda _: resting(gateway) and waiting(gateway) >= 4)
        time.sleep(0.5)
        until = time.time() + 2
        answers = []
        while time.time() < until:
            answers += load.run(gateway.addresses, [chat("openai/fresh")] * 3, clients=3)
        sim.reset()
    assert answers and {answer.status for answer in answers} == {200}


def test_redis_works_no_more_for_lines_of_many_kinds(start, sim):
    """Two hundred models wait and one rests: as few commands for a batch as with one."""
    config = Config().provider("openai", sim.url, concurrency=4, buffer=300)
    gateway = start(config, log_level="info", own_redis=True)
    sim.rule("status=429,retry-after=600", model="tired")
    assert gateway.chat("openai/tired").status == 429
    sim.rule("latency=40")

    def calls(name):
        page = gateway.redis.command("INFO", "commandstats").decode()
        found = re.findall(rf"^cmdstat_{name}:calls=(\d+)", page, re.M)
        return sum(int(count) for count in found)

    def cost_of(bodies):
        with Traffic(gateway.addresses, bodies, 200) as traffic:
            sim.wait_until(lambda _: waiting(gateway) >= 190)
            before = (calls(r"\S+"), calls("fcall"))
            served = len(traffic.calls)
            sim.wait_until(lambda _: len(traffic.calls) > served + 100, timeout=30)
            after = (calls(r"\S+"), calls("fcall"))
        traffic.assert_all_served()
        return (after[0] - before[0]) / (after[1] - before[1])

    one = cost_of(chats(model="openai/m"))
    many = cost_of([body for n in range(200) for body in chats(model=f"openai/m{n}")])
    print(f"commands for a batch: {one:.1f}, {many:.1f}")
    assert many < 30


@pytest.mark.topologies("processes-redis", "cluster")
def test_a_far_redis_costs_a_slot_two_round_trips(start, sim):
    """Redis answers 100 ms late: a slot waits for the batch under way and for the one that frees it."""
    config = Config().provider("openai", sim.url, concurrency=6, buffer=100)
    config.document["quota_store"] = {"on_loss": "refuse"}
    gateway = start(config, log_level="info", own_redis=True, relays=3)
    assert gateway.chat("openai/gpt-4o").status == 200
    sim.rule("latency=20")
    for relay in gateway.relays:
        relay.delay(0.1, "answer")
    with Traffic(gateway.addresses, chats(), 40) as traffic:
        sim.wait_until(lambda _: len(traffic.calls) > 40, timeout=20)
        rates = []
        # One such stretch is enough: on a machine that is short of CPU others may be slower.
        while len(rates) < 4 and max(rates, default=0) <= 0.75 * 6 / 0.22:
            before, began = len(traffic.calls), time.time()
            sim.wait_until(lambda _: time.time() > began + 4)
            rates.append((len(traffic.calls) - before) / (time.time() - began))
    assert max(rates) > 0.75 * 6 / 0.22, rates
    assert sim.busiest() <= 6
