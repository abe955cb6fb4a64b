"""Who calls a provider, and with what: fixtures for scenarios of credentials. Test files import those
that they use."""

import time

import pytest

from . import clouds, fake
from .config import Config, Key


@pytest.fixture
def served():
    """Makes servers that are stopped after the test."""
    made = []

    def serve(server):
        made.append(server)
        return server

    yield serve
    for server in made:
        server.stop()


@pytest.fixture
def upstream(served) -> fake.Fake:
    return served(fake.Fake(fake.provider))


@pytest.fixture
def moto(served) -> clouds.Moto:
    return served(clouds.Moto())


@pytest.fixture
def run(start, upstream):
    """Starts a gateway in front of one provider with one key that has no value."""

    def run(name: str, env=None, value="", **key):
        extra = {"value": value, **key}
        gateway = start(Config().provider(name, upstream.url, [Key("main", extra=extra)]), env)
        gateway.model = f"{name}/{MODELS[name]}"
        return gateway

    return run


MODELS = {"databricks": "m-1", "bedrock": "m-1", "azure": "gpt-x", "vertex": "gemini-x"}


def ask(gateway, status: int = 200):
    answer = gateway.chat(gateway.model)
    assert answer.status == status, answer.body
    return answer


def assert_kept(gateway, tokens, requests: int = 1):
    """Each worker of the provider has fetched a token once at the most: it keeps its own.

    One that fetches asks the server so many times."""
    provider, _ = gateway.model.split("/", 1)
    fetches, rest = divmod(len(tokens.asked()), requests)
    assert rest == 0 and 1 <= fetches <= len(gateway.workers[provider])


def until(holds, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "still not so"


def profile(tmp_path, config: str, credentials: str = "", name: str = "") -> dict:
    """Files of profiles of AWS, and the variables that lead to them."""
    (tmp_path / "config").write_text(config)
    (tmp_path / "credentials").write_text(credentials)
    files = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    env = {variable: str(tmp_path / file) for variable, file in files.items()}
    return {**env, "AWS_PROFILE": name} if name else env
