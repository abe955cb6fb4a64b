"""Another gateway in the same table, when asked for: LiteLLM's proxy from PyPI.

It is installed into a virtual environment in the user's cache folder, once. Its own nginx and
direct rows stand beside it, as its loads are smaller: what it cannot keep up with says nothing
about latency.
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from .loads import OPEN, STREAMS, UNARY
from .processes import Processes, free_port
from .rounds import say, turns, warm_up
from .summary import Table
from .systems import Stage, System

LITELLM = "LiteLLM proxy, one worker"
LOADS = [
    dataclasses.replace(UNARY, key="peer-closed", title=f"peers: {UNARY.title}", seconds=4),
    dataclasses.replace(STREAMS, key="peer-stream", title=f"peers: {STREAMS.title}", seconds=4),
    dataclasses.replace(
        OPEN, key="peer-open", rate=20,
        title="peers: open loop, 20 requests/s, upstream takes 60 ms",
    ),
]
START_SECONDS = 120


class CannotRun(Exception):
    """Why a peer is missing from the table."""


def install() -> pathlib.Path:
    """The folder of the environment's programs."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "weir-bench" / "litellm"
    programs = folder / "bin"
    if (programs / "litellm").exists():
        return programs
    say(f"installing LiteLLM into {folder}, once")
    steps = [
        [sys.executable, "-m", "venv", folder],
        [programs / "pip", "install", "--quiet", "litellm[proxy]"],
    ]
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotRun(f"{step[0]}: {error}") from error
        if done.returncode:
            raise CannotRun((done.stderr.strip() or done.stdout.strip())[-300:])
    return programs


def version(programs: pathlib.Path) -> str:
    command = [programs / "pip", "show", "litellm"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    found = re.search(r"^Version: (\S+)", shown, re.M)
    return found[1] if found else "?"


def start(stage: Stage, programs: pathlib.Path) -> System:
    port = free_port()
    config = stage.processes.folder / "litellm.json"
    upstream = {
        "model": "openai/*",
        "api_key": "bench",
        "api_base": f"http://127.0.0.1:{stage.direct.port}/v1",
    }
    # JSON is YAML as well.
    config.write_text(json.dumps({
        "model_list": [{"model_name": "*", "litellm_params": upstream}],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }))
    process = stage.processes.start(
        stage.system_core, programs / "litellm", "--config", config, "--host", "127.0.0.1",
        "--port", port, "--num_workers", 1, "--telemetry", "False",
        env={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            # No keys of its own: it then has less to do per request.
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "HOME": str(stage.processes.folder),
            "PATH": f"{programs}:{os.environ['PATH']}",
        },
    )
    system = System(LITELLM, port, [process.pid], slow=True)
    try:
        stage.wait_for(system, START_SECONDS)
    except SystemExit as error:
        raise CannotRun(str(error)[-300:]) from error
    return system


def run(weir: pathlib.Path, rounds: int) -> tuple[Table, str]:
    """The samples, and what to say about the peer's version or its absence."""
    table: Table = {}
    try:
        programs = install()
        with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
            with Processes(pathlib.Path(folder)) as processes:
                stage = Stage(processes, weir, pinned=True)
                nginx, litellm = stage.nginx(), start(stage, programs)
                systems = [stage.direct, nginx, litellm]
                warm_up(stage, systems)
                for number in range(1, rounds + 1):
                    turns(table, stage, systems, LOADS, f"round {number} of {rounds}, peers")
    except CannotRun as error:
        return {}, f"LiteLLM did not run: {' '.join(str(error).split())}"
    return table, f"LiteLLM {version(programs)} from PyPI; all rounds on one start of it"
