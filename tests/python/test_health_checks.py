"""Servers of one's own are asked how they are, and rest before a request finds out."""

import re
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from harness.config import Config, Key
from harness.fake import Asked, Fake
from harness.sim import Sim

MODEL = "llama"
ANSWER = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "hello"},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Server:
    """A server whose front lives on while its engine may be dead."""

    def __init__(self, path: str = "/health"):
        self.path = path
        self.status = 200
        self.is_hung = threading.Event()
        self.end = threading.Event()
        self.asked: list[Asked] = []
        self.fake = Fake(self._answer)

    def _answer(self, asked: Asked):
        if asked.path == self.path:
            if self.is_hung.is_set():
                self.end.wait(20)
            self.asked.append(asked)
            return self.status, "how it is"
        if asked.path.endswith("/chat/completions"):
            if self.status != 200:
                return 500, {"error": {"message": "the engine is dead"}}
            return 200, ANSWER
        return 404, {"detail": "Not Found"}

    def stop(self) -> None:
        self.end.set()
        self.fake.stop()


@pytest.fixture
def servers():
    with ExitStack() as stack:
        made = [Server() for _ in range(3)]
        for server in made:
            stack.callback(server.stop)
        yield made


def config(servers, kind: str = "vllm", suffix: str = "", **check) -> Config:
    extra = {"model_name": MODEL} if kind == "vllm" else {}
    keys = [
        Key(
            f"s{nth}",
            weight=1,
            extra={f"{kind}_key_config": {"url": server.fake.url + suffix, **extra}},
        )
        for nth, server in enumerate(servers)
    ]
    made = Config().provider(kind, servers[0].fake.url, keys, health_check=check)
    made.document["providers"][kind]["network_config"].pop("base_url", None)
    return made


def answers(gateway, kind: str, count: int) -> list:
    return [gateway.chat(f"{kind}/{MODEL}") for _ in range(count)]


def by(found: list) -> Counter:
    return Counter(answer.headers.get("x-weir-key") for answer in found)


def until(condition, seconds: float = 20) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)


def cooling(gateway, kind: str, count: int) -> bool:
    """Whether every router sees so many keys rest."""
    seen = re.findall(rf'(?m)^weir_pool_cooling{{provider="{kind}"}} (\d+)', gateway.metrics())
    return bool(seen) and {int(one) for one in seen} == {count}


def test_a_server_rests_before_a_request_finds_out_and_is_back_when_it_is_well(start, servers):
    """Its connections come about, so nothing but its own word tells: a 503, then one that hangs."""
    gateway = start(config(servers, interval_in_seconds=1, timeout_in_seconds=1))
    until(lambda: all(server.asked for server in servers))
    assert by(answers(gateway, "vllm", 6)) == {"s0": 2, "s1": 2, "s2": 2}
    for make_unwell in [lambda: setattr(servers[0], "status", 503), servers[0].is_hung.set]:
        make_unwell()
        until(lambda: cooling(gateway, "vllm", 1))
        found = answers(gateway, "vllm", 10)
        assert {answer.status for answer in found} == {200}
        # Nobody was sent to it, let alone failed there.
        assert all("s0" not in answer.tries for answer in found)
        servers[0].status = 200
        servers[0].is_hung.clear()
        servers[0].end.set()
        until(lambda: "s0" in by(answers(gateway, "vllm", 3)))
        servers[0].end.clear()
        until(lambda: cooling(gateway, "vllm", 0))
        assert by(answers(gateway, "vllm", 9))["s0"] >= 2


def test_where_no_server_is_well_none_rests(start, servers):
    """A path that none of them knows stops nobody."""
    gateway = start(config(servers, path="/nothing", interval_in_seconds=1))
    unwell = 'weir_servers_unwell{provider="vllm"} 3'
    until(lambda: unwell in gateway.metrics())
    assert re.search(
        r'(?m)^weir_health_checks_total{provider="vllm",outcome="unwell"} [1-9]', gateway.metrics()
    )
    assert {answer.status for answer in answers(gateway, "vllm", 6)} == {200}
    assert cooling(gateway, "vllm", 0)


KINDS = [("vllm", "/health"), ("sgl", "/health"), ("ollama", "/")]


@pytest.mark.parametrize(("kind", "path"), KINDS)
def test_field_health_check(start, kind, path):
    """Off by default, at each kind's own path, behind an address with or without `/v1`, by the
    interval, once for keys that share a server."""
    with ExitStack() as stack:
        server = Server(path)
        stack.callback(server.stop)
        twice = config([server, server], kind, "/v1", interval_in_seconds=3600)
        quiet = config([server], kind)
        quiet.document["providers"][kind]["network_config"].pop("health_check")
        gateway = start(quiet, env=twice.env)
        assert gateway.chat(f"{kind}/{MODEL}").status == 200
        assert not server.asked
        gateway.reload(twice.document)
        until(lambda: server.asked)
        assert server.asked[0].method == "GET"
        assert gateway.chat(f"{kind}/{MODEL}").status == 200
        looks = len(server.asked)
        assert looks <= 2, "a worker of a kind asks each server once"
        often = config([server], kind, interval_in_seconds=1, timeout_in_seconds=1)
        gateway.reload(often.document)
        until(lambda: len(server.asked) >= looks + 3)
        gateway.reload(quiet.document)
        time.sleep(0.3)
        looks = len(server.asked)
        time.sleep(1.5)
        assert len(server.asked) == looks, "a reload without it ends it"


def test_a_server_that_dies_meets_no_request_and_has_its_share_soon_after_its_return(
    start, weir, run_dir, sim
):
    """Nobody finds out that it is gone, not even for a retry."""
    dying = Sim(weir, "dying", run_dir)
    try:
        urls = {"s0": dying.url, "s1": sim.url}
        extras = {
            name: {"vllm_key_config": {"url": url, "model_name": MODEL}}
            for name, url in urls.items()
        }
        keys = [Key(name, weight=1, extra=extra) for name, extra in extras.items()]
        check = {"path": "/healthz", "interval_in_seconds": 1}
        made = Config().provider("vllm", sim.url, keys, health_check=check)
        made.document["providers"]["vllm"]["network_config"].pop("base_url")
        gateway = start(made)
        assert by(answers(gateway, "vllm", 4)) == {"s0": 2, "s1": 2}
        port = int(dying.url.rsplit(":", 1)[1])
        dying.stop()
        until(lambda: cooling(gateway, "vllm", 1))
        found = answers(gateway, "vllm", 10)
        assert by(found) == {"s1": 10}
        assert all("unreachable" not in answer.tries for answer in found)
        dying = Sim(weir, "dying", run_dir, port=port)
        back = time.monotonic()
        while "s0" not in by(answers(gateway, "vllm", 2)):
            assert time.monotonic() - back < 5
        until(lambda: cooling(gateway, "vllm", 0))
        near_half = by(answers(gateway, "vllm", 20))["s0"]
        assert 9 <= near_half <= 11
    finally:
        dying.stop()
