"""Samples become rows: one per round, or the medians of all; ratios are taken round by round.

Within a round two systems were measured seconds apart, so a ratio of theirs is less noisy than one
of medians that come from different minutes.
"""

import dataclasses
import statistics

from .loads import Sample
from .systems import CHUNKS

# (pinned, load, system) -> one sample a round
Table = dict[tuple[bool, str, str], list[Sample]]


@dataclasses.dataclass
class Row:
    """Per request where it is a count or CPU; times in ms."""

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
    core: float


def of_sample(sample: Sample) -> Row:
    requests = max(1, sample.requests)
    return Row(
        rate=sample.requests / sample.seconds,
        cpu=sample.cpu / requests,
        redis_cpu=sample.redis_cpu / requests,
        chunk=sample.cpu / requests / CHUNKS,
        p50=sample.p50,
        p99=sample.p99,
        first_p50=sample.first_p50,
        first_p99=sample.first_p99,
        rss=sample.rss,
        scripts=sample.redis.scripts / requests,
        inside=sample.redis.inside / requests,
        core=sample.own_share,
    )


@dataclasses.dataclass
class Seen:
    """What all rounds say of one system under one load."""

    samples: list[Sample]

    def __post_init__(self) -> None:
        self.rounds = [of_sample(sample) for sample in self.samples]
        names = [field.name for field in dataclasses.fields(Row)]
        self.median = Row(**{name: statistics.median(self.all(name)) for name in names})

    def all(self, name: str) -> list[float]:
        return [getattr(row, name) for row in self.rounds]

    def ratios(self, base: "Seen", name: str) -> list[float]:
        """None where either did not answer at all."""
        pairs = zip(self.all(name), base.all(name))
        told = self.answered and base.answered
        return [mine / theirs for mine, theirs in pairs if theirs] if told else []

    def added(self, base: "Seen", name: str) -> list[float]:
        return [mine - theirs for mine, theirs in zip(self.all(name), base.all(name))]

    @property
    def answered(self) -> bool:
        return all(sample.requests for sample in self.samples)

    @property
    def failed(self) -> int:
        return sum(sample.failed for sample in self.samples)

    @property
    def errors(self) -> str:
        return ", ".join(sorted({sample.errors for sample in self.samples} - {""}))


def seen(table: Table, pinned: bool, load: str, system: str) -> Seen | None:
    samples = table.get((pinned, load, system))
    return Seen(samples) if samples else None
