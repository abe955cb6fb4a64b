"""Fixtures: the image, built as its users build it, and one stack made of it.

What every part took is printed at the end; whatever happens, the stack is taken down.
"""

import hashlib
import os
import time
from contextlib import contextmanager

import pytest
from stack import REPOSITORY, Stack, free_ports, run

# Of another tag than the one users build, which stays what it is.
IMAGE = "weir:compose-test"
# A value that is never sent anywhere: nobody asks that provider.
OPENAI_KEY = "sk-compose-openai"
CLIENT_KEY = "sk-weir-compose-0123456789abcdef"
SCALE = {"worker-sim": 3, "router": 2, "edge": 2}
_took: list[tuple[str, float]] = []


@contextmanager
def measured(what: str):
    started = time.monotonic()
    yield
    _took.append((what, time.monotonic() - started))


def pytest_terminal_summary(terminalreporter):
    for what, seconds in _took:
        terminalreporter.write_line(f"{seconds:6.1f} s  {what}")


@pytest.fixture(scope="session")
def image() -> str:
    """`WEIR_IMAGE` names one that exists: for work on these tests, not for proof."""
    given = os.environ.get("WEIR_IMAGE")
    if given:
        return given
    with measured("base images"):
        print(run([str(REPOSITORY / "deploy" / "base-images.sh")], 600))
    with measured("image built"):
        Stack("weir-compose-build", IMAGE, range(1, 2), {}).build()
    return IMAGE


@pytest.fixture(scope="session")
def seed() -> int:
    seed = int(os.environ.get("WEIR_SEED", os.getpid()))
    print(f"seed {seed}: WEIR_SEED={seed} draws the same ports")
    return seed


@pytest.fixture(scope="session")
def stack(image, seed):
    """The services, one of each, with the demo's provider."""
    ports = free_ports(SCALE["edge"], seed)
    stack = Stack(f"weir-compose-{seed}", image, ports, {"OPENAI_API_KEY": OPENAI_KEY})
    try:
        with measured("first up"):
            stack.up()
        yield stack
    finally:
        with measured("down"):
            stack.down()


@pytest.fixture(scope="session")
def scaled(stack):
    """The same, with several replicas of edge, router and worker, and with a client key."""
    hashed = "sha256:" + hashlib.sha256(CLIENT_KEY.encode()).hexdigest()
    reach = [{"provider": "sim", "allowed_models": ["*"]}]
    key = {"name": "team", "value": hashed, "provider_configs": reach}
    stack.configure({"governance": {"virtual_keys": [key]}})
    with measured("scaled up"):
        stack.up(SCALE)
        stack.wait_healthy()
    return stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the end of every container's log."""
    report = yield
    stack = item.funcargs.get("stack")
    if report.when == "call" and report.failed and stack:
        for one in stack.containers(every=True):
            log = run(["sh", "-c", f"docker logs --tail 15 {one.id} 2>&1"], 30, check=False)
            report.sections.append((one.name, log))
    return report
