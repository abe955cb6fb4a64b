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
from .loads import FIGURES, MANY, UNARY, UNPINNED, WIDER, Load
from .peers import LITELLM
from .peers import LOADS as PEER_LOADS
from .summary import Seen, Table, seen
from .systems import BESIDE, DIRECT, MEMORY, NGINX, REDIS, SERVICES

SYSTEMS = [DIRECT, NGINX, *(one for name in (MEMORY, REDIS, SERVICES) for one in (name, BESIDE[name]))]
COLUMNS = [
    "load", "system", "requests/s", "cores used", "CPU µs/request", "of it Redis", "CPU µs/chunk",
    "p50 / p99 ms", "added p50 / p99", "first token p50 / p99", "added p50 / p99", "peak RSS MiB",
    "Redis script calls/request", "requests/script call", "commands in scripts/request", "failed",
]


def ratio(mine: Seen, base: Seen | None, name: str) -> str:
    found = mine.ratios(base, name) if base else []
    return f" ({statistics.median(found):.2f})" if found else ""


def added(mine: Seen, base: Seen | None, p50: str, p99: str) -> str:
    if base is None or not base.answered:
        return ""
    return " / ".join(f"{statistics.median(mine.added(base, name)):.2f}" for name in (p50, p99))


def cells(load: Load, mine: Seen, nginx: Seen | None, direct: Seen | None) -> list[str]:
    row = mine.median
    gateway = mine is not direct
    paced = bool(load.rate) or load.stream
    rate_ratio = ratio(mine, nginx, "rate") if gateway and not paced else ""
    asks = bool(row.scripts)
    shown = [
        (load.key != MANY.key, f"{row.rate:,.0f}{rate_ratio}"),
        (gateway, f"{row.core:.2f}"),
        (gateway, f"{row.cpu:.1f}{ratio(mine, nginx, 'cpu')}"),
        (asks, f"{row.redis_cpu:.1f}"),
        (gateway and load.per_chunk, f"{row.chunk:.1f}{ratio(mine, nginx, 'chunk')}"),
        (not load.stream, f"{row.p50:.2f} / {row.p99:.2f}"),
        (gateway and not load.stream, added(mine, direct, "p50", "p99")),
        (load.stream, f"{row.first_p50:.2f} / {row.first_p99:.2f}"),
        (gateway and load.stream, added(mine, direct, "first_p50", "first_p99")),
        (gateway, f"{row.rss:.0f}"),
        (asks, f"{row.scripts:.2f}"),
        (asks, f"{1 / row.scripts if asks else 0:.1f}"),
        (asks, f"{row.inside:.1f}"),
    ]
    measured = [text if wanted and mine.answered else "" for wanted, text in shown]
    return [*measured, f"{mine.failed}" + (f" ({mine.errors})" if mine.errors else "")]


def head() -> list[str]:
    return ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]


def lines(table: Table, systems: list[str], loads: list[tuple[bool, Load]]) -> list[str]:
    out = []
    for pinned, load in loads:
        found = {system: seen(table, pinned, load.key, system) for system in systems}
        for system, mine in found.items():
            if mine is not None:
                title = load.title if pinned else f"unpinned: {load.title}"
                line = [title, system, *cells(load, mine, found[NGINX], found[DIRECT])]
                out.append("| " + " | ".join(line) + " |")
    return out


def everything() -> list[tuple[bool, Load]]:
    pinned = [(True, load) for load in [*FIGURES, *WIDER, MANY]]
    return pinned + [(False, load) for load in UNPINNED]


def peer_lines(peers: tuple[Table, str] | None) -> list[str]:
    systems = [DIRECT, NGINX, LITELLM]
    return lines(peers[0], systems, [(True, load) for load in PEER_LOADS]) if peers else []


def streams_held(table: Table) -> list[str]:
    """Whether the many streams were all open at once and all read to their end."""
    direct = table.get((True, MANY.key, DIRECT))
    if not direct:
        return []
    out = ["", f"{MANY.title}:", ""]
    for system in SYSTEMS:
        if (True, MANY.key, system) not in table:
            continue
        (sample,) = table[True, MANY.key, system]
        complete = sample.events == direct[0].events and sample.requests == MANY.total
        out.append(
            f"- {system}: {sample.most_open:,} at once, {sample.requests:,} of {MANY.total:,} "
            f"served, {sample.events:,} events ({'all' if complete else '**not all**'})"
            + (f", {sample.rss:.0f} MiB" if system != DIRECT else "")
        )
    return out


def quiet(table: Table) -> list[str]:
    """How busy the pinned core was, and with what else: a reader has to know."""
    own, foreign, late = [], [], []
    for (pinned, load, system), samples in table.items():
        if pinned and system != DIRECT and load == UNARY.key:
            own += [sample.own_share for sample in samples]
            foreign += [sample.foreign_share for sample in samples]
        if load == "open-500":
            late += [sample.late_p99 for sample in samples]
    if not own or not late:
        return []
    text = (
        f"In the closed loop the measured processes had {statistics.median(own):.0%} of their core "
        f"(least {min(own):.0%}); others on it took {statistics.median(foreign):.0%} (most "
        f"{max(foreign):.0%}). The open loop sent 99 % of its requests within "
        f"{statistics.median(late):.2f} ms of their time (worst sample {max(late):.2f} ms)."
    )
    return [text, ""]


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
    here = str(pathlib.Path(__file__).parent)
    commit = first_line("git", "-C", here, "rev-parse", "--short", "HEAD")
    return [
        f"- machine: {os.cpu_count()} cores, {cpu[1] if cpu else 'unknown'}, "
        f"Linux {platform.release()}",
        f"- {first_line(str(weir), '--version')} (bench at commit {commit}); "
        f"{first_line('nginx', '-v').removeprefix('nginx version: ')}; "
        f"redis {redis[1] if redis else '?'}; wrk {wrk[1] if wrk else '?'}; "
        f"Python {platform.python_version()}",
    ]


@dataclasses.dataclass
class Run:
    """How the samples were taken."""

    weir: pathlib.Path
    rounds: int
    seconds: float
    first_in_line: bool


def page(run: Run, table: Table, peers: tuple[Table, str] | None) -> str:
    times = f"{run.rounds} interleaved rounds" if run.rounds > 1 else "One round"
    priority = "before the machine's other work" if run.first_in_line else "at usual priority"
    return "\n".join([
        f"# Measured on {datetime.date.today().isoformat()}", "",
        f"{times}, each on fresh processes after a warm-up; medians; "
        f"{run.seconds / 60:.1f} minutes in all, {priority}. Answers 1 KiB. CPU is user + system "
        "time of all of a system's processes, Redis included. The system on one core, load "
        "generator and provider on the other, unless it says unpinned. In brackets: × nginx, the "
        "median of the rounds' ratios.",
        "", *facts(run.weir), *([f"- {peers[1]}"] if peers else []), "", *quiet(table),
        *head(), *lines(table, SYSTEMS, everything()), *peer_lines(peers),
        *streams_held(table), "",
        *(["## Figures", "", *owed, ""] if (owed := figures.lines(table)) else []),
    ])
