"""One gateway with a provider of each format behind it, for all tests."""

import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from harness.config import Config, Key
from harness.sim import Sim
from harness.topology import Order, all_in_one_memory
from libraries import LIBRARIES
from providers import PROVIDERS
from seat import Seat


@pytest.fixture(scope="session")
def _run(tmp_path_factory):
    """The gateway and the simulator behind it."""
    binary = os.environ.get("WEIR_BIN")
    if not binary or not shutil.which(binary):
        pytest.exit("WEIR_BIN must name the weir binary; `cargo xtask test` sets it", 2)
    binary = str(Path(binary).resolve())
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
