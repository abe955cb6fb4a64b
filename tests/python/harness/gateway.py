"""A running gateway, whatever it is made of, and the requests of a test to it."""

import hashlib
import itertools
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from . import http
from .process import START_SECONDS, Process
from .redis import Redis
from .relay import Relay

BOUND = r"listening on (https?://\S+)"
ADMIN = r"admin on (http://\S+)"
POLL_SECONDS = 0.005


@dataclass
class Service:
    """One process of a gateway, and where it listens."""

    process: Process
    url: str
    admin: str

    @classmethod
    def of(cls, process: Process) -> "Service":
        """Waits until it has said where."""
        return cls(process, *(process.wait_for(where).group(1) for where in (BOUND, ADMIN)))

    def metrics(self) -> str:
        return http.request("GET", f"{self.admin}/metrics").body.decode()

    def readiness(self) -> http.Answer:
        return http.request("GET", f"{self.admin}/readyz")

    def is_ready(self) -> bool:
        """Ready, sure of every address that it was given, and under its own limits."""
        answer = self.readiness()
        detail = answer.json()["detail"]
        all_serve = all(reach["addresses"] == reach["serving"] for reach in _reaches(detail))
        return answer.status == 200 and all_serve and not detail.get("quota", {}).get("config_skew")


def _reaches(detail):
    """The parts of a /readyz that say how many addresses there are, and how many serve."""
    if isinstance(detail, dict):
        if "serving" in detail:
            yield detail
        for inner in detail.values():
            yield from _reaches(inner)


@dataclass
class Gateway:
    """In one process edge, router and worker are the same service."""

    edges: list[Service]
    routers: list[Service]
    workers: dict[str, list[Service]]
    redis: Redis | None = None
    owns_redis: bool = False
    relays: list[Relay] = field(default_factory=list)
    # What its services ask each other for, where they are processes.
    link_token: str | None = None
    # What its keys in Redis begin with.
    prefix: str = ""
    # The configuration of all its services.
    config_path: Path | None = None
    lost: list[Service] = field(default_factory=list)
    metrics_pages: list[str] = field(default_factory=list)

    def __post_init__(self):
        self._turns = itertools.count()

    @property
    def services(self) -> list[Service]:
        """Every one that should run, once; edges first."""
        workers = (worker for group in self.workers.values() for worker in group)
        services = {id(one): one for one in (*self.edges, *self.routers, *workers)}
        return [one for one in services.values() if one not in self.lost]

    @property
    def processes(self) -> list[Process]:
        return [service.process for service in self.services]

    @property
    def url(self) -> str:
        """The edges take turns."""
        return self.edges[next(self._turns) % len(self.edges)].url

    @property
    def address(self) -> tuple[str, int]:
        return _address(self.url)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """All edges."""
        return [_address(edge.url) for edge in self.edges]

    def request(self, method: str, path: str, body=None, headers=None, **more) -> http.Answer:
        return http.request(method, self.url + path, body, headers, **more)

    def chat(self, model, content="hi", headers=None, timeout=None, **body) -> http.Answer:
        body = {"model": model, "messages": [{"role": "user", "content": content}], **body}
        more = {"timeout": timeout} if timeout else {}
        return self.request("POST", "/v1/chat/completions", body, headers, **more)

    def stream(self, model: str, headers=None, **body) -> http.Stream:
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": model, "messages": messages, "stream": True, **body}
        return http.stream(f"{self.url}/v1/chat/completions", body, headers)

    def metrics(self) -> str:
        """The metrics pages of every process."""
        return "\n".join(service.metrics() for service in self.services)

    def redis_page(self) -> str:
        """What this gateway has in Redis."""
        return self.redis.page(self.prefix) if self.redis else ""

    def alive(self) -> bool:
        return all(process.alive() for process in self.processes)

    def wait_ready(self) -> None:
        """Asks every /readyz until all is well; a process that ends is an error at once."""
        for service in self.services:
            self.wait_until(service.is_ready, START_SECONDS)

    def wait_until(self, holds, timeout: float = 10.0):
        """Asks until `holds()` gives something true, while every process lives."""
        deadline = time.monotonic() + timeout
        while not (result := holds()):
            ended = [process for process in self.processes if not process.alive()]
            assert not ended, f"{ended[0].name} ended:\n{ended[0].output[-4000:]}"
            assert time.monotonic() < deadline, f"still not so after {timeout} s"
            time.sleep(POLL_SECONDS)
        return result

    def waiting(self, provider: str = "openai") -> int:
        """How many requests wait for a slot. Routers hear late of each other's, Redis does not."""
        if self.redis:
            return self.redis.command("ZCARD", f"{self.prefix}:v2:{{{provider}}}:deadlines")
        (router,) = self.routers
        found = re.search(rf'weir_queue_depth{{provider="{provider}"}} (\d+)', router.metrics())
        return int(found.group(1)) if found else 0

    def wait_waiting(self, count: int, provider: str = "openai") -> None:
        self.wait_until(lambda: self.waiting(provider) == count)

    def put_config(self, content: dict | str) -> str:
        """Puts another file in the place of the configuration, as editors do; its version."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        draft = self.config_path.with_suffix(".draft")
        draft.write_text(text)
        os.replace(draft, self.config_path)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def reload(self, content: dict) -> None:
        """Changes the configuration, and waits until every process has taken it."""
        version = self.put_config(content)
        self.wait_until(lambda: all(one["version"] == version for one in self.configurations()))

    def configurations(self) -> list[dict]:
        """What every process says of its configuration."""
        return [service.readiness().json()["detail"]["config"] for service in self.services]

    def lose(self, service: Service) -> None:
        """Kills a service without a warning."""
        self.lost.append(service)
        service.process.kill()

    def stop(self) -> None:
        try:
            if self.alive():
                self.metrics_pages.append(self.metrics())
        finally:
            for service in self.services:
                service.process.kill()
            for relay in self.relays:
                relay.stop()
            if self.owns_redis:
                self.redis.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port
