"""The page: what machine it was, one table of everything, and the figures that are owed."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess

from . import figures
from .loads import CHUNKS, FIGURES, MANY, UNPINNED, WIDER, Load
from .rounds import Table
from .systems import DIRECT, MEMORY, NGINX, REDIS, SERVICES

SYSTEMS = [DIRECT, NGINX, MEMORY, REDIS, SERVICES]
HEAD = [
    "system", "requests/s", "× nginx", "CPU µs/request", "× nginx", "of it Redis", "CPU µs/chunk",
    "× nginx", "p50 ms", "p99 ms", "added p50", "added p99", "first token added p50", "p99",
    "peak RSS MiB", "script calls/request", "requests/script call", "commands in scripts/request",
    "failed",
]


@dataclasses.dataclass
class Row:
    """Medians over the rounds."""

    rate: float
    cpu: float
    redis_cpu: float
    chunk: float
    p50: float
    p99: float
    first_p50: float
    first_p99: float
    rss: float
    scripts: float
    inside: float
    failed: int
    errors: str


def row(table: Table, pinned: bool, load: str, system: str) -> Row | None:
    samples = table.get((pinned, load, system))
    if not samples:
        return None

    def median(of) -> float:
        return statistics.median(of(sample) for sample in samples)

    return Row(
        rate=median(lambda s: s.requests / s.seconds),
        cpu=median(lambda s: s.cpu / s.requests),
        redis_cpu=median(lambda s: s.redis_cpu / s.requests),
        chunk=median(lambda s: s.cpu / s.requests / CHUNKS),
        p50=median(lambda s: s.p50),
        p99=median(lambda s: s.p99),
        first_p50=median(lambda s: s.first_p50),
        first_p99=median(lambda s: s.first_p99),
        rss=median(lambda s: s.rss),
        scripts=median(lambda s: s.redis.scripts / s.requests),
        inside=median(lambda s: s.redis.inside / s.requests),
        failed=sum(s.failed for s in samples),
        errors=", ".join(sorted({s.errors for s in samples} - {""})),
    )


def cells(table: Table, pinned: bool, load: Load, system: str) -> list[str] | None:
    mine = row(table, pinned, load.key, system)
    if mine is None:
        return None
    nginx = row(table, pinned, load.key, NGINX)
    direct = row(table, pinned, load.key, DIRECT)
    paced = bool(load.rate) or load.stream
    chunked = load.key == "stream"
    gateway = system != DIRECT

    def when(shown: bool, text: str) -> str:
        return text if shown else ""

    return [
        system,
        when(load.key != MANY.key, f"{mine.rate:,.0f}"),
        when(gateway and not paced, f"{mine.rate / nginx.rate:.2f}"),
        when(gateway and not chunked, f"{mine.cpu:.1f}"),
        when(gateway and not chunked, f"{mine.cpu / nginx.cpu:.2f}"),
        when(bool(mine.redis_cpu), f"{mine.redis_cpu:.1f}"),
        when(gateway and chunked, f"{mine.chunk:.1f}"),
        when(gateway and chunked, f"{mine.chunk / nginx.chunk:.2f}"),
        when(not load.stream, f"{mine.p50:.2f}"),
        when(not load.stream, f"{mine.p99:.2f}"),
        when(gateway and not load.stream, f"{mine.p50 - direct.p50:.2f}"),
        when(gateway and not load.stream, f"{mine.p99 - direct.p99:.2f}"),
        when(gateway and load.stream, f"{mine.first_p50 - direct.first_p50:.2f}"),
        when(gateway and load.stream, f"{mine.first_p99 - direct.first_p99:.2f}"),
        when(gateway, f"{mine.rss:.0f}"),
        when(bool(mine.scripts), f"{mine.scripts:.2f}"),
        when(bool(mine.scripts), f"{1 / mine.scripts if mine.scripts else 0:.1f}"),
        when(bool(mine.scripts), f"{mine.inside:.1f}"),
        f"{mine.failed}" + (f" ({mine.errors})" if mine.errors else ""),
    ]


def lines(table: Table, systems: list[str]) -> list[str]:
    out = ["| load | " + " | ".join(HEAD) + " |", "|" + "---|" * (len(HEAD) + 1)]
    for pinned, loads in [(True, [*FIGURES, *WIDER, MANY]), (False, UNPINNED)]:
        for load in loads:
            for system in systems:
                found = cells(table, pinned, load, system)
                if found:
                    where = "" if pinned else "unpinned: "
                    out.append(f"| {where}{load.title} | " + " | ".join(found) + " |")
    return out


def streams_held(table: Table) -> list[str]:
    """Whether the many streams were all open at once and all read to their end."""
    direct = table.get((True, MANY.key, DIRECT))
    if not direct:
        return []
    out = ["", "Streams open at once:", ""]
    for system in SYSTEMS:
        (sample,) = table[True, MANY.key, system]
        complete = sample.events == direct[0].events and sample.requests == MANY.total
        out.append(
            f"- {system}: {sample.most_open:,} at once, {sample.requests:,} of {MANY.total:,} "
            f"served, {sample.events:,} events ({'all' if complete else 'NOT all'}), "
            f"{sample.rss:.0f} MiB"
        )
    return out


def quiet(table: Table) -> str:
    """How busy the pinned core was, and with what else: a reader has to know."""
    own, foreign = [], []
    for (pinned, load, system), samples in table.items():
        if pinned and system != DIRECT and load == "closed-64":
            own += [sample.own_share for sample in samples]
            foreign += [sample.foreign_share for sample in samples]
    late = [s.late_p99 for (_, load, _), found in table.items() if load == "open-500"
            for s in found]
    return (
        f"In the closed loop the measured processes had {statistics.median(own):.0%} of their core "
        f"(least {min(own):.0%}); others on it took {statistics.median(foreign):.0%} (most "
        f"{max(foreign):.0%}). The open loop sent 99 % of its requests within "
        f"{statistics.median(late):.2f} ms of their time (worst sample {max(late):.2f} ms)."
    )


def first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return f"{command[0]} missing"
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else "?"


def facts(weir: pathlib.Path) -> list[str]:
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    redis = re.search(r"v=(\S+)", first_line("redis-server", "--version"))
    wrk = re.search(r"wrk (\S+)", first_line("wrk", "-v"))
    commit = first_line("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always",
                        "--dirty")
    return [
        f"- machine: {os.cpu_count()} cores, {cpu[1] if cpu else 'unknown'}, "
        f"Linux {platform.release()}",
        f"- {first_line(str(weir), '--version')} at {commit}; "
        f"{first_line('nginx', '-v').removeprefix('nginx version: ')}; "
        f"redis {redis[1] if redis else '?'}; wrk {wrk[1] if wrk else '?'}; "
        f"Python {platform.python_version()}",
    ]


def page(table: Table, weir: pathlib.Path, rounds: int, seconds: float, peers: list[str]) -> str:
    return "\n".join([
        f"# Measured on {datetime.date.today().isoformat()}", "",
        f"Medians of {rounds} interleaved round{'s' * (rounds > 1)}, each on fresh processes after "
        f"a warm-up; {seconds / 60:.1f} minutes in all. Answers 1 KiB. CPU is user + system time of "
        "all of a system's processes, Redis included. Pinned unless said otherwise: the system on "
        "one core, load generator and provider on the other.", "",
        *facts(weir), "", quiet(table), "",
        *lines(table, SYSTEMS), *streams_held(table), *peers, "",
        "## Figures", "", *figures.lines(table), "",
    ])
