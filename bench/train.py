#!/usr/bin/env python3
"""Plays on a build what gateways mostly do, so that its profile says which code is hot.

    python3 bench/train.py --weir PATH

For `cargo xtask release`, which builds twice: once to count here what runs, and once to lay that out for speed. All
in one with quotas in memory and in Redis, and as three services; whole answers and streams, short prompts and long
ones, as they come and translated. Needs `redis-server`. Loopback only, half a minute.
"""

import argparse
import dataclasses
import pathlib
import shutil
import signal
import sys
import tempfile

from measure.loads import FIGURES, KIB, WIDER, take
from measure.processes import Processes, raise_open_files
from measure.redis import Redis
from measure.systems import MEMORY, REDIS, Stage

# So long for each load: what runs how often is seen at once.
SECONDS = 1
# The generator is given a body in its command line, which takes no longer ones.
BODY_MAX = 64 * KIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=pathlib.Path, required=True)
    asked = parser.parse_args()
    if shutil.which("redis-server") is None:
        sys.exit("redis-server is missing; see bench/README.md")
    raise_open_files()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="weir-train-") as folder:
        with Processes(pathlib.Path(folder)) as processes:
            stage = Stage(processes, asked.weir.resolve(), pinned=False)
            systems = [
                stage.all_in_one(MEMORY, None),
                stage.all_in_one(REDIS, Redis(processes, None, "one")),
                stage.services(Redis(processes, None, "services")),
            ]
            for system in systems:
                # Loads of it come from the generator alone.
                system.slow = True
                stage.wait_for(system)
            for load in [*FIGURES, *WIDER]:
                load = dataclasses.replace(load, body=min(load.body, BODY_MAX), seconds=SECONDS)
                for system in systems:
                    sample = take(stage, system, load)
                    print(f"{load.title}, {system.name}: {sample.requests} requests", flush=True)
                    if sample.failed:
                        sys.exit(f"{sample.failed} requests failed: {sample.errors}")


if __name__ == "__main__":
    main()
