"""One compose project on the engine at hand: what compose does to it, and what its containers say.

Containers are found by compose's own labels, so that both generations of compose are alike, and
talked to by `docker exec`, so that nothing has to be published and the engine may be elsewhere.
"""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = ("demo", "observability")
# Services that end when they have done what others wait for.
PREPARING = {"link-token", "redis-password"}
ADMIN_PORT = 9100
SIM_PORT = 8090


def compose_command() -> list[str]:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return ["docker", "compose"]


def run(argv: list[str], seconds: float, env=None, check: bool = True) -> str:
    """What a command wrote to its standard output; a failure shows all it wrote."""
    done = subprocess.run(
        argv, cwd=REPOSITORY, env=env, timeout=seconds, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise AssertionError(f"{' '.join(argv)}: exit code {done.returncode}\n{said}")
    return done.stdout


def wait_until(what: str, holds, seconds: float):
    """Asks until `holds()` gives something true; what it asks takes the time between two turns."""
    deadline = time.monotonic() + seconds
    while True:
        result = holds()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {seconds} s: {what}")
        time.sleep(0.05)


def free_ports(count: int, seed: int) -> range:
    """A run of neighbouring loopback ports that nobody listens on."""
    draw = random.Random(seed)
    for _ in range(200):
        first = draw.randrange(20_000, 32_000)
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.create_server(("127.0.0.1", port)))
            return range(first, first + count)
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no free ports")


class Page:
    """A page of /metrics."""

    SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)", re.M)

    def __init__(self, text: str):
        assert text.rstrip().endswith("# EOF"), text[-200:]
        self.text = text
        self.names = set()
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
            ends = {"counter": ["_total"], "info": ["_info"]}
            ends["histogram"] = ["", "_bucket", "_count", "_sum"]
            self.names |= {name + end for end in ends.get(kind, [""])}

    def total(self, metric: str, **labels: str) -> float:
        """The sum of the series that carry these labels."""
        wanted = [f'{name}="{value}"' for name, value in labels.items()]
        found = (match.groups() for match in self.SERIES.finditer(self.text))
        return sum(
            float(value) for name, has, value in found
            if name == metric and all(label in (has or "").split(",") for label in wanted)
        )


@dataclass(frozen=True)
class Container:
    id: str
    service: str
    name: str

    def inspect(self) -> dict:
        return json.loads(run(["docker", "inspect", self.id], 60))[0]

    def exec(self, script: str, seconds: float = 30, check: bool = True) -> str:
        return run(["docker", "exec", self.id, "bash", "-c", script], seconds, check=check)

    def ask(self, path: str, port: int = ADMIN_PORT, method: str = "GET") -> str:
        """The body of an answer of the process in it."""
        request = f"{method} {path} HTTP/1.0\\r\\ncontent-length: 0\\r\\n\\r\\n"
        answer = self.exec(f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&3; cat <&3")
        # `text=True` has made plain newlines of the head's.
        head, _, body = answer.partition("\n\n")
        assert " 200 " in head.split("\n")[0], f"{self.name} {path}: {head}"
        return body

    def page(self) -> Page:
        return Page(self.ask("/metrics"))

    def reaches(self, host: str, port: int) -> bool:
        """Whether somebody answers there."""
        knock = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null && echo open"
        return "open" in self.exec(knock, check=False)

    def kill(self) -> None:
        run(["docker", "kill", self.id], 30)

    def address(self) -> tuple[str, int]:
        """Where an edge is published."""
        host, _, port = run(["docker", "port", self.id, "8080"], 30).split()[-1].rpartition(":")
        return host, int(port)


class Stack:
    """A compose project of its own, with nothing of the caller's environment in it."""

    def __init__(self, name: str, image: str, ports: range, env: dict[str, str]):
        self.name = name
        self.image = image
        kept = {
            key: value for key, value in os.environ.items()
            if not key.startswith(("WEIR_", "OTEL_", "COMPOSE_")) and not key.endswith("_API_KEY")
        }
        self.env = {
            **kept,
            "COMPOSE_PROJECT_NAME": name,
            "WEIR_IMAGE": image,
            "WEIR_BUILD_PROFILE": "ci",
            "WEIR_EDGE_PORTS": f"127.0.0.1:{ports[0]}-{ports[-1]}",
            **env,
        }

    def compose(self, *arguments: str, seconds: float = 120, check: bool = True) -> str:
        return run([*compose_command(), *arguments], seconds, self.env, check)

    def build(self) -> None:
        self.compose("build", "edge", seconds=900)

    def up(self, scale: dict[str, int] | None = None) -> None:
        scaled = [f"--scale={service}={count}" for service, count in (scale or {}).items()]
        self.compose("--profile", "demo", "up", "-d", "--no-build", *scaled, seconds=180)

    def configure(self, section: dict) -> None:
        """Has the next `up` give every service the sample with `section` beside what it says."""
        sample = json.loads((REPOSITORY / "deploy" / "config.sample.json").read_text())
        file = REPOSITORY / "target" / "compose" / f"{self.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**sample, **section}))
        file.chmod(0o644)
        self.env["WEIR_CONFIG_FILE"] = str(file)

    def down(self) -> None:
        profiles = [word for profile in PROFILES for word in ("--profile", profile)]
        self.compose(*profiles, "down", "-v", "--remove-orphans", "-t", "5", check=False)

    def containers(self, *services: str, every: bool = False) -> list[Container]:
        """Those that run; `every`: those that do not, too."""
        label = "com.docker.compose"
        listed = run([
            "docker", "ps", *(["-a"] if every else []), "--no-trunc",
            "--filter", f"label={label}.project={self.name}",
            "--format", '{{.ID}} {{.Label "' + label + '.service"}} {{.Names}}',
        ], 30)
        found = [Container(*line.split()) for line in listed.splitlines()]
        found = [one for one in found if not services or one.service in services]
        return sorted(found, key=lambda one: one.name)

    def healthy(self) -> bool:
        """Whether every container runs and passes its health check; what only prepares has ended."""
        ones = self.containers(every=True)
        ids = [one.id for one in ones if one.service not in PREPARING]
        said = run(["docker", "inspect", "-f", "{{.State.Health.Status}}", *ids], 60)
        return bool(ids) and set(said.split()) == {"healthy"}

    def wait_healthy(self) -> None:
        wait_until("every container is healthy", self.healthy, 60)

    @contextmanager
    def beside(self, network: str):
        """A container of the same image that is on that network alone."""
        name = f"{self.name}-beside"
        image = ["--entrypoint", "sleep", self.image, "600"]
        run(["docker", "run", "-d", "--rm", "--name", name, "--network", f"{self.name}_{network}",
             *image], 60)  # fmt: skip
        try:
            yield Container(name, name, name)
        finally:
            run(["docker", "rm", "-f", name], 60, check=False)

    def pages(self, *services: str) -> dict[Container, Page]:
        """The metrics of all replicas, asked at once."""
        ones = self.containers(*services)
        with ThreadPoolExecutor(len(ones)) as pool:
            return dict(zip(ones, pool.map(Container.page, ones)))

    def sim(self, path: str, method: str = "GET") -> dict:
        (sim,) = self.containers("sim")
        return json.loads(sim.ask(path, SIM_PORT, method))

    def edges(self) -> list[tuple[str, int]]:
        return [edge.address() for edge in self.containers("edge")]
