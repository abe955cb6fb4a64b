"""What the gateway makes of every fixture in every format, as an example of `weir-dialect` says."""

import functools
import json
import os
import pathlib
import subprocess
from dataclasses import dataclass, field

REPOSITORY = pathlib.Path(__file__).parents[2]
BUILD_AND_RUN = ["cargo", "run", "-q", "-p", "weir-dialect", "--example", "translations"]


@dataclass(frozen=True)
class Translation:
    """One fixture of `source` in the format `to`: `body` or `events`, or else `refused`."""

    kind: str
    source: str
    fixture: str
    to: str
    operation: str
    model: str
    losses: list[str]
    body: dict | None = None
    events: list[dict] = field(default_factory=list)
    refused: str | None = None

    @property
    def label(self) -> str:
        model = f" ({self.model})" if self.model else ""
        return f"{self.source}/{self.fixture} as {self.to}{model}"


@functools.cache
def translations() -> list[Translation]:
    built = os.environ.get("WEIR_TRANSLATIONS")
    command = [built] if built else BUILD_AND_RUN
    ran = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True, timeout=600)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return [Translation(source=line.pop("from"), **line) for line in lines]
