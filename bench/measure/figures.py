"""What Weir owes, as ratios to nginx in the same run, and whether the run met it."""

import dataclasses
import statistics
import typing

from .loads import FIGURES, LONG, MANY, OPEN, STREAMS, TALK, TRANSLATIONS, TURNS, UNARY, Load
from .summary import Seen, Table, seen
from .systems import MEMORY, NGINX, REDIS, SERVICES

AT_MOST, AT_LEAST = "≤", "≥"


@dataclasses.dataclass
class Pair:
    """One system and nginx beside it, under the loads that the figures are about."""

    table: Table
    system: str

    def mine(self, load: Load) -> Seen:
        return seen(self.table, True, load.key, self.system)

    def nginx(self, load: Load) -> Seen:
        return seen(self.table, True, load.key, NGINX)

    def ratio(self, load: Load, name: str) -> list[float]:
        return self.mine(load).ratios(self.nginx(load), name)

    def p50(self) -> list[float]:
        return self.mine(OPEN).added(self.nginx(OPEN), "p50")

    def rss(self) -> list[float]:
        """The highest over the loads of the figures, which run before all others."""
        return [max(each) for each in zip(*(self.mine(load).all("rss") for load in FIGURES))]


@dataclasses.dataclass
class Figure:
    """`read` gives one value a round."""

    text: str
    unit: str
    sign: str
    read: typing.Callable[[Pair], list[float]]


CPU = Figure("CPU µs per request", "× nginx", AT_MOST, lambda p: p.ratio(UNARY, "cpu"))
TALK_CPU = Figure("CPU µs per request, 5 turns", "× nginx", AT_MOST, lambda p: p.ratio(TALK, "cpu"))
RATE = Figure("requests/s per core", "× nginx", AT_LEAST, lambda p: p.ratio(UNARY, "rate"))
CHUNK = Figure("CPU µs per stream chunk", "× nginx", AT_MOST, lambda p: p.ratio(STREAMS, "chunk"))
P50 = Figure("p50 at 500 requests/s, 60 ms upstream", "ms above nginx", AT_MOST, Pair.p50)
RSS = Figure("peak RSS, sum", "MiB", AT_MOST, Pair.rss)
REDIS_CPU = Figure(
    "Redis CPU per request", "µs", AT_MOST, lambda pair: pair.mine(UNARY).all("redis_cpu")
)
REDIS_SLOW = Figure(
    "Redis CPU per request at 500/s", "µs", AT_MOST, lambda pair: pair.mine(OPEN).all("redis_cpu")
)

OWED = {
    MEMORY: [(CPU, 1.6), (TALK_CPU, 1.4), (RATE, 0.65), (CHUNK, 1.05), (RSS, 64)],
    REDIS: [(CPU, 2.2), (RATE, 0.45), (CHUNK, 1.5), (P50, 0.7), (RSS, 80), (REDIS_CPU, 8),
            (REDIS_SLOW, 60)],
    SERVICES: [(CPU, 2.8), (RATE, 0.15), (CHUNK, 1.8), (P50, 2.5), (RSS, 150), (REDIS_CPU, 8),
               (REDIS_SLOW, 60)],
}


def verdict(figure: Figure, bound: float, values: list[float]) -> str:
    return told(f"{figure.text} | {figure.sign} {bound:g} {figure.unit}", figure.sign, bound, values)


def told(owed: str, sign: str, bound: float, values: list[float]) -> str:
    if not values:
        return f"{owed} | no answer | | **missed** |"
    value = statistics.median(values)
    met = value <= bound if sign == AT_MOST else value >= bound
    spread = f"{min(values):.2f} to {max(values):.2f}"
    return f"{owed} | {value:.2f} | {spread} | {'met' if met else '**missed**'} |"


# Prompts of 256 KiB: CPU in × nginx, and the peak of memory in MiB.
LONG_CPU, LONG_RSS = {MEMORY: 1.4, SERVICES: 3}, {SERVICES: 160}
# What a process may grow by for each open stream, in KiB, and until when its first token comes, in ms.
OPEN_STREAM = {MEMORY: {"serve": 32}, SERVICES: {"edge": 18, "router": 6, "worker": 20}}
FIRST_P99 = {SERVICES: 30}
# What a translated request may cost, by the same request that passes.
TRANSLATED = {UNARY: 1.6, STREAMS: 2, TURNS: 2.5}
HEAD = ["| system | figure | owed | median | least to most | |", "|---|---|---|---|---|---|"]


def beside_nginx(table: Table) -> list[str]:
    """Nothing where the loads were not all played."""
    if any(seen(table, True, load.key, NGINX) is None for load in FIGURES):
        return []
    out = []
    for system, owed in OWED.items():
        pair = Pair(table, system)
        for figure, bound in owed:
            out.append(f"| {system} | {verdict(figure, bound, figure.read(pair))}")
        if failed := sum(pair.mine(load).failed for load in FIGURES):
            out.append(f"| {system} | requests that failed | 0 | {failed} | | **missed** |")
    return out


def long_prompts(table: Table) -> list[str]:
    out = []
    nginx = seen(table, True, LONG.key, NGINX)
    for system, bound in LONG_CPU.items():
        mine = seen(table, True, LONG.key, system)
        if not mine or not nginx:
            continue
        text = f"CPU, {LONG.title} | {AT_MOST} {bound:g} × nginx"
        out.append(f"| {system} | {told(text, AT_MOST, bound, mine.ratios(nginx, 'cpu'))}")
        if most := LONG_RSS.get(system):
            text = f"peak RSS, {LONG.title} | {AT_MOST} {most:g} MiB"
            out.append(f"| {system} | {told(text, AT_MOST, most, mine.all('rss'))}")
    return out


def many_streams(table: Table) -> list[str]:
    """Of streams that were not all open at once, nothing is told."""
    out = []
    for system, bounds in OPEN_STREAM.items():
        samples = table.get((True, MANY.key, system), [])
        if not samples:
            continue
        held = [sample for sample in samples if sample.most_open == MANY.total]
        for room, bound in bounds.items():
            text = f"KiB per open stream, {room} | {AT_MOST} {bound:g}"
            each = [sample.grown[room] / MANY.total for sample in held]
            out.append(f"| {system} | {told(text, AT_MOST, bound, each)}")
        if bound := FIRST_P99.get(system):
            text = f"first token p99 while {MANY.total:,} streams open | {AT_MOST} {bound:g} ms"
            firsts = [sample.first_p99 for sample in held]
            out.append(f"| {system} | {told(text, AT_MOST, bound, firsts)}")
    return out


def translated(table: Table) -> list[str]:
    out = []
    for load, bound in TRANSLATED.items():
        passed = seen(table, True, load.key, MEMORY)
        found = seen(table, True, TRANSLATIONS[load].key, MEMORY)
        if passed and found:
            text = f"CPU, translated: {load.title} | {AT_MOST} {bound:g} × passed"
            out.append(f"| {MEMORY} | {told(text, AT_MOST, bound, found.ratios(passed, 'cpu'))}")
    return out


def lines(table: Table) -> list[str]:
    """Of what was played."""
    rows = [
        *beside_nginx(table), *long_prompts(table), *many_streams(table), *translated(table)
    ]
    return [*HEAD, *rows] if rows else []
