"""The loads, and one sample: a load put on a system, and what it cost that system.

Closed loops come from wrk; arrivals at a fixed rate and streams from `generator.py`. Every kind of
request is a body of its own; the simulated provider takes its orders from the model's name, else
from its flags (in `systems.py`).
"""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import time

from .processes import core_busy_us, cpu_us, forget_peak, peak_rss_mib, rss_kib
from .redis import Counters
from .systems import CHUNKS, INTERVAL_MS, SYSTEM_CORE, Stage, System

KIB = 1024
PLAIN = "gpt-4o-mini"
PROSE = 'The lake rises – said the keeper – "by a hand a day".\nWe wait, and count the days until spring.\n'
GENERATOR = pathlib.Path(__file__).with_name("generator.py")


@dataclasses.dataclass(frozen=True)
class Load:
    """`connections` in a closed loop, or `rate` per second; `seconds` of it."""

    key: str
    title: str
    model: str = PLAIN
    body: int = KIB
    connections: int = 0
    rate: float = 0
    total: int = 0
    seconds: float = 2
    stream: bool = False
    per_chunk: bool = False
    # The request's text comes in so many turns, as prose with quotes and line breaks if more than one.
    turns: int = 1
    # An Anthropic client: to the provider, who speaks OpenAI's format, Weir translates.
    translated: bool = False

    @property
    def path(self) -> str:
        return "/anthropic/v1/messages" if self.translated else "/v1/chat/completions"

    def lasting(self, seconds: float) -> "Load":
        return dataclasses.replace(self, seconds=seconds)


UNARY = Load("closed-64", "closed loop, 64 connections, 1 KiB", connections=64)
STREAMS = Load("stream", f"64 streams at a time, {CHUNKS} chunks, one every {INTERVAL_MS} ms",
               connections=64, seconds=2.5, stream=True, per_chunk=True)
OPEN = Load("open-500", "open loop, 500 requests/s, upstream takes 60 ms", "sim:latency=60",
            rate=500, seconds=3)
# As applications send it: a few turns of prose.
TALK = Load("talk-64", "closed loop, 64 connections, 1 KiB in 5 turns", connections=64, turns=5)
FIGURES = [UNARY, TALK, STREAMS, OPEN]
LONG = Load("body-256", "closed loop, 64 connections, 256 KiB", connections=64, body=256 * KIB)
WIDER = [
    Load("closed-256", "closed loop, 256 connections, 1 KiB", connections=256),
    Load("body-16", "closed loop, 64 connections, 16 KiB", connections=64, body=16 * KIB),
    LONG,
    Load("first-token", "open loop, 100 streams/s, first token after 60 ms",
         "sim:latency=60,chunks=5,interval=5", rate=100, seconds=3, stream=True),
]
TURNS = Load("turns-256", "closed loop, 16 connections, 256 KiB in 39 turns", connections=16,
             body=256 * KIB, turns=39)
# The same request by an OpenAI client and by an Anthropic client: what a translation costs.
TRANSLATIONS = {
    UNARY: dataclasses.replace(
        UNARY, key="translated-64", title=f"translated: {UNARY.title}", translated=True),
    STREAMS: dataclasses.replace(
        STREAMS, key="translated-stream", title=f"translated: {STREAMS.title}", translated=True),
    TURNS: dataclasses.replace(
        TURNS, key="translated-256", title=f"translated: {TURNS.title}", translated=True),
}
WIDER += [TURNS, *TRANSLATIONS.values()]
UNPINNED = [UNARY, WIDER[0], STREAMS, OPEN]
# At such a rate, that the last opens before the first ends.
MANY = Load("many", "5,000 streams open at once, begun at 800/s, 6 chunks, one every 2 s",
            "sim:chunks=6,interval=2000", rate=800, total=5000, stream=True)


@dataclasses.dataclass
class Sample:
    """One load on one system. Times in ms, CPU in µs of all of the system's processes."""

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float
    first_p50: float = 0
    first_p99: float = 0
    events: int = 0
    most_open: int = 0
    late_p99: float = 0
    errors: str = ""
    cpu: float = 0
    redis_cpu: float = 0
    rss: float = 0
    # By how much each of Weir's processes grew under it, in KiB.
    grown: dict[str, int] = dataclasses.field(default_factory=dict)
    own_share: float = 0
    foreign_share: float = 0
    redis: Counters = dataclasses.field(default_factory=Counters)


def body(load: Load) -> str:
    """A chat request of about so many bytes."""
    roles = ["user", "assistant"] * load.turns
    messages = [{"role": role, "content": ""} for role in roles[:load.turns]]
    request: dict = {"model": load.model, "messages": messages}
    if load.stream:
        request["stream"] = True
    if load.translated:
        request["max_tokens"] = 100
    filler = PROSE if load.turns > 1 else "x"
    room = max(1, (load.body - len(json.dumps(request))) // load.turns)
    for message in messages:
        message["content"] = (filler * (room // len(filler) + 1))[:room]
    return json.dumps(request, ensure_ascii=False)


def take(stage: Stage, system: System, load: Load) -> Sample:
    """Runs the load and reads the system's clocks around it."""
    pids = system.pids()
    redis = [system.redis.pid] if system.redis else []
    counted = system.redis.counters() if system.redis else Counters()
    forget_peak(pids)
    before = {room: rss_kib(pid)[0] for room, pid in system.rooms.items()}
    started, busy = time.monotonic(), core_busy_us(SYSTEM_CORE)
    cpu, redis_cpu = cpu_us(pids), cpu_us(redis)
    by_wrk = load.connections and not load.stream and not system.slow
    run = wrk if by_wrk else generate
    sample = run(stage, system, load)
    sample.cpu, sample.redis_cpu = cpu_us(pids) - cpu, cpu_us(redis) - redis_cpu
    wall = (time.monotonic() - started) * 1e6
    sample.own_share = sample.cpu / wall
    sample.foreign_share = max(0, (core_busy_us(SYSTEM_CORE) - busy) / wall - sample.own_share)
    sample.rss = peak_rss_mib(pids)
    sample.grown = {room: rss_kib(system.rooms[room])[1] - kib for room, kib in before.items()}
    if system.redis:
        sample.redis = system.redis.counters() - counted
    stage.processes.check_alive()
    settle(system)
    return sample


def settle(system: System) -> None:
    """Waits until the system rests: what a load left behind is not to fall on the next one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        before = cpu_us(pids := system.pids())
        time.sleep(0.1)
        if cpu_us(pids) - before < 10_000:
            return


def pin(stage: Stage) -> list[str]:
    return ["taskset", "-c", str(stage.load_core)] if stage.pinned else []


def wrk(stage: Stage, system: System, load: Load) -> Sample:
    script = stage.processes.folder / f"{load.key}.lua"
    script.write_text(
        f"""
        wrk.method = "POST"
        wrk.body = [[{body(load)}]]
        wrk.headers["content-type"] = "application/json"
        wrk.headers["authorization"] = "Bearer sk-weir-bench-client"
        function done(summary, latency, requests)
          local e = summary.errors
          io.write(string.format("RESULT %d %d %d %d %d %d %d %d\\n", summary.requests,
            summary.duration, latency:percentile(50), latency:percentile(99), e.status,
            e.connect, e.read + e.write, e.timeout))
        end
        """
    )
    command = [
        *pin(stage), "wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds:.0f}s",
        "--timeout", "20s", "-s", str(script),
        f"http://127.0.0.1:{system.port}{load.path}",
    ]
    limit = load.seconds + 60
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    line = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    if line is None:
        raise SystemExit(f"no result from wrk:\n{done.stdout}{done.stderr}")
    requests, micros, p50, p99, *errors = map(int, line[1].split())
    named = dict(zip(["status", "connect", "read or write", "timeout"], errors))
    why = ", ".join(f"{count} {name}" for name, count in named.items() if count)
    status = errors[0]
    return Sample(
        requests - status, sum(errors), micros / 1e6, p50 / 1e3, p99 / 1e3, errors=why
    )


def generate(stage: Stage, system: System, load: Load) -> Sample:
    order: dict = {"port": system.port, "path": load.path, "body": body(load)}
    if load.connections:
        order |= {"clients": load.connections, "seconds": load.seconds}
    else:
        order |= {"rate": load.rate, "total": load.total or int(load.rate * load.seconds)}
    command = [*pin(stage), sys.executable, "-S", str(GENERATOR), json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
    seen = json.loads(done.stdout)
    return Sample(
        seen["requests"], seen["failed"], seen["seconds"], seen["p50_ms"], seen["p99_ms"],
        seen["first_p50_ms"], seen["first_p99_ms"], seen["events"], seen["most_open"],
        seen["late_p99_ms"], ", ".join(f"{n} {why}" for why, n in seen["errors"].items()),
    )
