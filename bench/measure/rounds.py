"""Rounds: fresh processes, a warm-up, then every load on every system, one after the other.

A process's whole life is fast or slow on a virtual machine (where its memory lies, which neighbour
it has), so each round starts every system anew, and the median of the rounds counts. Systems
take turns within a load, so that a slow minute meets all of them.
"""

import pathlib
import sys
import tempfile

from .loads import FIGURES, MANY, STREAMS, UNARY, UNPINNED, WIDER, Load, take
from .processes import Processes
from .summary import Table
from .systems import BESIDE, Beside, DIRECT, NGINX, Stage, System


KEYS = [load.key for load in [*FIGURES, *WIDER, MANY]]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def play(
    table: Table, weir: pathlib.Path, pinned: bool, loads: list[Load], label: str,
    beside: Beside | None = None,
) -> None:
    """One round: the stage is built, warmed up, played on, and taken down."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        with Processes(pathlib.Path(folder)) as processes:
            stage = Stage(processes, weir, pinned, beside)
            systems = [stage.direct, *stage.all()]
            warm_up(stage, systems)
            turns(table, stage, systems, loads, label)


def warm_up(stage: Stage, systems: list[System]) -> None:
    for load in [UNARY.lasting(1), STREAMS.lasting(0.3)]:
        for system in systems:
            take(stage, system, load)


def turns(
    table: Table, stage: Stage, systems: list[System], loads: list[Load], label: str
) -> None:
    for load in loads:
        say(f"{label}: {load.title}")
        for system in systems:
            # Only Weir translates, and an older one beside it may not.
            if load.translated and system.name in (DIRECT, NGINX, *BESIDE.values()):
                continue
            key = stage.pinned, load.key, system.name
            table.setdefault(key, []).append(take(stage, system, load))


def plan(quick: bool, only: list[str] | None) -> tuple[list[Load], list[Load], list[Load]]:
    """What is played pinned in every round, unpinned in every round, and once."""
    # The figures' loads come first: large bodies would stay in the processes' memory.
    if only is not None:
        return [x for x in FIGURES + WIDER if x.key in only], [], [MANY] * (MANY.key in only)
    return (FIGURES, [], []) if quick else (FIGURES + WIDER, UNPINNED, [MANY])


def run(
    weir: pathlib.Path, rounds: int, quick: bool, only: list[str] | None,
    beside: Beside | None = None,
) -> Table:
    table: Table = {}
    pinned, unpinned, once = plan(quick, only)
    for number in range(1, rounds + 1):
        label = f"round {number} of {rounds}"
        if pinned:
            play(table, weir, True, pinned, f"{label}, pinned", beside)
        if unpinned:
            play(table, weir, False, unpinned, f"{label}, unpinned", beside)
    if once:
        play(table, weir, True, once, "once", beside)
    return table
