"""Servers of unequal speed: the least busy is chosen, as far as the weights allow."""

import threading

import pytest
from harness.config import Config, Key

MODEL = "llama"
HOLD_MS = 6000


def config(sim, other_sim, within: int) -> Config:
    keys = [
        Key(name, weight=1, extra={"vllm_key_config": {"url": url, "model_name": MODEL}})
        for name, url in (("slow", sim.url), ("fast", other_sim.url))
    ]
    made = Config().provider("vllm", sim.url, keys, concurrency=20, buffer=100)
    provider = made.document["providers"]["vllm"]
    provider["network_config"].pop("base_url", None)
    if within:
        provider["concurrency_and_buffer_size"]["least_busy_within"] = within
    return made


def keys(gateway, count: int) -> list[str]:
    answers = [gateway.chat(f"vllm/{MODEL}") for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return [answer.headers["x-weir-key"] for answer in answers]


# With several routers one may ask before the other has said that its request has ended.
@pytest.mark.topologies("all-in-one-memory", "all-in-one-redis")
@pytest.mark.parametrize("within", [0, 2])
def test_field_least_busy_within(start, sim, other_sim, within):
    """One request holds the first server. With exact shares half of the others follow it there; else
    none do, until it is as far behind as it may be."""
    gateway = start(config(sim, other_sim, within))
    sim.rule(f"latency={HOLD_MS}", stream=True)
    held = threading.Thread(target=lambda: gateway.stream(f"vllm/{MODEL}").read())
    held.start()
    gateway.wait_until(lambda: len(sim.requests()) == 1)
    if within == 0:
        assert keys(gateway, 6) == ["fast", "slow"] * 3
    else:
        # Two turns of the slow one are taken by the other, the third is not.
        assert keys(gateway, 7) == ["fast"] * 5 + ["slow", "fast"]
    held.join()
    # What nobody is busy with goes by weight.
    assert sorted(keys(gateway, 4)) == ["fast"] * 2 + ["slow"] * 2
