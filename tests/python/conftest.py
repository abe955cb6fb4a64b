"""Fixtures: the binary, simulators, a gateway per test, and SDK clients."""

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from harness import clouds, http
from harness.binary import under_test
from harness.config import Config
from harness.gateway import Gateway
from harness.redis import Redis
from harness.sim import Sim
from harness.tls import Authority, Door
from harness.topology import SERVICES, TOPOLOGIES, USUAL, Order, all_in_one
from harness.warm import LEASE_TTL_MS, PROVIDER, SEED, WarmRedis
from sdks import families
from sdks.drivers import DRIVERS
from sdks.matrix import Seat

REPOSITORY = Path(__file__).resolve().parents[2]
_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--topology", action="append", choices=sorted(TOPOLOGIES), default=[])
    parser.addoption("--soak", action="store_true", help="outages in full, not at a tenth")


def _chosen(config) -> list[str]:
    return config.getoption("--topology") or USUAL


def pytest_generate_tests(metafunc):
    if "topology" in metafunc.fixturenames:
        metafunc.parametrize("topology", _chosen(metafunc.config), scope="session")


def pytest_collection_modifyitems(config, items):
    """Leaves out what does not belong to the chosen topologies. The search for secrets is the
    last: it reads what all the others left behind."""
    items[:] = [item for item in items if _belongs(item, _chosen(config))]
    items.sort(key=lambda item: "test_secrets" in item.nodeid)


def _belongs(item, chosen: list[str]) -> bool:
    callspec = getattr(item, "callspec", None)
    topology = callspec.params.get("topology") if callspec else None
    if topology is None:
        # What starts no gateway says nothing new on another topology.
        return "test_secrets" in item.nodeid or USUAL[0] in chosen
    marker = item.get_closest_marker("topologies")
    return marker is None or topology in marker.args


@pytest.fixture(scope="session")
def weir() -> str:
    """The binary under test."""
    return under_test()


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


@pytest.fixture(scope="session")
def outside(tmp_path_factory) -> Path:
    """What stands between gateway and providers keeps its files here: they may know passwords."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="session")
def authority(outside) -> Authority:
    """Whom the providers' certificates are signed by; no system trusts it."""
    return Authority(outside)


@pytest.fixture
def door(authority):
    """Puts TLS in front of a server; `localhost` and `127.0.0.1` are its names."""
    doors = []

    def door(url: str, **more) -> Door:
        doors.append(Door(authority.context("localhost", "127.0.0.1", **more), url))
        return doors[-1]

    yield door
    for one in doors:
        one.stop()


@pytest.fixture(scope="session")
def _warm_redis(weir, run_dir):
    """Makes the Redis of the run when it is first asked for."""
    made: list[WarmRedis] = []

    def warm() -> WarmRedis:
        if not made:
            made.append(WarmRedis(Redis("redis", run_dir)))
            _leave_an_idle_pool(made[0], weir, run_dir)
        return made[0]

    yield warm
    for one in made:
        one.redis.close()


def _leave_an_idle_pool(warm: WarmRedis, weir, run_dir) -> None:
    provider = Sim(weir, f"sim-{SEED}", run_dir)
    config = Config().provider(PROVIDER, provider.url)
    config.document["quota_store"] = {"lease_ttl_ms": LEASE_TTL_MS, "prefix": SEED}
    order = Order(weir, config, {}, [], "info", SEED, run_dir, None)
    gateway = all_in_one(order, lambda _number: ["--redis", warm.redis.url])
    # Answered when the grace is over.
    assert gateway.chat(f"{PROVIDER}/gpt-4o").status == 200
    # A slot is given back with a moment's patience.
    held = f"{SEED}:v2:{{{PROVIDER}}}:ends"
    gateway.wait_until(lambda: warm.redis.command("ZCARD", held) == 0, 30)
    gateway.stop()
    provider.stop()
    warm.take()


@pytest.fixture
def start(topology, weir, run_dir, _warm_redis, request):
    """Starts a gateway in the topology under test; it is stopped after the test."""
    started: list[Gateway] = []

    def start(config, env=None, flags=(), log_level=None, **redis) -> Gateway:
        # What libraries trace is most of the work of a gateway of many processes; `test_leaks.py`
        # has them do it.
        log_level = log_level or ("debug,h2=info" if topology in SERVICES else "trace")
        name = f"{next(_numbers):03}-{request.node.originalname}"[:60]
        order = Order(
            weir, config, env or {}, list(flags), log_level, name, run_dir, _warm_redis, **redis
        )
        gateway = TOPOLOGIES[topology](order)
        gateway.config_path = run_dir / f"{name}.json"
        started.append(gateway)
        return gateway

    yield start
    # Whatever is wrong with one of them, all are stopped.
    with contextlib.ExitStack() as stack:
        for gateway in started:
            stack.callback(_end, gateway, run_dir)


def _end(gateway: Gateway, run_dir) -> None:
    """Stops it, leaves what it wrote to the search for secrets, and sees that it was well."""
    processes = gateway.processes + [service.process for service in gateway.lost]
    crashed = [process for process in gateway.processes if not process.alive()]
    name = processes[0].name
    try:
        if gateway.redis and gateway.redis.process.alive():
            # A test that failed may have left it paused.
            gateway.redis.resume()
            (run_dir / f"{name}.redis").write_text(gateway.redis_page())
    finally:
        gateway.stop()
    for number, page in enumerate(gateway.metrics_pages):
        (run_dir / f"{name}-{number}.metrics").write_text(page)
    expected = getattr(gateway, "may_have_ended", False)
    assert expected or not crashed, crashed[0].output[-4000:]
    lines = (line for process in processes for line in process.output.split("\n"))
    panics = [line for line in lines if "panicked" in line]
    assert not panics, panics


@dataclass
class Pace:
    """How long what takes long takes."""

    outage: float
    lease_ttl_ms: int
    # How much of the times that the rules for failures are stated in.
    part: float = 1.0

    @property
    def grace(self) -> float:
        """The longest, as docs/quota.md states it."""
        return self.lease_ttl_ms / 2000 + 1


@pytest.fixture(scope="session")
def pace(request) -> Pace:
    # Links are given up after half a lease time of silence, which a loaded machine may cause.
    full = request.config.getoption("--soak")
    return Pace(15.0, 10_000) if full else Pace(3.0, 2_000, part=0.1)


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


@pytest.fixture(scope="session")
def _sim_families(weir, run_dir):
    yield from _sim(weir, run_dir, "sim-families")


@pytest.fixture(scope="session")
def family_gateway(topology, weir, run_dir, _warm_redis, _sim_families):
    """One gateway for the whole matrix, with every provider family behind it; on topologies where
    each provider is a process of its own, with two of them."""
    wanted = families.FAMILIES if topology in USUAL else [families.BY_NAME[n] for n in FEW]
    tokens = clouds.Tokens()
    account = clouds.Account(f"{tokens.url}/token")
    tokens.check = account.check
    config = families.config(families.Place(_sim_families.url, account.json), wanted)
    log_level = "debug,h2=info"
    name = f"{next(_numbers):03}-families"
    order = Order(weir, config, {}, [], log_level, name, run_dir, _warm_redis)
    gateway = TOPOLOGIES[topology](order)
    yield gateway
    _end(gateway, run_dir)
    tokens.stop()
    assert not tokens.faults, tokens.faults[:3]


# One that answers in events of text, and one that answers in binary frames.
FEW = ["openai", "bedrock"]


@pytest.fixture(scope="session")
def _drivers(family_gateway):
    made = {driver.name: driver(family_gateway.url) for driver in DRIVERS}
    yield made
    for driver in made.values():
        driver.close()


@pytest.fixture
def seat(sdk, family, _drivers, _sim_families) -> Seat:
    """A place in the matrix, whose provider has seen nothing yet."""
    _sim_families.reset()
    return Seat(_drivers[sdk], families.BY_NAME[family], _sim_families)
