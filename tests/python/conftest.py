"""Fixtures: the binary, simulators, a gateway per test, and SDK clients."""

import itertools
import os
import shutil
from pathlib import Path

import openai
import pytest
from harness import http
from harness.config import Config
from harness.sim import Sim
from harness.topology import TOPOLOGIES, USUAL, Gateway, Order

REPOSITORY = Path(__file__).resolve().parents[2]
_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--topology", action="append", choices=sorted(TOPOLOGIES), default=[])


def pytest_generate_tests(metafunc):
    if "topology" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--topology") or USUAL
        metafunc.parametrize("topology", chosen, scope="session")


def pytest_collection_modifyitems(items):
    """The search for secrets is the last: it reads what all the others left behind."""
    items.sort(key=lambda item: "test_secrets" in item.nodeid)


@pytest.fixture(scope="session")
def weir() -> str:
    """The binary under test."""
    binary = os.environ.get("WEIR_BIN")
    if not binary:
        pytest.exit("WEIR_BIN must name the weir binary; `cargo xtask test` sets it", 2)
    assert shutil.which(binary), f"WEIR_BIN={binary} is not executable"
    return str(Path(binary).resolve())


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory) -> Path:
    """Configurations and logs of every process of this run."""
    return tmp_path_factory.mktemp("run")


def _sim(weir, directory, name):
    started = Sim(weir, name, directory)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def _sim_one(weir, run_dir):
    yield from _sim(weir, run_dir, "sim-1")


@pytest.fixture(scope="session")
def _sim_two(weir, run_dir):
    yield from _sim(weir, run_dir, "sim-2")


@pytest.fixture
def sim(_sim_one) -> Sim:
    """A simulated provider that has seen nothing yet."""
    _sim_one.reset()
    return _sim_one


@pytest.fixture
def other_sim(_sim_two) -> Sim:
    """Another one."""
    _sim_two.reset()
    return _sim_two


@pytest.fixture
def start(topology, weir, run_dir, request):
    """Starts a gateway in the topology under test; it is stopped after the test."""
    started: list[Gateway] = []

    def start(config: Config | None, env=None, flags=(), log_level="trace") -> Gateway:
        name = f"{next(_numbers):03}-{request.node.originalname}"[:60]
        order = Order(weir, config, env or {}, list(flags), log_level, name, run_dir)
        gateway = TOPOLOGIES[topology](order)
        started.append(gateway)
        return gateway

    yield start
    for gateway in started:
        crashed = not gateway.alive()
        gateway.stop()
        for number, page in enumerate(gateway.metrics_pages):
            (run_dir / f"{gateway.processes[0].name}-{number}.metrics").write_text(page)
        expected = getattr(gateway, "may_have_ended", False)
        assert expected or not crashed, gateway.processes[0].output[-4000:]
        lines = (line for process in gateway.processes for line in process.output.split("\n"))
        panics = [line for line in lines if "panicked" in line]
        assert not panics, panics


@pytest.fixture
def gateway(start, sim) -> Gateway:
    """A gateway with one provider, `openai`, and one key, `openai-1`."""
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    gateway.config = config
    return gateway


@pytest.fixture
def sdk():
    """Makes official SDK clients for a gateway; they do not retry by themselves."""
    clients = []

    def remember(response) -> None:
        # Reading a stream here would keep the test from seeing its events as they come.
        if response.status_code >= 400:
            response.read()
        body = response.content if response.is_stream_consumed else b""
        http.keep(dict(response.headers), body)

    def make(gateway: Gateway, path: str = "/v1", **more) -> openai.OpenAI:
        transport = openai.DefaultHttpxClient(event_hooks={"response": [remember]})
        options = {"api_key": "client-key", "max_retries": 0, "timeout": 20.0, **more}
        client = openai.OpenAI(base_url=gateway.url + path, http_client=transport, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(gateway, sdk) -> openai.OpenAI:
    return sdk(gateway)
