"""Nothing is left behind by streams that break: no memory, no sockets, no slots (a tenth as many, in full
in soak)."""

import os
import re
import time
from pathlib import Path

from harness import pair

MEBIBYTE = 1 << 20
FAULTS = ["cut=3", "reset=3", "garbage=3", "error=3", "no-finish", "cut=first", "reset", "html"]
# Who is told: the caller, or nobody because it is had again.
HEADERS = [None, pair.COMPLETE]


def rss(process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


def sockets(process) -> int:
    kept = 0
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            kept += os.readlink(link).startswith("socket:")
        except FileNotFoundError:
            pass  # It was closed meanwhile.
    return kept


def faulty(callers, count: int) -> None:
    for nth in range(count):
        fault = FAULTS[nth % len(FAULTS)]
        headers = HEADERS[nth // len(FAULTS) % 2]
        callers.model = f"sim:chunks=6,{fault}"
        assert callers.ask(stream=True, headers=headers).status == 200


def test_broken_streams_leave_nothing_behind(start, sim, other_sim, pace):
    callers = pair.start(start, sim, other_sim, max_retries=0, breaker_failures=0,
                         keep_alive_timeout_in_seconds=1)  # fmt: skip
    gateway = callers.gateway
    faulty(callers, round(1000 * pace.part))

    def calm() -> dict[str, int]:
        """Open sockets by process, when connections that are only kept have been closed."""
        callers.primary.wait_in_flight(0)
        callers.fallback.wait_in_flight(0)
        counts = {}
        while counts != (counts := {one.name: sockets(one) for one in gateway.processes}):
            time.sleep(1.5)
        return counts

    open_before, before = calm(), {one.name: rss(one) for one in gateway.processes}
    faulty(callers, round(1000 * pace.part))
    # What is only kept goes after a while.
    until = time.monotonic() + 20
    while more := {name: n for name, n in calm().items() if n > open_before[name]}:
        assert time.monotonic() < until, (open_before, more)
    grown = {one.name: rss(one) - before[one.name] for one in gateway.processes}
    assert max(grown.values()) <= 10 * MEBIBYTE, grown
    callers.model = pair.MODEL
    callers.is_healthy()
