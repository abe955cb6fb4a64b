"""What Weir owes, as ratios to nginx in the same run, and whether the run met it."""

import dataclasses
import typing

from . import report
from .loads import FIGURES, OPEN, STREAMS, UNARY
from .rounds import Table
from .systems import MEMORY, NGINX, REDIS, SERVICES

AT_MOST, AT_LEAST = "≤", "≥"


@dataclasses.dataclass
class Seen:
    """The loads that the figures are about, of one system."""

    table: Table
    system: str

    def row(self, load) -> "report.Row":
        return report.row(self.table, True, load.key, self.system)

    def nginx(self, load) -> "report.Row":
        return report.row(self.table, True, load.key, NGINX)

    def cpu(self) -> float:
        return self.row(UNARY).cpu / self.nginx(UNARY).cpu

    def rate(self) -> float:
        return self.row(UNARY).rate / self.nginx(UNARY).rate

    def chunk(self) -> float:
        return self.row(STREAMS).chunk / self.nginx(STREAMS).chunk

    def p50(self) -> float:
        return self.row(OPEN).p50 - self.nginx(OPEN).p50

    def rss(self) -> float:
        """The highest over the loads of the figures, which run before all others."""
        return max(self.row(load).rss for load in FIGURES)

    def redis_cpu(self) -> float:
        return self.row(UNARY).redis_cpu

    def failed(self) -> int:
        return sum(self.row(load).failed for load in FIGURES)


@dataclasses.dataclass
class Figure:
    text: str
    unit: str
    sign: str
    read: typing.Callable[[Seen], float]


CPU = Figure("CPU µs per request", "× nginx", AT_MOST, Seen.cpu)
RATE = Figure("requests per second per core", "× nginx", AT_LEAST, Seen.rate)
CHUNK = Figure("CPU µs per stream chunk", "× nginx", AT_MOST, Seen.chunk)
P50 = Figure("p50 at 500 requests/s, 60 ms upstream", "ms above nginx", AT_MOST, Seen.p50)
RSS = Figure("peak RSS, sum", "MiB", AT_MOST, Seen.rss)
REDIS_CPU = Figure("Redis CPU per request", "µs", AT_MOST, Seen.redis_cpu)

OWED = {
    MEMORY: [(CPU, 1.6), (RATE, 0.65), (CHUNK, 1.4), (RSS, 64)],
    REDIS: [(CPU, 2.2), (RATE, 0.45), (CHUNK, 1.5), (P50, 0.7), (RSS, 80), (REDIS_CPU, 30)],
    SERVICES: [(CPU, 6), (RATE, 0.15), (CHUNK, 3.5), (P50, 2.5), (RSS, 150), (REDIS_CPU, 30)],
}


def lines(table: Table) -> list[str]:
    out = ["| system | figure | owed | measured | |", "|---|---|---|---|---|"]
    for system, owed in OWED.items():
        seen = Seen(table, system)
        for figure, bound in owed:
            value = figure.read(seen)
            met = value <= bound if figure.sign == AT_MOST else value >= bound
            out.append(
                f"| {system} | {figure.text} | {figure.sign} {bound:g} {figure.unit} "
                f"| {value:.2f} | {'met' if met else '**missed**'} |"
            )
        if failed := seen.failed():
            out.append(f"| {system} | requests that failed | 0 | {failed} | **missed** |")
    return out
