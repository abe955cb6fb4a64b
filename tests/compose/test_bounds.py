"""What an attack may take of containers of 512 MiB: nobody dies, and a healthy request is served."""

import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from harness import http
from stack import run, wait_until
from traffic import PATH, body, url

MIB = 1 << 20
# Not the simulated provider, which is nothing that is attacked.
ATTACKED = ("edge", "router", "worker-sim")


def rss(container) -> int:
    status = container.exec("cat /proc/1/status")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def starts(stack) -> dict[str, str]:
    """When each container was started, and whether the kernel ended it for its memory."""
    ones = stack.containers(every=True)
    form = "{{.State.StartedAt}} {{.State.OOMKilled}} {{.RestartCount}}"
    said = run(["docker", "inspect", "-f", form, *(one.id for one in ones)], 60)
    return dict(zip((one.name for one in ones), said.splitlines()))


def healthy(address) -> float:
    """How long a request takes that has nothing to do with it."""
    began = time.monotonic()
    answer = http.request("POST", url(address), body("demo"), timeout=30)
    assert answer.status == 200, answer.body
    return time.monotonic() - began


def head(length: int) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "host: localhost", "content-type: application/json",
             f"content-length: {length}"]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def large(length: int) -> bytes:
    frame = json.dumps(body("demo")).replace('"hi"', '"%"').encode()
    begin, _, end = frame.partition(b"%")
    return begin + b"x" * (length - len(begin) - len(end)) + end


def large_bodies(address, stack: ExitStack) -> None:
    """More than any of the processes may hold at a time."""
    payload, statuses = large(100 * MIB - 1024), []

    def post():
        with socket.create_connection(address, timeout=120) as connection:
            try:
                connection.sendall(head(len(payload)))
                connection.sendall(payload)
            except OSError:
                pass
            statuses.append(connection.recv(12)[9:12])

    crowd = [threading.Thread(target=post, daemon=True) for _ in range(6)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(120)
    assert len(statuses) == len(crowd) and set(statuses) <= {b"200", b"503"}, statuses
    assert b"200" in statuses and b"503" in statuses, statuses


def many(address, stack: ExitStack, count: int, sends: bytes) -> None:
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(address, timeout=20))
        try:
            connection.sendall(sends)
        except OSError:
            pass


def announced_bodies(address, stack: ExitStack) -> None:
    many(address, stack, 700, head(100_000_000) + b'{"mod')


def unfinished_heads(address, stack: ExitStack) -> None:
    many(address, stack, 2200, head(2)[:-4] + b"\r\nx-filler: " + b"x" * 60_000)


def idle_connections(address, stack: ExitStack) -> None:
    many(address, stack, 1100, b"")


@pytest.mark.parametrize(
    "attack", [large_bodies, announced_bodies, unfinished_heads, idle_connections]
)
def test_nobody_dies_of_it(stack, attack):
    (edge,) = stack.containers("edge")
    address = edge.address()
    ones = stack.containers(*ATTACKED)
    for _ in range(20):
        healthy(address)
    before, started = {one.name: rss(one) for one in ones}, starts(stack)
    with ExitStack() as held:
        attack(address, held)
        # While it lasts, too.
        assert healthy(address) < 10
    assert healthy(address) < 5
    assert starts(stack) == started

    now = {}

    def is_given_back():
        healthy(address)
        now.update((one.name, rss(one)) for one in ones)
        # Within a tenth, and what one thread more or less has at hand.
        return all(now[name] <= size * 1.1 + 4 * MIB for name, size in before.items())

    try:
        wait_until("memory is given back", is_given_back, 20)
    finally:
        print({name: f"{size / MIB:.1f} -> {now[name] / MIB:.1f} MiB" for name, size in before.items()})
