"""A real process: its output is kept, read line by line and waited for, never slept for."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

START_SECONDS = 20.0
STOP_SECONDS = 20.0


class ProcessError(AssertionError):
    """A process did not do what it was started for; carries its output."""


class Process:
    """A child process with its output, both streams in one."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], directory: Path):
        self.name = name
        self.log_path = directory / f"{name}.log"
        # Nothing of the environment of the test run gets in: neither keys nor proxies.
        inherited = {k: os.environ[k] for k in ("PATH", "HOME", "TMPDIR") if k in os.environ}
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._closed = False
        self.child = subprocess.Popen(
            argv,
            env={**inherited, "RUST_BACKTRACE": "1", **env},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self.log_path.open("wb") as log:
            for raw in self.child.stdout:
                log.write(raw)
                log.flush()
                with self._changed:
                    self._lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def output(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    def alive(self) -> bool:
        return self.child.poll() is None

    def wait_for(self, pattern: str, timeout: float = START_SECONDS) -> re.Match:
        """The first line that matches, whether it was written already or is yet to come."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout
        seen = 0
        with self._changed:
            while True:
                while seen < len(self._lines):
                    found = wanted.search(self._lines[seen])
                    seen += 1
                    if found:
                        return found
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    why = "ended" if self._closed else f"was silent for {timeout} s"
                    tail = "\n".join(self._lines[-40:])
                    raise ProcessError(f"{self.name} {why} before /{pattern}/ came:\n{tail}")
                self._changed.wait(left)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """The exit code, once the process has ended by itself."""
        try:
            code = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name} did not end in {timeout} s:\n{self.output[-4000:]}")
        self._reader.join(STOP_SECONDS)
        return code

    def terminate(self) -> None:
        if self.alive():
            self.child.send_signal(signal.SIGTERM)

    def pause(self) -> None:
        """Stops it where it stands; its sockets stay open."""
        self.child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.alive():
            self.child.kill()
        self.child.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
