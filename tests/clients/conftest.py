"""One gateway with a provider of each format behind it, for all tests."""

from functools import cache

import pytest
from harness.binary import under_test
from harness.config import Config, Key
from harness.sim import Sim
from harness.topology import Order, all_in_one_memory
from libraries import LIBRARIES
from providers import PROVIDERS
from seat import Seat


@pytest.fixture(scope="session")
def _run(tmp_path_factory):
    """The gateway and the simulator behind it."""
    binary = under_test()
    directory = tmp_path_factory.mktemp("run")
    sim = Sim(binary, "sim", directory)
    config = Config()
    for provider in PROVIDERS:
        config.provider(provider.name, sim.url, [Key(f"{provider.name}-1", extra=provider.block)])
    order = Order(binary, config, {}, [], "info", "clients", directory, lambda: None)
    gateway = all_in_one_memory(order)
    yield gateway, sim
    gateway.stop()
    sim.stop()


@pytest.fixture(scope="session")
def _libraries(_run):
    """Made when they are wanted: they are not all in one environment."""
    gateway, _ = _run
    classes = {library.name: library for library in LIBRARIES}
    return cache(lambda name: classes[name](gateway.url))


@pytest.fixture
def seat(library, provider, _run, _libraries) -> Seat:
    """A library and a provider, which has seen nothing yet."""
    _, sim = _run
    sim.reset()
    return Seat(_libraries(library), next(one for one in PROVIDERS if one.name == provider), sim)
