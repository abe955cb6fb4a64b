"""Each container is killed in turn under load: what was in flight in it is lost and nothing else,
no slot stays behind, and compose brings it back. Then all at once, by crashes that the restart
policy answers alone; then the end."""

import socket
import time
from contextlib import contextmanager

import pytest
from conftest import SCALE, measured
from stack import ADMIN_PORT, PREPARING, SIM_PORT, run, wait_until
from traffic import Held, Load, burst

CONCURRENCY = 50  # Of `sim` in deploy/config.sample.json.
STREAMS = 12
CLIENTS = 8
EACH = [
    *[(service, number) for service, count in SCALE.items() for number in range(count)],
    ("worker-openai", 0), ("worker-groq", 0), ("redis", 0), ("sim", 0),
]


def counted(stack) -> dict[str, float]:
    """How many requests each edge, router and worker has taken up, by its own counters."""
    of = {
        "edge": ["weir_requests_in_flight", "weir_requests_total"],
        "router": ["weir_grants_total"],
        "worker-sim": ["weir_time_to_first_token_seconds_count"],
    }
    pages = stack.pages(*of)
    return {
        one.id: sum(page.total(metric) for metric in of[one.service])
        for one, page in pages.items()
    }


def held_streams(stack, seconds: float):
    """Open streams, and how many of them each container holds, by its own counters."""
    before = counted(stack)
    edges = stack.edges()
    chunks = int(seconds * 10)
    streams = [Held(edges[number % len(edges)], chunks, 100) for number in range(STREAMS)]
    for stream in streams:
        assert stream.began.wait(20), stream.events
    after = counted(stack)
    counts = {one: int(after[one] - before[one]) for one in after}
    for service in ("edge", "router", "worker-sim"):
        here = [counts[one.id] for one in stack.containers(service)]
        assert sum(here) == STREAMS and all(here), f"{service}: {here}"
    return streams, counts


@contextmanager
def killed_among_streams(stack, target, load):
    """`target`, killed while streams are open in it and short requests flow: those streams, how
    many of them each container held, and when."""
    for seconds in (4, 8, 16):
        streams, counts = held_streams(stack, seconds)
        with load:
            wait_until("short requests flow", lambda: load.answered_since(0) >= 20, 20)
            if all(stream.open for stream in streams):
                began = time.monotonic()
                target.kill()
                yield streams, counts, began
                return
        # A busy machine: the streams were over before everything was counted.
        for stream in streams:
            stream.wait(30)
    raise AssertionError("streams of 16 s end before they can be counted")


def refuses(address) -> bool:
    """Whether the engine has taken a dead edge's port back."""
    with socket.socket() as knock:
        knock.settimeout(2)
        return knock.connect_ex(address) != 0


def leases(stack) -> float:
    """Slots in use, as the router says that has the most to say."""
    pages = stack.pages("router").values()
    return max(page.total("weir_pool_leases", provider="sim") for page in pages)


def assert_whole(stack) -> None:
    """No slot is left behind: none is in use, and all of them can be at once."""
    wait_until("no slot is in use", lambda: leases(stack) == 0, 20)
    for latency in (500, 2000, 8000):
        stack.sim("/sim/reset", "POST")
        answers = burst(stack.edges(), CONCURRENCY + 10, f"sim:latency={latency}")
        assert {answer.status for answer in answers} == {200}, [one.body for one in answers]
        busiest = stack.sim("/sim/stats")["total"]["high_water"]
        assert busiest <= CONCURRENCY
        if busiest == CONCURRENCY:
            return
        # A busy machine: the first were done before the last had begun.
    raise AssertionError(f"only {busiest} of {CONCURRENCY} slots can be used")


def bring_back(stack, target) -> None:
    serving = [one for one in stack.containers(every=True) if one.service not in PREPARING]
    before = {one.id for one in serving}
    stack.up(SCALE)
    assert {one.id for one in stack.containers()} == before, "another container took its place"
    wait_until(f"{target.name} serves again", lambda: serves(stack, target), 30)


def serves(stack, target) -> bool:
    """Whether a container that was started anew does its work; its counters began at zero."""
    if target.service == "redis":
        return "PONG" in target.exec("redis-cli --user health --pass - ping", check=False)
    if target.service not in SCALE:
        port = SIM_PORT if target.service == "sim" else ADMIN_PORT
        return f"{port} open" in target.exec(f"(: </dev/tcp/127.0.0.1/{port}) && echo {port} open",
                                             check=False)
    try:
        burst(stack.edges(), CLIENTS, "sim:latency=20", stream=True)
        return counted(stack)[target.id] > 0
    except OSError:
        return False  # An edge whose port is open before it listens itself.


@pytest.mark.parametrize("service, number", EACH, ids=[f"{name}-{n}" for name, n in EACH])
def test_a_killed_container_takes_only_its_own_with_it(scaled, service, number):
    target = scaled.containers(service)[number]
    address = target.address() if service == "edge" else None
    needed = service in ("redis", "sim")
    load = Load(scaled.edges(), CLIENTS)
    with killed_among_streams(scaled, target, load) as (streams, counts, began):
        if address:
            wait_until("its port is closed", lambda: refuses(address), 10)
        gone = time.monotonic()
        if needed:
            # Refused or served without it, requests are not kept hanging.
            wait_until("requests end", lambda: load.ended_since(gone) >= 40, 20)
            bring_back(scaled, target)
        back = time.monotonic()
        wait_until("requests are answered", lambda: load.answered_since(back) >= 40, 30)
    for stream in streams:
        stream.wait(30)

    lost = [stream for stream in streams if not stream.complete]
    expected = STREAMS if service == "sim" else counts.get(target.id, 0)
    print(f"{target.name}: {expected} of {STREAMS} streams were in it, {len(lost)} lost; "
          f"{len(load.failed)} of {len(load.outcomes)} short requests failed")
    assert len(lost) == expected, [(one.address, one.events) for one in lost]
    if address:
        assert {stream.address for stream in lost} == {address}
    if needed:
        assert all(one.status in (502, 503, 504) for one in load.failed), load.failed
        assert all(one.began < back + 5 for one in load.failed), load.failed
    else:
        assert all(one.began < gone and one.ended > began for one in load.failed), load.failed
        # Until the engine takes a dead edge's port back, whoever knocks there is turned away.
        assert all(one.address == address for one in load.failed) or len(load.failed) <= CLIENTS
        bring_back(scaled, target)
    assert_whole(scaled)


def test_what_crashes_is_started_again(scaled):
    """No hand is needed: the restart policy brings back whatever ends by itself."""
    services = ("redis", "edge", "router", "worker-sim")
    targets = [scaled.containers(service)[0] for service in services]
    pids = [str(one.inspect()["State"]["Pid"]) for one in targets]
    # `docker kill` counts as a wish to stop. This is a crash; from a container, so that neither
    # root nor an engine on this machine is needed.
    run(["docker", "run", "--rm", "--pid", "host", "--network", "none", "debian:bookworm-slim",
         "bash", "-c", f"kill -9 {' '.join(pids)}"], 60)
    with measured("everything started again after crashes"):
        wait_until(
            "every one was started again",
            lambda: all(one.inspect()["RestartCount"] >= 1 for one in targets), 30,
        )
        scaled.wait_healthy()
    assert_whole(scaled)


def test_down_leaves_nothing(scaled):
    scaled.down()
    mine = f"label=com.docker.compose.project={scaled.name}"
    for kind in (["ps", "-a"], ["network", "ls"], ["volume", "ls"]):
        assert run(["docker", *kind, "-q", "--filter", mine], 30) == "", kind
