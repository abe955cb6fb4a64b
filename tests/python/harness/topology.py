"""Ways to run a gateway. Each is one function here; every scenario runs on every one of them."""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from . import secrets
from .config import Config
from .gateway import Gateway, Service
from .process import Process
from .redis import Redis
from .relay import Relay
from .warm import WarmRedis


# How requests go between services, unless a test says it: as whoever runs the tests says.
LINKS = os.environ.get("WEIR_LINKS", "framed")


@dataclass
class Order:
    """What a test wants to be started."""

    binary: str
    config: Config
    env: dict[str, str]
    flags: list[str]
    log_level: str
    name: str
    directory: Path
    # The Redis of the run, where its pools have been for a while.
    warm_redis: Callable[[], WarmRedis]
    # For tests that do something to Redis: an empty one that nobody else uses.
    own_redis: bool = False
    # For tests that start a gateway where another one is: that one's.
    on_redis: Redis | None = None
    # For tests that cut routers off from it: so many of them get there by a way of their own.
    relays: int = 0
    # What services ask each other for.
    link_token: str = field(default_factory=secrets.make)

    def config_file(self) -> list[str]:
        path = self.directory / f"{self.name}.json"
        path.write_text(json.dumps(self.config.document, indent=2))
        return ["--config", str(path)]

    def environment(self) -> dict[str, str]:
        """What every process gets, without keys."""
        # What is kept from one start to the next: not in the home of whoever runs this.
        state = str(self.directory / "state")
        fixed = {"WEIR_LOG_LEVEL": self.log_level, "XDG_STATE_HOME": state, "WEIR_LINKS": LINKS}
        return {**fixed, **self.env}

    def keys(self, provider: str | None = None) -> dict[str, str]:
        """The variables with keys, all or those that a provider refers to."""
        if provider is None:
            return self.config.env
        return self._referred(self.config.document["providers"][provider])

    def client_keys(self) -> dict[str, str]:
        """The variables with the keys of clients."""
        return self._referred(self.config.document.get("governance"))

    def _referred(self, section) -> dict[str, str]:
        named = re.findall(r"\benv\.(\w+)", json.dumps(section))
        return {name: self.config.env[name] for name in named if name in self.config.env}


def all_in_one_memory(order: Order) -> Gateway:
    """Edge, router and workers in one process, quotas in its memory."""
    return all_in_one(order, no_flags)


def all_in_one_redis(order: Order) -> Gateway:
    """Edge, router and workers in one process, quotas in Redis."""
    return with_redis(order, all_in_one)


def processes(order: Order) -> Gateway:
    """One edge, one router and one worker per provider, quotas in the router's memory."""
    return services(order, no_flags)


def processes_redis(order: Order) -> Gateway:
    """One edge, one router and one worker per provider, quotas in Redis."""
    return with_redis(order, services)


def cluster(order: Order) -> Gateway:
    """Three edges, three routers and two workers per provider, quotas in Redis."""
    return with_redis(order, lambda order, flags: services(order, flags, 3, 3, 2))


# The flags of a router, by its number.
RouterFlags = Callable[[int], list[str]]


def with_redis(order: Order, start: Callable[[Order, RouterFlags], Gateway]) -> Gateway:
    """Starts a gateway on a Redis, which gets to know it by a prefix of its own."""
    prefix = order.name.partition("-")[0]
    settings = order.config.document.setdefault("quota_store", {})
    settings["prefix"] = prefix
    if order.on_redis:
        redis = order.on_redis
    elif order.own_redis:
        redis = Redis(f"{order.name}-redis", order.directory)
    else:
        redis = order.warm_redis().lay_out(prefix, list(order.config.document["providers"]))
    relays = [Relay(redis.socket) for _ in range(order.relays)]
    ways = dict(enumerate(relay.url for relay in relays))
    try:
        gateway = start(order, lambda number: ["--redis", ways.get(number, redis.url)])
    except BaseException:
        if order.own_redis:
            redis.close()
        raise
    gateway.redis, gateway.owns_redis, gateway.prefix = redis, order.own_redis, prefix
    gateway.relays = relays
    return gateway


def no_flags(_number: int) -> list[str]:
    return []


def all_in_one(order: Order, router_flags: RouterFlags) -> Gateway:
    argv = [order.binary, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    argv += order.config_file() + order.flags + router_flags(0)
    env = {**order.keys(), **order.environment()}
    process = Process(order.name, argv, env, order.directory)
    try:
        service = Service.of(process)
        workers = {name: [service] for name in order.config.document["providers"]}
        gateway = Gateway([service], [service], workers)
        gateway.wait_ready()
    except BaseException:
        process.kill()
        raise
    return gateway


def services(
    order: Order, router_flags: RouterFlags, edges: int = 1, routers: int = 1, workers: int = 1
) -> Gateway:
    """Each worker has the keys of its own provider in its environment, each edge those of clients."""
    started: list[Process] = []
    file = order.config_file()

    def launch(room: str, number: int, *arguments: str, provider: str | None = None) -> Process:
        argv = [order.binary, room, *file]
        argv += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *arguments, *order.flags]
        keys = order.keys(provider) if provider else {}
        keys = order.client_keys() if room == "edge" else keys
        env = {"WEIR_LINK_TOKEN": order.link_token, **keys, **order.environment()}
        named = "-".join(part for part in (order.name, room, provider, str(number)) if part)
        started.append(Process(named, argv, env, order.directory))
        return started[-1]

    def ready(group: list[Process]) -> list[Service]:
        return [Service.of(process) for process in group]

    try:
        launched = {
            name: [launch("worker", n, "--provider", name, provider=name) for n in range(workers)]
            for name in order.config.document["providers"]
        }
        at_work = {name: ready(group) for name, group in launched.items()}
        places = [f"{name}={one.url}" for name, group in at_work.items() for one in group]
        flags = [word for place in places for word in ("--worker", place)]
        routing = ready([launch("router", n, *flags, *router_flags(n)) for n in range(routers)])
        flags = [word for router in routing for word in ("--router", router.url)]
        gateway = Gateway(
            ready([launch("edge", n, *flags) for n in range(edges)]), routing, at_work
        )
        gateway.link_token = order.link_token
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
    "cluster": cluster,
}
# What a run without `--topology` takes.
USUAL = ["all-in-one-memory"]
# Those in which a room is a process.
SERVICES = ("processes", "processes-redis", "cluster")
WITH_REDIS = ("all-in-one-redis", "processes-redis", "cluster")
