"""Several servers of one's own as keys with addresses: one of them is not there."""

import json
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from harness.config import Config, Key
from harness.sim import Sim

WEIGHTS = [5, 3, 1, 1, 1]
MODEL = "llama"


class Fleet:
    """Five servers, and what answered of them."""

    def __init__(self, weir, run_dir, stack: ExitStack):
        self._make = lambda nth, port=0: Sim(weir, f"server-{nth}", run_dir, port=port)
        self._stack = stack
        self.servers = [self._make(nth) for nth in range(len(WEIGHTS))]
        for server in self.servers:
            stack.callback(server.stop)

    def config(self, **network) -> Config:
        keys = [
            Key(
                f"s{nth}",
                weight=weight,
                extra={"vllm_key_config": {"url": server.url, "model_name": MODEL}},
            )
            for nth, (weight, server) in enumerate(zip(WEIGHTS, self.servers, strict=True))
        ]
        made = Config().provider("vllm", self.servers[0].url, keys, **network)
        network = made.document["providers"]["vllm"].get("network_config", {})
        network.pop("base_url", None)
        return made

    def stop(self, nth: int) -> None:
        self.servers[nth].stop()

    def start(self, nth: int) -> None:
        port = int(self.servers[nth].url.rsplit(":", 1)[1])
        self.servers[nth] = self._make(nth, port)
        self._stack.callback(self.servers[nth].stop)


@pytest.fixture
def fleet(weir, run_dir):
    with ExitStack() as stack:
        yield Fleet(weir, run_dir, stack)


def answered(gateway, count: int) -> Counter:
    """By whom so many requests were answered; each of them was."""
    answers = [gateway.chat(f"vllm/{MODEL}") for _ in range(count)]
    assert [answer.status for answer in answers] == [200] * count, answers[-1].body
    return Counter(answer.headers["x-weir-key"] for answer in answers)


def near(seen: Counter, weights: list[int], slack: float) -> None:
    """Everybody's count is as near to its share."""
    total, all_weights = seen.total(), sum(weights)
    for nth, weight in enumerate(weights):
        share = total * weight / all_weights
        assert abs(seen[f"s{nth}"] - share) <= slack, (seen, nth, share)


def test_a_dead_server_costs_no_request_and_has_its_share_again_when_it_is_back(start, fleet):
    gateway = start(fleet.config())
    near(answered(gateway, 110), WEIGHTS, 1)
    fleet.stop(0)
    near(answered(gateway, 180), [0, *WEIGHTS[1:]], 4)
    fleet.start(0)
    back = time.monotonic()
    while "s0" not in answered(gateway, 5):
        assert time.monotonic() - back < 5
    near(answered(gateway, 110), WEIGHTS, 2)


def test_a_server_that_is_found_dead_is_left_alone(start, fleet):
    gateway = start(fleet.config())
    fleet.stop(0)
    tries = [gateway.chat(f"vllm/{MODEL}").tries for _ in range(40)]
    lost = [one for one in tries if one.startswith("vllm/s0:unreachable, vllm/s")]
    # The first one, and whoever looked whether it is back.
    assert 1 <= len(lost) <= 3, tries


def test_when_no_server_is_there_the_client_is_told(start, fleet):
    gateway = start(fleet.config())
    for nth in range(len(WEIGHTS)):
        fleet.stop(nth)
    first, second = (gateway.chat(f"vllm/{MODEL}") for _ in range(2))
    assert first.status == second.status == 502
    assert first.tries.count("unreachable") == len(WEIGHTS)
    said = second.json()["error"]
    assert "no server of `vllm` that serves `llama` can be reached" in said["message"]
    assert said["type"] == "upstream_connection_failed"
    assert int(second.headers["retry-after"]) >= 1


def missing(gateway, path: str, model: str) -> tuple[int, str, dict]:
    """Status, code and headers of the answer to a request for a model that is not there."""
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": model, "max_tokens": 9, "messages": messages}
    answer = gateway.request("POST", path, body)
    error = answer.json()["error"]
    assert "not exist" in error["message"], error
    remembered = "a moment ago" in error["message"]
    return answer.status, error.get("code"), remembered


@pytest.mark.parametrize("provider", ["openai", "vllm"])
def test_a_missing_model_is_told_alike_each_time_and_asked_for_once(start, sim, provider):
    key = Key("k")
    if provider == "vllm":
        key = Key("k", extra={"vllm_key_config": {"url": sim.url, "model_name": "m"}})
    config = Config().provider(provider, sim.url, [key])
    if provider == "vllm":
        del config.document["providers"]["vllm"]["network_config"]["base_url"]
    gateway = start(config)
    told = {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}
    sim.rule("status=404", body=json.dumps(told))
    model = f"{provider}/m"
    first, second = (missing(gateway, "/v1/chat/completions", model) for _ in range(2))
    assert first == (404, "model_not_found", False)
    assert second == (404, "model_not_found", True)
    # In the words of another format as well.
    assert missing(gateway, "/anthropic/v1/messages", model)[::2] == (404, True)
    assert len(sim.requests()) == 1


def test_a_model_that_was_loaded_meanwhile_is_found_on_a_server_of_ones_own(start, sim):
    key = Key("k", extra={"vllm_key_config": {"url": sim.url, "model_name": MODEL}})
    config = Config().provider("vllm", sim.url, [key])
    del config.document["providers"]["vllm"]["network_config"]["base_url"]
    gateway = start(config)
    sim.rule("status=404", body='{"error": {"message": "The model `llama` does not exist"}}')
    assert missing(gateway, "/v1/chat/completions", f"vllm/{MODEL}")[0] == 404
    sim.reset()
    lost = time.monotonic()
    while gateway.chat(f"vllm/{MODEL}").status != 200:
        assert time.monotonic() - lost < 7
        time.sleep(0.2)
    assert time.monotonic() - lost > 4


def test_a_server_of_ones_own_may_take_its_time_to_the_first_token(start, sim):
    """Reading a long prompt takes minutes on a slow machine; the request timeout is for answers."""
    key = Key("k", extra={"vllm_key_config": {"url": sim.url, "model_name": "m"}})
    config = Config().provider("vllm", sim.url, [key], default_request_timeout_in_seconds=1)
    config.provider("groq", sim.url, default_request_timeout_in_seconds=1)
    del config.document["providers"]["vllm"]["network_config"]["base_url"]
    gateway = start(config)
    sim.rule("first-chunk=2500", stream=True)
    sim.rule("latency=2500", stream=False)
    assert gateway.chat("vllm/m", stream=True).status == 200
    assert gateway.chat("vllm/m").status == 504
    assert gateway.chat("groq/m", stream=True).status == 504
