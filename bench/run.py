#!/usr/bin/env python3
"""Measures Weir beside nginx, in every shape, in one run: a noisy machine then matters little.

    python3 bench/run.py [--quick] [--rounds 3] [--peers] [--weir PATH] [--out FILE]

Needs two cores and, beside the release binary, `nginx`, `wrk` and `redis-server`. `--quick` takes
one round of what the figures need, the full run all loads, pinned and not. What is measured and
how is in README.md. Loopback only, bounded in time.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import signal
import sys
import time

from measure import peers, report, rounds
from measure.processes import first_in_line, raise_open_files
from measure.systems import Beside

ROOT = pathlib.Path(__file__).resolve().parent.parent


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of the figures' loads")
    parser.add_argument("--only", action="append", choices=list(rounds.KEYS), metavar="LOAD",
                        help=f"these loads alone, pinned (repeatable): {', '.join(rounds.KEYS)}")
    parser.add_argument("--polite", action="store_true",
                        help="leave the machine's other work its share of the cores")
    parser.add_argument("--rounds", type=int, help="rounds, each on fresh processes; default 3")
    parser.add_argument("--peers", action="store_true",
                        help="LiteLLM's proxy as well, installed from PyPI into the cache folder")
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "target/release/weir")
    parser.add_argument("--beside", type=pathlib.Path, metavar="PATH",
                        help="another build of Weir, measured in the same run")
    parser.add_argument("--signed-in", action="store_true",
                        help="what stands beside asks for a client's key and for link tokens;"
                             " without --beside it is the same build")
    parser.add_argument("--out", type=pathlib.Path,
                        help="default: bench/results/DATE.md; --quick and --only print")
    return parser.parse_args()


def main() -> None:
    asked = options()
    if not asked.weir.exists():
        sys.exit(f"{asked.weir} is missing: run `cargo build --release` or pass --weir")
    if missing := [name for name in ("nginx", "wrk", "redis-server", "taskset")
                   if shutil.which(name) is None]:
        sys.exit(f"missing: {', '.join(missing)}; see bench/README.md")
    if (os.cpu_count() or 1) < 2:
        sys.exit("needs two cores: one for the system, one for load and provider")
    raise_open_files()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    began = time.monotonic()
    weir = asked.weir.resolve()
    count = asked.rounds or (1 if asked.quick else 3)
    with first_in_line(not asked.polite) as first:
        beside = None
        if asked.beside or asked.signed_in:
            beside = Beside((asked.beside or weir).resolve(), asked.signed_in)
        table = rounds.run(weir, count, asked.quick, asked.only, beside)
        others = peers.run(weir, count) if asked.peers else None
    run = report.Run(weir, count, time.monotonic() - began, first)
    text = report.page(run, table, others)
    print(text)
    out = asked.out
    if out is None and not asked.quick and not asked.only:
        out = ROOT / "bench/results" / f"{datetime.date.today().isoformat()}.md"
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)


if __name__ == "__main__":
    main()
