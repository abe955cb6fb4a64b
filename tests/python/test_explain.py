"""`weir explain`: why keys can or cannot serve a model, and what the pool looks like."""

import json
import threading
import time

import pytest
from harness import secrets
from harness.config import Config, Key
from harness.topology import SERVICES
from test_process import run

MODEL = "openai/gpt-4o"


def explain(weir, gateway, *arguments, token=None):
    env = {"WEIR_LINK_TOKEN": token or gateway.link_token}
    return run(weir, "explain", "--router", gateway.routers[0].url, *arguments, env=env)


def explained(weir, gateway, *arguments) -> dict:
    said = explain(weir, gateway, "--model", MODEL, "--json", *arguments)
    assert said.stdout, said.stderr
    (provider,) = json.loads(said.stdout)["providers"]
    return provider


def states(provider) -> dict[str, str]:
    return {key["key"]: key["state"] for key in provider["keys"]}


def config(sim) -> Config:
    denied = Key("denied", weight=1, extra={"blacklisted_models": ["gpt-4o"]})
    off = Key("off", weight=1, extra={"enabled": False})
    keys = [Key("a", weight=1), Key("b", weight=1), denied, off, Key("unset", weight=1)]
    made = Config().provider("openai", sim.url, keys, concurrency=2, buffer=5)
    made.env["E2E_OPENAI_UNSET"] = ""
    return made


@pytest.mark.topologies(*SERVICES)
def test_a_router_says_of_each_key_why(weir, start, sim):
    made = config(sim)
    gateway = start(made)
    sim.rule("status=429,retry-after=60", key=made.secret("a"))
    gateway.wait_until(lambda: "/a:429" in gateway.chat(MODEL).tries)
    gateway.wait_until(lambda: states(explained(weir, gateway))["a"] == "resting")
    provider = explained(weir, gateway)
    assert states(provider) == {
        "a": "resting",
        "b": "eligible",
        "denied": "model_blacklisted",
        "off": "disabled",
        "unset": "unusable",
    }
    (a, *_, unset) = provider["keys"]
    assert 0 < a["rests_for_ms"] <= 60_000 and a["failure_status"] == 429
    assert "E2E_OPENAI_UNSET" in unset["why"]
    assert provider["next_key"] == "b"
    assert provider["pool"]["mode"] == "exact" and provider["pool"]["seen"] == "pool"
    assert explain(weir, gateway, "--model", MODEL, "--key", "a").returncode == 1, "none can"
    text = explain(weir, gateway, "--model", MODEL)
    assert text.returncode == 0 and "  > b " in text.stdout
    assert all(len(line) <= 100 for line in text.stdout.splitlines()), text.stdout
    for key in ("a", "b", "denied", "off"):
        assert made.secret(key) not in text.stdout + json.dumps(provider)


@pytest.mark.topologies(*SERVICES)
def test_the_pool_is_shown_as_it_is_and_stays_so(weir, start, sim):
    gateway = start(config(sim))
    sim.rule("latency=4000")
    calls = [threading.Thread(target=gateway.chat, args=(MODEL,)) for _ in range(4)]
    for call in calls:
        call.start()
    numbers = ("in_flight", "waiting", "concurrency", "buffer_size")

    def seen():
        pool = explained(weir, gateway)["pool"]
        return [pool[name] for name in numbers], pool["waiting_by_class"]

    gateway.wait_until(lambda: seen()[0] == [2, 2, 2, 5])
    (waiting,) = seen()[1]
    assert (waiting["model"], waiting["operation"], waiting["waiting"]) == ("gpt-4o", "chat", 2)
    for call in calls:
        call.join()
    gateway.wait_until(lambda: seen()[0] == [0, 0, 2, 5])


@pytest.mark.topologies("processes", "processes-redis")
def test_since_when_limits_are_obeyed(weir, start, sim):
    """From the moment that a reload brings others it counts anew."""
    gateway = start(config(sim))
    assert gateway.chat(MODEL).status == 200

    def pool() -> dict:
        return explained(weir, gateway)["pool"]

    gateway.wait_until(lambda: pool()["limits_obeyed_for_ms"] > 300)
    document = json.loads(gateway.config_path.read_text())
    document["providers"]["openai"]["concurrency_and_buffer_size"]["concurrency"] = 3
    changed = time.monotonic()
    gateway.reload(document)
    gateway.wait_until(lambda: pool()["concurrency"] == 3)
    anew = pool()["limits_obeyed_for_ms"]
    assert anew <= (time.monotonic() - changed) * 1000
    gateway.wait_until(lambda: pool()["limits_obeyed_for_ms"] > anew)


@pytest.mark.topologies("processes", "cluster")
def test_the_next_key_is_the_one_that_is_named(weir, start, sim):
    gateway = start(Config().provider("openai", sim.url, [Key("a", weight=3), Key("b", weight=1)]))
    assert gateway.chat(MODEL).status == 200
    for _ in range(5):
        gateway.wait_until(lambda: explained(weir, gateway)["pool"]["in_flight"] == 0)
        named = {explained(weir, gateway)["next_key"] for _ in range(5)}
        assert named == {gateway.chat(MODEL).headers["x-weir-key"]}


@pytest.mark.topologies("processes")
def test_what_is_wrong_is_said(weir, start, sim):
    gateway = start(config(sim))
    for arguments, token, says in (
        (("--model", MODEL), secrets.make(), "link token"),
        (("--model", "m", "--provider", "opnai"), None, "did you mean `openai`"),
        (("--model", MODEL, "--key", "c"), None, "`denied`"),
        (("--model", ""), None, "names no model"),
    ):
        said = explain(weir, gateway, *arguments, token=token)
        assert said.returncode == 1 and says in said.stderr and not said.stdout, said
    nobody = run(weir, "explain", "--router", "http://127.0.0.1:1", "--model", "m")
    assert nobody.returncode == 1 and "http://127.0.0.1:1" in nobody.stderr
    both = run(weir, "explain", "--model", "m")
    assert both.returncode == 2 and "--config" in both.stderr


@pytest.mark.topologies("all-in-one-memory")
def test_a_configuration_alone_is_enough(weir, sim, tmp_path):
    made = config(sim)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(made.document))
    said = run(weir, "explain", "--config", path, "--model", MODEL, "--json", env=made.env)
    (provider,) = json.loads(said.stdout)["providers"]
    assert said.returncode == 0 and provider["pool"] is None
    assert states(provider) == {
        "a": "eligible",
        "b": "eligible",
        "denied": "model_blacklisted",
        "off": "disabled",
        "unset": "unusable",
    }
    text = run(weir, "explain", "--config", path, "--model", MODEL, env={})
    assert text.returncode == 1 and "E2E_OPENAI_A is not set" in text.stdout
    assert not sim.requests()
