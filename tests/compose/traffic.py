"""Clients of the stack: streams that are held open, and short requests that never pause."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException

from harness import http

PATH = "/v1/chat/completions"


def url(address: tuple[str, int]) -> str:
    return f"http://{address[0]}:{address[1]}{PATH}"


def body(behaviour: str, **more) -> dict:
    return {"model": f"sim/{behaviour}", "messages": [{"role": "user", "content": "hi"}], **more}


class Held:
    """A stream that is read in the background until it ends, whichever way."""

    def __init__(self, address: tuple[str, int], chunks: int, interval_ms: int):
        self.address = address
        self.began = threading.Event()
        self.events = http.Events(0, {})
        self._wanted = body(f"sim:chunks={chunks},interval={interval_ms}", stream=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        stream = http.stream(url(self.address), self._wanted)
        self.events.status = stream.status
        for data in stream:
            self.events.data.append(data)
            if '"content":"' in data:
                self.began.set()
        self.events.ended = stream.ended
        stream.close()

    @property
    def open(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)
        assert not self.open, f"a stream neither goes on nor ends: {self.events.data[-1:]}"

    @property
    def complete(self) -> bool:
        return self.events.done and not self.events.errors and self.events.ended == "complete"


@dataclass
class Outcome:
    """How a short request ended; `status` 0 = without an answer."""

    address: tuple[str, int]
    began: float
    ended: float
    status: int
    why: str


@dataclass
class Load:
    """Closed-loop clients, one connection for each request. A client whose edge refuses the
    connection goes on to the next edge, as a load balancer in front would."""

    addresses: list[tuple[str, int]]
    clients: int
    outcomes: list[Outcome] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(number,), daemon=True)
            for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def _client(self, number: int) -> None:
        turn = itertools.cycle(self.addresses)
        for _ in range(number % len(self.addresses)):
            next(turn)
        while not self._stop.is_set():
            address, began = next(turn), time.monotonic()
            status, why = 0, ""
            try:
                answer = http.request("POST", url(address), body("sim:latency=20"))
                status, why = answer.status, answer.body.decode("utf-8", "replace")[:300]
            except ConnectionRefusedError:
                # It never got in. A dead edge answers at once: do not turn in circles.
                self._stop.wait(0.02)
                continue
            except (OSError, HTTPException) as error:
                why = repr(error)
            if status != 200:
                self._stop.wait(0.02)
            self.outcomes.append(Outcome(address, began, time.monotonic(), status, why))

    def ended_since(self, moment: float) -> int:
        return sum(1 for one in list(self.outcomes) if one.began > moment)

    def answered_since(self, moment: float) -> int:
        return sum(1 for one in list(self.outcomes) if one.began > moment and one.status == 200)

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(http.TIMEOUT_SECONDS * 2)
            assert not thread.is_alive(), "a short request neither ended nor failed"

    @property
    def failed(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.status != 200]


def burst(
    addresses: list[tuple[str, int]], count: int, behaviour: str, **more
) -> list[http.Answer]:
    """So many requests at once, over all edges; `more` are members of their bodies."""
    targets = [addresses[number % len(addresses)] for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(
            lambda address: http.request("POST", url(address), body(behaviour, **more), timeout=60),
            targets,
        ))
