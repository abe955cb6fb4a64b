"""Two llama.cpp servers and a LiteLLM proxy behind one gateway."""

import contextlib
from dataclasses import dataclass

import pytest
import tiny
from harness.binary import under_test
from harness.config import Config, Key
from harness.gateway import Gateway
from harness.topology import Order, all_in_one_memory
from real import LiteLlm, Llama


@dataclass
class Place:
    """A gateway, and the real servers behind it."""

    gateway: Gateway
    llamas: list[Llama]
    proxy: LiteLlm


def _config(llamas: list[Llama], proxy: LiteLlm) -> Config:
    # Both of them as one provider, and each by a name of its own.
    checks = {"path": "/v1/models", "interval_in_seconds": 1}
    blocks = [{"url": server.url, "model_name": "tiny"} for server in llamas]
    keys = [Key(f"l{nth}", extra={"vllm_key_config": one}) for nth, one in enumerate(blocks)]
    config = Config()
    config.provider("vllm", "", keys, health_check=checks, default_request_timeout_in_seconds=60)
    del config.document["providers"]["vllm"]["network_config"]["base_url"]
    for name, server in [("own-0", llamas[0]), ("own-1", llamas[1]), ("litellm", proxy)]:
        key = [Key(f"{name}-key", secret=server.key)]
        config.provider(name, server.url, key, default_request_timeout_in_seconds=60)
        own = {"base_provider_type": "openai"}
        config.document["providers"][name]["custom_provider_config"] = own
    return config


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    binary = under_test()
    directory = tmp_path_factory.mktemp("run")
    model = directory / "tiny.gguf"
    tiny.write(model)
    with contextlib.ExitStack() as stack:
        llamas = [Llama(f"llama-{nth}", directory, model) for nth in range(2)]
        proxy = LiteLlm("litellm", directory, llamas[0].url)
        for server in [*llamas, proxy]:
            stack.callback(server.kill)
            server.launch()
        for server in [*llamas, proxy]:
            server.wait()
        config = _config(llamas, proxy)
        order = Order(binary, config, {}, [], "info", "servers", directory, lambda: None)
        gateway = all_in_one_memory(order)
        stack.callback(gateway.stop)
        yield Place(gateway, llamas, proxy)
