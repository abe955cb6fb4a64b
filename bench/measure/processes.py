"""Processes under measurement: started on a core, their CPU time and memory read, ended by id.

CPU is user + system time of a process and all that it started, in nanoseconds from the kernel's
clock of each process (the same sum that /proc/PID/stat rounds to 10 ms). Memory is VmHWM of
/proc/PID/status, which /proc/PID/clear_refs sets back.
"""

import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time
import typing

OPEN_FILES = 20_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_open_files() -> int:
    """Children inherit it. What the hard limit does not allow shows as failed streams."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


@contextlib.contextmanager
def first_in_line(wanted: bool) -> typing.Iterator[bool]:
    """Puts this process and all that it will start before the machine's other work, if allowed.

    Linux can weigh sessions first and processes within a session second, so both are set; the
    session's weight is put back. All that is measured has the same priority.
    """
    session = pathlib.Path("/proc/self/autogroup")
    usual = re.search(r"nice (-?\d+)", session.read_text()) if session.exists() else None
    if not wanted:
        yield False
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        if usual:
            session.write_text("-20")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        if usual:
            session.write_text(usual[1])


def tree(pid: int) -> list[int]:
    """The process and all that it started, as far as they run."""
    found = [pid]
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    except FileNotFoundError:
        pass
    return found


def cpu_us(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        # The clock of another process has no name in Python; this is clock_getcpuclockid(3).
        total += time.clock_gettime_ns((~pid << 3) | 2)
    return total / 1e3


def forget_peak(pids: list[int]) -> None:
    for pid in pids:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_rss_mib(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        total += rss_kib(pid)[1]
    return total / 1024


def rss_kib(pid: int) -> tuple[int, int]:
    """Of one process, now and at most."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    now, most = (re.search(rf"{what}:\s+(\d+)", status) for what in ("VmRSS", "VmHWM"))
    return int(now[1]), int(most[1])


def core_busy_us(core: int) -> float:
    """Time in which a core ran anything, or was taken away from this machine."""
    line = next(
        line
        for line in pathlib.Path("/proc/stat").read_text().splitlines()
        if line.startswith(f"cpu{core} ")
    )
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line.split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


class Processes:
    """Owns every process it starts, and ends them when it is left."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(
        self, core: int | None, *command: object, env: dict[str, str] | None = None
    ) -> subprocess.Popen:
        """With a core, it and its children stay there."""
        pin = ["taskset", "-c", str(core)] if core is not None else []
        log = self.log(len(self.started))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*pin, *map(str, command)],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], **(env or {})},
            )
        self.started.append(process)
        return process

    def log(self, number: int) -> pathlib.Path:
        return self.folder / f"process-{number}.log"

    def check_alive(self) -> None:
        for number, process in enumerate(self.started):
            if process.poll() is not None:
                log = self.log(number).read_text(errors="replace")
                raise SystemExit(f"{process.args} ended with {process.returncode}:\n{log[-4000:]}")
