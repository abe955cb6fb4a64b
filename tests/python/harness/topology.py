"""Ways to run a gateway. Each is one function here; every scenario runs on every one of them."""

import json
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from . import http
from .config import Config
from .process import START_SECONDS, Process

BOUND = r"listening on (http://\S+)"
ADMIN = r"admin on (http://\S+)"


@dataclass
class Order:
    """What a test wants to be started."""

    binary: str
    config: Config | None
    env: dict[str, str]
    flags: list[str]
    log_level: str
    name: str
    directory: Path

    def config_file(self) -> list[str]:
        if self.config is None:
            return []
        path = self.directory / f"{self.name}.json"
        path.write_text(json.dumps(self.config.document, indent=2))
        return ["--config", str(path)]

    def environment(self) -> dict[str, str]:
        keys = self.config.env if self.config else {}
        return {"WEIR_LOG_LEVEL": self.log_level, **keys, **self.env}


@dataclass
class Gateway:
    """A running gateway, whatever it is made of."""

    url: str
    admin_urls: list[str]
    processes: list[Process]
    metrics_pages: list[str] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname, parts.port

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
        pages = [http.request("GET", f"{admin}/metrics").body.decode() for admin in self.admin_urls]
        return "\n".join(pages)

    def alive(self) -> bool:
        return all(process.alive() for process in self.processes)

    def wait_ready(self) -> None:
        """Asks every /readyz until it says 200; a process that ends is an error at once."""
        deadline = time.monotonic() + START_SECONDS
        for process, admin in zip(self.processes, self.admin_urls):
            while (answer := http.request("GET", f"{admin}/readyz")).status != 200:
                assert process.alive(), f"ended while starting:\n{process.output}"
                assert time.monotonic() < deadline, f"never ready: {answer.body}"

    def stop(self) -> None:
        if self.alive():
            self.metrics_pages.append(self.metrics())
        for process in self.processes:
            process.kill()


def all_in_one_memory(order: Order) -> Gateway:
    """Edge, router and workers in one process, quotas in its memory."""
    return all_in_one(order, [])


def all_in_one_redis(order: Order) -> Gateway:
    """Edge, router and workers in one process, quotas in a Redis of their own."""
    redis, url = start_redis(order)
    try:
        gateway = all_in_one(order, ["--redis", url])
    except BaseException:
        redis.kill()
        raise
    gateway.processes.append(redis)
    return gateway


def start_redis(order: Order) -> tuple[Process, str]:
    """A private server on a socket that only this test knows."""
    socket = Path(tempfile.mkdtemp(prefix="weir-e2e-")) / "redis.sock"
    argv = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
    redis = Process(f"{order.name}-redis", argv, {}, order.directory)
    redis.wait_for("ready to accept connections|Ready to accept connections")
    if order.config is not None:
        # The grace of an empty pool follows from it; a second is the least.
        order.config.document.setdefault("quota_store", {}).setdefault("lease_ttl_ms", 1000)
    return redis, f"redis+unix://{socket}"


def all_in_one(order: Order, flags: list[str]) -> Gateway:
    argv = [order.binary, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    argv += order.config_file() + order.flags + flags
    process = Process(order.name, argv, order.environment(), order.directory)
    try:
        url = process.wait_for(BOUND).group(1)
        admin = process.wait_for(ADMIN).group(1)
        gateway = Gateway(url, [admin], [process])
        gateway.wait_ready()
    except BaseException:
        process.kill()
        raise
    return gateway


def processes(order: Order) -> Gateway:
    """One edge, one router and one worker per provider, quotas in the router's memory."""
    return services(order, [])


def processes_redis(order: Order) -> Gateway:
    """One edge, one router and one worker per provider, quotas in a Redis of their own."""
    redis, url = start_redis(order)
    try:
        gateway = services(order, ["--redis", url])
    except BaseException:
        redis.kill()
        raise
    gateway.processes.append(redis)
    return gateway


def services(order: Order, router_flags: list[str]) -> Gateway:
    """Each worker has the keys of its own provider in its environment; nobody else has any."""
    assert order.config is not None, "services need a configuration"
    started: list[Process] = []
    file = order.config_file()

    def launch(room: str, *arguments: str, keys: dict[str, str] | None = None) -> Process:
        argv = [order.binary, room.partition("-")[0], *file]
        argv += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *arguments, *order.flags]
        env = {"WEIR_LOG_LEVEL": order.log_level, **(keys or {}), **order.env}
        started.append(Process(f"{order.name}-{room}", argv, env, order.directory))
        return started[-1]

    def keys_of(provider: str) -> dict[str, str]:
        section = json.dumps(order.config.document["providers"][provider])
        named = re.findall(r"\benv\.(\w+)", section)
        return {name: order.config.env[name] for name in named if name in order.config.env}

    try:
        providers = list(order.config.document["providers"])
        workers = [
            launch(f"worker-{name}", "--provider", name, keys=keys_of(name)) for name in providers
        ]
        urls = [worker.wait_for(BOUND).group(1) for worker in workers]
        flags = [f for name, url in zip(providers, urls) for f in ("--worker", f"{name}={url}")]
        router = launch("router", *flags, *router_flags)
        edge = launch("edge", "--router", router.wait_for(BOUND).group(1))
        url = edge.wait_for(BOUND).group(1)
        parts = [edge, router, *workers]
        gateway = Gateway(url, [part.wait_for(ADMIN).group(1) for part in parts], parts)
        gateway.wait_ready()
    except BaseException:
        for process in started:
            process.kill()
        raise
    return gateway


TOPOLOGIES = {
    "all-in-one-memory": all_in_one_memory,
    "all-in-one-redis": all_in_one_redis,
    "processes": processes,
    "processes-redis": processes_redis,
}
# What a run without `--topology` takes.
USUAL = ["all-in-one-memory"]
