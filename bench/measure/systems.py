"""The systems in the table: how each is started in front of the simulated provider.

Pinned, every process of a system (its Redis too) has core 0, load generator and provider core 1,
and Weir's processes one thread each. Unpinned, each is started as its manual says.
"""

import dataclasses
import http.client
import json
import os
import pathlib
import subprocess
import time

from .processes import Processes, free_port, tree
from .redis import Redis

SYSTEM_CORE, LOAD_CORE = 0, 1
# More than the most streams that are ever open, so that limits are counted but never hold.
CONCURRENCY = 6000
# What the simulated provider streams unless the model's name says otherwise.
CHUNKS, INTERVAL_MS = 50, 5
START_SECONDS = 60
# The provider's, and what every load shows as its client's.
SECRETS = {"BENCH_KEY": "bench", "BENCH_CLIENT": "sk-weir-bench-client"}


@dataclasses.dataclass
class System:
    """Processes that answer on `port`."""

    name: str
    port: int
    roots: list[int]
    redis: Redis | None = None
    # Weir's processes by what they are.
    rooms: dict[str, int] = dataclasses.field(default_factory=dict)
    # So slow that what runs when wrk breaks off would be a good part of its work.
    slow: bool = False

    def pids(self) -> list[int]:
        return [pid for root in self.roots for pid in tree(root)]


NGINX = "nginx"
MEMORY = "weir, all in one, memory"
REDIS = "weir, all in one, Redis"
SERVICES = "weir, edge + router + worker, Redis"
DIRECT = "direct"
# What is measured in the same run, next to the first: the same shapes in the same order.
BESIDE = {name: f"{name}: beside" for name in (MEMORY, REDIS, SERVICES)}


@dataclasses.dataclass(frozen=True)
class Beside:
    """What stands beside the first: another build, or the same with more asked of it."""

    weir: pathlib.Path
    # Clients must show a key, and services a link token.
    signed_in: bool = False


class Stage:
    """Simulated provider and systems of one life, on cores of their own or not."""

    def __init__(
        self, processes: Processes, weir: pathlib.Path, pinned: bool,
        beside: Beside | None = None, body_mib: int = 100,
    ) -> None:
        self.body_mib = body_mib
        self.processes = processes
        self.weir = weir
        self.beside = beside
        self.signed_in = False
        self.pinned = pinned
        self.system_core = SYSTEM_CORE if pinned else None
        self.load_core = LOAD_CORE if pinned else None
        port = free_port()
        self.sim = processes.start(
            self.load_core, weir, "sim", "--listen", f"127.0.0.1:{port}", "--log-requests", 0,
            "--max-body-mib", body_mib, "--answer-bytes", 1024,
            "--chunks", CHUNKS, "--chunk-interval-ms", INTERVAL_MS, *self._threads(),
        )
        self.direct = System(DIRECT, port, [])
        self._config = processes.folder / "weir.json"
        key = {"name": "bench", "value": "env.BENCH_KEY", "models": ["*"], "weight": 1}
        providers = {"openai": {
            "keys": [{**key, "use_for_batch_api": True}],
            "network_config": {"base_url": f"http://127.0.0.1:{port}"},
            "concurrency_and_buffer_size": {
                "concurrency": CONCURRENCY, "buffer_size": CONCURRENCY,
            },
        }}
        settings = {"max_request_body_size_mb": body_mib}
        self._config.write_text(json.dumps({"client": settings, "providers": providers}))
        access = {"provider": "openai", "allowed_models": ["*"], "key_ids": ["*"]}
        client = {"name": "bench", "value": "env.BENCH_CLIENT", "provider_configs": [access]}
        self._keyed_config = processes.folder / "weir-keyed.json"
        self._keyed_config.write_text(json.dumps({
            "providers": providers, "governance": {"virtual_keys": [client]},
            "client": {**settings, "enforce_auth_on_inference": True},
        }))
        self._token = processes.folder / "link-token"

    def _under(self, _room: str) -> list[object]:
        """What a process of Weir is started by."""
        return []

    def _threads(self) -> list[object]:
        return ["--threads", 1] if self.pinned else []

    def all(self) -> list[System]:
        """Starts all of Weir's shapes and nginx at once: an empty Redis has its grace to wait."""
        systems = [
            self.nginx(),
            self.all_in_one(MEMORY, None),
            self.all_in_one(REDIS, Redis(self.processes, self.system_core, "one")),
            self.services(Redis(self.processes, self.system_core, "services")),
        ]
        if self.beside:
            ours, self.weir = self.weir, self.beside.weir
            self.signed_in = self.beside.signed_in
            if self.signed_in:
                subprocess.run(
                    [self.weir, "token", "--out", self._token],
                    check=True, stdout=subprocess.DEVNULL,
                )
            others = [
                self.all_in_one(MEMORY, None),
                self.all_in_one(REDIS, Redis(self.processes, self.system_core, "one-beside")),
                self.services(Redis(self.processes, self.system_core, "services-beside")),
            ]
            self.weir, self.signed_in = ours, False
            for system in others:
                system.name = BESIDE[system.name]
            # Next to each other, so that what is compared is measured seconds apart.
            systems[1:] = [one for pair in zip(systems[1:], others) for one in pair]
        for system in [self.direct, *systems]:
            self.wait_for(system)
        return systems

    def wait_for(self, system: System, seconds: float = START_SECONDS) -> None:
        """Until it answers a request as it should."""
        body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]})
        headers = {"content-type": "application/json", "authorization": "Bearer sk-weir-bench-client"}
        deadline = time.monotonic() + seconds
        while True:
            self.processes.check_alive()
            seen: object
            try:
                link = http.client.HTTPConnection("127.0.0.1", system.port, timeout=20)
                link.request("POST", "/v1/chat/completions", body, headers)
                answer = link.getresponse()
                seen = answer.status, answer.read()[:300]
                if answer.status == 200:
                    return
            except OSError as error:
                seen = error
            finally:
                link.close()
            if time.monotonic() > deadline:
                raise SystemExit(f"{system.name} does not answer: {seen}")
            time.sleep(0.1)

    def nginx(self) -> System:
        port = free_port()
        folder = self.processes.folder / "nginx"
        folder.mkdir()
        config = folder / "nginx.conf"
        workers = 1 if self.pinned else os.cpu_count()
        # The user is named for a start by root: temporary files would be another's otherwise.
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(
            f"""
            {user} worker_processes {workers}; daemon off; pid {folder}/pid;
            error_log {folder}/error.log; worker_rlimit_nofile 20000;
            events {{ worker_connections 16384; }}
            http {{
              access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
              fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
              keepalive_requests 1000000000;
              upstream sim {{ server 127.0.0.1:{self.direct.port}; keepalive 1024;
                              keepalive_requests 1000000000; }}
              server {{
                listen 127.0.0.1:{port} backlog=4096;
                location / {{
                  proxy_pass http://sim; proxy_http_version 1.1;
                  proxy_set_header Connection ""; proxy_buffering off;
                  client_body_buffer_size 1m; client_max_body_size {self.body_mib}m;
                  proxy_request_buffering {"off" if self.body_mib > 100 else "on"};
                }}
              }}
            }}
            """
        )
        command = ["nginx", "-c", config, "-p", folder, "-e", f"{folder}/error.log"]
        return System(NGINX, port, [self.processes.start(self.system_core, *command).pid])

    def room(self, room: str, *flags: object, env: dict[str, str] | None = None) -> tuple[int, int]:
        """Port and process id of one `weir` process."""
        port, admin = free_port(), free_port()
        config = self._keyed_config if self.signed_in else self._config
        process = self.processes.start(
            self.system_core, *self._under(room), self.weir, room, "--config", config,
            "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}",
            "--log-level", "warn", *self._threads(), *flags, env=env,
        )
        return port, process.pid

    def all_in_one(self, name: str, redis: Redis | None) -> System:
        flags = ["--redis", redis.url] if redis else []
        port, pid = self.room("serve", *flags, env=SECRETS)
        return System(name, port, [pid, *([redis.pid] if redis else [])], redis, {"serve": pid})

    def services(self, redis: Redis) -> System:
        link = ["--link-token-file", self._token] if self.signed_in else []
        worker_port, worker = self.room("worker", "--provider", "openai", *link, env=SECRETS)
        url = f"openai=http://127.0.0.1:{worker_port}"
        router_port, router = self.room("router", "--worker", url, "--redis", redis.url, *link)
        url = f"http://127.0.0.1:{router_port}"
        port, edge = self.room("edge", "--router", url, *link, env=SECRETS)
        rooms = {"edge": edge, "router": router, "worker": worker}
        return System(SERVICES, port, [*rooms.values(), redis.pid], redis, rooms)
