"""Connections that nobody closes, on processes that may open few files."""

import re
import socket
import stat
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import http
from harness.config import Config

FILES = 256


@pytest.fixture(scope="session")
def weir(weir, tmp_path_factory):
    """The binary, started with a low limit that it may raise to a higher one."""
    script = tmp_path_factory.mktemp("limited") / "weir"
    script.write_text(f'#!/bin/sh\nulimit -Sn 64; ulimit -Hn {FILES}; exec "{weir}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def hoard(gateway, stack: ExitStack, count: int, sends: bytes = b"") -> list[socket.socket]:
    connections = []
    for _ in range(count):
        connection = socket.create_connection(gateway.addresses[0], timeout=20)
        stack.enter_context(connection)
        connection.sendall(sends)
        connections.append(connection)
    return connections


def assert_well(gateway):
    begun = time.monotonic()
    assert gateway.chat("openai/m").status == 200
    for service in gateway.services:
        assert http.request("GET", f"{service.admin}/healthz").status == 200
        assert "weir_build_info" in service.metrics()
    assert time.monotonic() - begun < 5
    assert gateway.alive()


def is_served(gateway) -> bool:
    try:
        return gateway.chat("openai/m").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("sends", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nhost: lo"])
def test_idle_connections_keep_nobody_out(start, sim, sends):
    gateway = start(Config().provider("openai", sim.url), log_level="info")
    edge = gateway.edges[0]
    limits = Path(f"/proc/{edge.process.pid}/limits").read_text()
    limit = re.search(r"Max open files\s+(\d+)", limits)
    assert int(limit.group(1)) == FILES
    with ExitStack() as stack:
        hoard(gateway, stack, 3 * FILES, sends)
        for _ in range(3):
            assert_well(gateway)
    assert_well(gateway)


def test_a_request_that_runs_is_not_closed_for_another(start, sim):
    env = {"WEIR_CONNECTIONS_MAX": "10"}
    gateway = start(Config().provider("openai", sim.url), env, log_level="info")
    running = gateway.stream("openai/sim:chunks=20,interval=100")
    events = iter(running)
    next(events)
    with ExitStack() as stack:
        hoard(gateway, stack, 50)
        assert_well(gateway)
        assert running.read().done


def test_an_address_has_as_many_connections_as_it_may(start, sim):
    env = {"WEIR_CONNECTIONS_PER_ADDRESS_MAX": "5"}
    gateway = start(Config().provider("openai", sim.url), env, log_level="info")
    with ExitStack() as stack:
        connections = hoard(gateway, stack, 8)
        for connection in connections:
            connection.settimeout(0.3)
        closed = 0
        for connection in connections:
            try:
                closed += connection.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionResetError:
                closed += 1
        assert closed == 3
    gateway.wait_until(lambda: is_served(gateway))
    assert_well(gateway)
