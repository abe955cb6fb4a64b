"""What one client may take of a process: memory, heads, connections. Every attack ends alike: a
healthy request succeeds at once, and the memory is given back."""

import json
import re
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import http
from harness.config import Config

MIB = 1 << 20
BUDGET = 128 * MIB
# What a process takes beside bodies: pieces on their way, and what the allocator keeps for a while.
BESIDE = 64 * MIB
FLAGS = ["--memory-budget", "128MiB"]


def status_kib(process, name: str) -> int:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", text).group(1))


def rss(process) -> int:
    return status_kib(process, "VmRSS") * 1024


class Watched:
    """The processes of a gateway, whose memory is looked at from now on."""

    def __init__(self, gateway):
        self.gateway = gateway
        for _ in range(5):
            assert gateway.chat("openai/m").status == 200
        for process in gateway.processes:
            # Begins the peak anew.
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        self.before = {process.name: rss(process) for process in gateway.processes}

    def peaks(self) -> dict[str, int]:
        peaks = {one.name: status_kib(one, "VmHWM") * 1024 for one in self.gateway.processes}
        return {name: peak - self.before[name] for name, peak in peaks.items()}

    def is_as_before(self) -> bool:
        """Within a tenth, and what one thread more or less has at hand."""
        limits = {name: bytes * 1.1 + 8 * MIB for name, bytes in self.before.items()}
        return all(rss(one) <= limits[one.name] for one in self.gateway.processes)

    def assert_well(self, seconds=3.0):
        begun = time.monotonic()
        assert self.gateway.chat("openai/m").status == 200
        assert time.monotonic() - begun < seconds
        assert self.gateway.alive()

    def assert_over(self):
        """After an attack."""
        self.assert_well()
        # What is given back is given back within moments, and while something happens.
        deadline = time.monotonic() + 5
        while not self.is_as_before():
            now = {one.name: (self.before[one.name], rss(one)) for one in self.gateway.processes}
            assert time.monotonic() < deadline, now
            self.gateway.chat("openai/m")
            time.sleep(0.05)
        self.assert_well()


def connect(gateway) -> socket.socket:
    return socket.create_connection(gateway.address, timeout=60)


def head(length: int, *more: str) -> bytes:
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {length}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def body(length: int, model: str = "openai/m") -> bytes:
    frame = json.dumps({"model": model, "messages": [{"role": "user", "content": "%"}]})
    begin, _, end = frame.encode().partition(b"%")
    return begin + b"x" * (length - len(begin) - len(end)) + end


def post(gateway, payload: bytes, answers: list) -> None:
    with connect(gateway) as connection:
        connection.sendall(head(len(payload), "connection: close"))
        try:
            connection.sendall(payload)
        except OSError:
            pass
        answer = b""
        while part := connection.recv(65536):
            answer += part
    answers.append(answer)


def parsed(answer: bytes) -> tuple[int, dict[str, str], dict]:
    top, _, rest = answer.partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, json.loads(rest) if rest.startswith(b"{") else {}


@pytest.mark.slow
# 7/8 of the budget have room for so many.
@pytest.mark.parametrize(
    "model, fit", [("openai/m", 5), ("anthropic/m", 1)], ids=["same", "translated"]
)
def test_many_large_bodies_take_no_more_than_the_budget(start, sim, model, fit):
    config = Config().provider("openai", sim.url).provider("anthropic", sim.url)
    gateway = start(config, flags=FLAGS, log_level="info")
    watched = Watched(gateway)
    payload, answers = body(20 * MIB, model), []
    crowd = [
        threading.Thread(target=post, args=(gateway, payload, answers), daemon=True)
        for _ in range(12)
    ]
    for one in crowd:
        one.start()
    while any(one.is_alive() for one in crowd):
        # It waits for nobody's memory, but its core reads the large ones, too.
        watched.assert_well(seconds=15)
        time.sleep(0.05)
    assert len(answers) == len(crowd)
    statuses = [parsed(answer)[0] for answer in answers]
    # More of them, if some have gone before others come.
    assert set(statuses) <= {200, 503} and statuses.count(200) >= fit, statuses
    for status, headers, error in map(parsed, answers):
        if status == 503:
            assert error["error"]["type"] == "overloaded", error
            assert headers["retry-after"] == "1" and headers["x-should-retry"] == "true"
    peaks = watched.peaks()
    assert all(peak <= BUDGET + BESIDE for peak in peaks.values()), peaks
    watched.assert_over()
    # Nothing was learned of the provider.
    assert not re.search(r"(?m)^weir_cooldowns_total\{.*\} [1-9]", gateway.metrics())
    for service in gateway.services:
        page = service.metrics()
        assert re.search(rf"(?m)^weir_memory_budget_bytes {BUDGET}$", page)
        assert re.search(r"(?m)^weir_memory_used_bytes 0$", page), page


def test_a_body_that_never_fits_is_told_so(start, sim):
    gateway = start(Config().provider("openai", sim.url), flags=["--memory-budget", "16MiB"])
    answers = []
    post(gateway, body(20 * MIB), answers)
    status, _, error = parsed(answers[0])
    assert status == 413 and "--memory-budget" in error["error"]["message"], answers


def test_nothing_is_taken_for_what_is_announced(start, sim):
    gateway = start(Config().provider("openai", sim.url), log_level="info")
    watched = Watched(gateway)
    with ExitStack() as stack:
        for _ in range(400):
            connection = stack.enter_context(connect(gateway))
            connection.sendall(head(100_000_000) + b'{"mod')
        watched.assert_well()
        used = [re.search(r"weir_memory_used_bytes (\d+)", one.metrics()) for one in gateway.edges]
        assert sum(int(found.group(1)) for found in used) < 400 * 64 * 1024
        assert all(peak < 400 * 64 * 1024 for peak in watched.peaks().values()), watched.peaks()
    watched.assert_over()
