"""What was counted beside what is on record: how much more or less, and what that asks for.

A figure is a load's sum over all processes of the system; what each process has of it is told as well.
"""

import json
import pathlib

# Instructions by process, by load.
Counts = dict[str, dict[str, int]]

# Over it, a change costs more than it may; as far under it, the record says too much.
LEEWAY = 0.05
TOO_MUCH = """\
A request costs more instructions than it did. If that is not meant: `callgrind_annotate FILE` says where they go,
the files are in {folder}. If it is worth it: `cargo xtask instructions --record`, and say in the
commit what they buy."""
TOO_LITTLE = "It costs less than it did: `cargo xtask instructions --record` keeps that from being lost again."


def read(path: pathlib.Path) -> Counts:
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: pathlib.Path, counts: Counts) -> None:
    path.write_text(json.dumps(counts, indent=2, sort_keys=True) + "\n")


def least(runs: list[Counts]) -> Counts:
    """Of each load the run that cost least: what a busy machine does to a count is to add to it."""
    found: Counts = {}
    for run in runs:
        for load, processes in run.items():
            if load not in found or sum(processes.values()) < sum(found[load].values()):
                found[load] = processes
    return found


def over(recorded: Counts, found: Counts) -> list[str]:
    """The loads that cost more than they may."""
    return [load for load in found if not compare(recorded, {load: found[load]})[1]]


def change(before: int, now: int) -> float:
    return now / before - 1


def compare(recorded: Counts, found: Counts, folder: object = "target/instructions") -> tuple[list[str], bool]:
    """What there is to say, and whether all is as it may be."""
    lines, over, under = [], False, False
    for load, processes in found.items():
        before = recorded.get(load)
        now = sum(processes.values())
        if not before:
            lines.append(f"instructions, {load}: {now:,}, none on record: **missing**")
            over = True
            continue
        changed = change(sum(before.values()), now)
        verdict = "fine"
        if changed > LEEWAY:
            verdict, over = f"**more than +{LEEWAY:.0%}**", True
        elif changed < -LEEWAY:
            verdict, under = f"more than -{LEEWAY:.0%}", True
        was = sum(before.values())
        lines.append(f"instructions, {load}: {now:,}, on record {was:,}, {changed:+.1%}: {verdict}")
        if len(processes) > 1:
            lines += [
                f"    {process}: {count:,}, on record {before[process]:,}, "
                f"{change(before[process], count):+.1%}" if before.get(process)
                else f"    {process}: {count:,}, none on record"
                for process, count in processes.items()
            ]
    if over:
        lines.append(TOO_MUCH.format(folder=folder))
    elif under:
        lines.append(TOO_LITTLE)
    return lines, not over
