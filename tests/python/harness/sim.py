"""The simulated provider as a process, and its admin calls (docs/simulator.md)."""

import itertools
import math
import time
from pathlib import Path

from . import http
from .process import Process


class Sim:
    """`weir sim`, started; `url` is what a provider's base_url points at."""

    def __init__(
        self, binary: str, name: str, directory: Path, flags: list[str] = (), port: int = 0
    ):
        log = ["--log-requests", "20000", "--log-body-bytes", "4096"]
        argv = [binary, "sim", "--listen", f"127.0.0.1:{port}", *log, *flags]
        self.process = Process(name, argv, {}, directory)
        self.url = self.process.wait_for(r"listening on (http://\S+)").group(1)

    def _call(self, method: str, path: str, body=None) -> dict:
        answer = http.request(method, self.url + path, body)
        assert answer.status == 200, answer.body
        return answer.json()

    def reset(self) -> None:
        self._call("POST", "/sim/reset")

    def rule(self, do: str, *, headers=None, body: str | None = None, **match) -> None:
        """Requests that match (key, model, path, stream) meet this behaviour from now on."""
        rule = {"match": match, "do": do, "headers": headers or {}}
        if body is not None:
            rule["body"] = body
        self._call("POST", "/sim/faults", rule)

    def requests(self) -> list[dict]:
        """Inference calls since the last reset, oldest first."""
        return self._call("GET", "/sim/requests")["requests"]

    def keys_seen(self) -> list[str]:
        return [entry["key"] for entry in self.requests()]

    def stats(self) -> dict:
        return self._call("GET", "/sim/stats")

    def in_flight(self) -> int:
        return self.stats()["total"]["in_flight"]

    def wait_until(self, holds, timeout: float = 10.0):
        """Asks until `holds(self)` gives something true; each turn is a call to the simulator."""
        deadline = time.monotonic() + timeout
        while True:
            result = holds(self)
            if result:
                return result
            in_time = time.monotonic() < deadline
            assert in_time, f"still not so after {timeout} s: {self.requests()[-5:]}"

    def wait_in_flight(self, count: int, timeout: float = 10.0) -> None:
        self.wait_until(lambda sim: sim.in_flight() == count, timeout)

    def busiest(self, since: float = 0.0, until: float = math.inf) -> int:
        """The most calls at one time between two moments, as the log says."""
        return max((count for at, count in self._busy() if since <= at < until), default=0)

    def full_again(self, limit: int, after: float) -> float | None:
        """The first moment after `after` with so many calls at one time."""
        return next((at for at, count in self._busy() if count >= limit and at > after), None)

    def _busy(self) -> list[tuple[float, int]]:
        """How many calls there were from each moment on at which that changed."""
        changes = []
        for entry in self.requests():
            changes.append((entry["started_us"] / 1e6, 1))
            if entry["ended_us"]:
                changes.append((entry["ended_us"] / 1e6, -1))
        # Of one moment the end comes first: the slot was given on.
        changes.sort()
        counts = itertools.accumulate(change for _, change in changes)
        return [(at, count) for (at, _), count in zip(changes, counts)]

    def stop(self) -> None:
        self.process.kill()
