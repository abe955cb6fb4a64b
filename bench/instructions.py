#!/usr/bin/env python3
"""Counts the user instructions that a request costs, and compares them with what is on record.

    cargo build --profile counted && python3 bench/instructions.py [--record] [--only LOAD] [--runs N]

Unlike CPU time, such counts hardly depend on the machine or on what else it does, so they show what a change
costs to one part in fifty. Needs `valgrind` and `redis-server`; `cargo xtask instructions` installs and builds.
What is counted and how is in README.md. Loopback only, bounded in time.
"""

import argparse
import pathlib
import shutil
import signal
import sys

from measure import counted, record

ROOT = pathlib.Path(__file__).resolve().parent.parent
ON_RECORD = pathlib.Path(__file__).with_name("instructions.json")

# What costs too much is counted anew so often: on a busy machine more may be counted than there is.
AGAIN = 2


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "target/counted/weir")
    parser.add_argument("--record", action="store_true", help=f"write {ON_RECORD.name} anew")
    parser.add_argument("--only", choices=list(counted.LOADS), metavar="LOAD", action="append",
                        help=f"these loads alone (repeatable): {', '.join(counted.LOADS)}")
    parser.add_argument("--runs", type=int, default=1, help="how often; the least counts")
    return parser.parse_args()


def main() -> None:
    asked = options()
    if not asked.weir.exists():
        sys.exit(f"{asked.weir} is missing: run `cargo build --profile counted` or pass --weir")
    if missing := [name for name in ("valgrind", "redis-server") if shutil.which(name) is None]:
        sys.exit(f"missing: {', '.join(missing)}; see bench/README.md")
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    names = asked.only or list(counted.LOADS)
    weir = asked.weir.resolve()
    found = record.least([counted.run(weir, names) for _ in range(asked.runs)])
    if asked.record:
        record.write(ON_RECORD, {**record.read(ON_RECORD), **found})
    recorded = record.read(ON_RECORD)
    for _ in range(AGAIN):
        if over := record.over(recorded, found):
            found = record.least([found, counted.run(weir, over)])
    lines, fine = record.compare(recorded, found)
    print("\n".join(lines))
    if not fine:
        sys.exit(1)


if __name__ == "__main__":
    main()
