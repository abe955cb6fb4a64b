"""A configuration that changes while the gateway runs: what comes obeys the new one, what runs keeps
its own, and one that cannot be used changes nothing."""

import collections
import copy
import json
import os
import re
import signal
import time

import pytest
from harness import http, secrets
from harness.config import Config, Key
from harness.gateway import Gateway, Service
from harness.process import Process
from harness.traffic import Traffic, chats

# In one process, and where limits belong to several routers.
PLACES = ("all-in-one-memory", "cluster")
everywhere = pytest.mark.topologies(*PLACES)
once = pytest.mark.topologies("all-in-one-memory")
# For two cores that everything here shares.
SLACK = 0.5


def listed(config, provider="openai"):
    """The keys of a provider, by name."""
    return {key["name"]: key for key in config.document["providers"][provider]["keys"]}


def sample(gateway, name) -> float:
    """The sum of a metric's series over the processes."""
    return sum(float(value) for value in re.findall(rf"(?m)^{name} (\S+)$", gateway.metrics()))


def uses(sim, config, count, ask) -> dict:
    """How often each key is used by `count` requests."""
    before = len(sim.requests())
    for _ in range(count):
        answer = ask()
        assert answer.status == 200, answer.body
    names = {config.secret(name): name for name in config.keys}
    return collections.Counter(names[key] for key in sim.keys_seen()[before:])


@everywhere
def test_keys_and_weights_change_under_load_and_no_request_fails(start, sim):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b"), Key("c")], concurrency=9)
    keys = listed(config)
    provider = config.document["providers"]["openai"]
    # A worker has the variables that the file names when it starts.
    provider["keys"] = [keys["a"], keys["b"], {**keys["c"], "enabled": False}]
    gateway = start(config, log_level="info")
    ask = lambda: gateway.chat("openai/gpt-4o")  # noqa: E731
    assert uses(sim, config, 8, ask) == {"a": 4, "b": 4}
    with Traffic(gateway.addresses, chats({}, {"stream": True}), 6) as traffic:
        provider["keys"] = [{**keys["c"], "weight": 3}, keys["b"]]
        gateway.reload(config.document)
        # None of the old keys is left.
        provider["keys"] = [keys["a"]]
        gateway.reload(config.document)
        provider["keys"] = [{**keys["c"], "weight": 3}, keys["b"]]
        gateway.reload(config.document)
    traffic.assert_all_served()
    assert uses(sim, config, 16, ask) == {"b": 4, "c": 12}
    taken = sample(gateway, r'weir_config_reloads_total{outcome="taken"}')
    assert taken == 3 * len(gateway.services)


@everywhere
def test_a_limit_is_raised_and_lowered_for_all_routers_at_once(start, sim):
    config = Config().provider("openai", sim.url, concurrency=6, buffer=200)
    limits = config.document["providers"]["openai"]["concurrency_and_buffer_size"]
    gateway = start(config, log_level="info")
    sim.rule("latency=60")
    with Traffic(gateway.addresses, chats({}), 40) as traffic:
        sim.wait_in_flight(6)
        before = time.time()
        limits["concurrency"] = 12
        gateway.reload(config.document)
        sim.wait_in_flight(12)
        limits["concurrency"] = 3
        lowering = time.time()
        gateway.reload(config.document)
        lowered = time.time()
        sim.wait_until(lambda _: time.time() > lowered + SLACK + 0.5)
    traffic.assert_all_served()
    assert sim.busiest(until=before) == 6
    assert sim.busiest() == sim.busiest(until=lowering) == 12
    assert sim.busiest(since=lowered + SLACK) == 3
    assert all(not one["refused"] for one in gateway.configurations())
    for router in gateway.routers:
        assert router.readiness().json()["detail"]["quota"]["config_skew"] == []


@everywhere
def test_a_stream_goes_on_while_its_key_goes_and_its_limit_shrinks(start, sim):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")], concurrency=4)
    config.provider("groq", sim.url, [Key("g")])
    gateway = start(config)
    sim.rule("chunks=12,interval=250", key=config.secret("a"), stream=True)
    stream = gateway.stream("openai/gpt-4o", headers={"x-bf-api-key": "a"})
    events = iter(stream)
    next(events)
    openai = config.document["providers"]["openai"]
    openai["keys"] = [listed(config)["b"]]
    openai["concurrency_and_buffer_size"]["concurrency"] = 1
    gateway.reload(config.document)
    # The slot of the stream is the only one.
    late = gateway.chat("openai/gpt-4o", headers={"x-request-timeout-ms": "200"})
    assert late.status == 504
    rest = list(events)
    assert "[DONE]" in str(rest[-1]), rest[-2:]
    assert gateway.chat("openai/gpt-4o").status == 200
    assert sim.keys_seen()[-1] == config.secret("b")


@everywhere
def test_a_client_key_is_revoked_at_once_and_another_one_let_in(start, sim):
    config = Config().provider("openai", sim.url)
    config.client(enforce_auth_on_inference=True)
    keys = []
    for name in ("one", "two"):
        config.env[f"E2E_CLIENT_{name.upper()}"] = f"sk-weir-{secrets.make()}"
        value = f"env.E2E_CLIENT_{name.upper()}"
        keys.append({"name": name, "value": value, "provider_configs": [{"provider": "*"}]})
    # An edge has the variables that the file names when it starts.
    config.document["governance"] = {"virtual_keys": [keys[0], {**keys[1], "is_active": False}]}
    gateway = start(config)

    def status(name):
        bearer = f"Bearer {config.env[f'E2E_CLIENT_{name.upper()}']}"
        return gateway.chat("openai/m", headers={"authorization": bearer}).status

    assert (status("one"), status("two")) == (200, 401)
    config.document["governance"]["virtual_keys"] = [keys[1]]
    gateway.reload(config.document)
    assert (status("one"), status("two")) == (401, 200)


@everywhere
def test_a_file_that_cannot_be_used_is_refused_and_the_old_one_stays(start, sim):
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    before = gateway.configurations()
    wrong = copy.deepcopy(config.document)
    secret = secrets.make()
    wrong["providers"]["openai"]["keys"][0] |= {"weight": -1, "value": {"vault": secret}}
    wrong["providers"]["openai"]["network_config"]["max_retrys"] = 3
    version = gateway.put_config(wrong)
    is_refused = lambda: all(one["refused"] for one in gateway.configurations())  # noqa: E731
    gateway.wait_until(is_refused)
    for was, now in zip(before, gateway.configurations()):
        assert (now["version"], now["refused"]["version"]) == (was["version"], version)
    assert gateway.chat("openai/gpt-4o").status == 200
    # Said once, however often it is looked at.
    gateway.put_config("{")
    in_file = lambda: {one["refused"]["version"] for one in gateway.configurations()}  # noqa: E731
    gateway.wait_until(lambda: version not in in_file())
    for process in gateway.processes:
        for part in ("weight", "max_retrys", "did you mean `max_retries`?"):
            assert sum(part in line for line in process.output.split("\n")) == 1, part
        assert secret not in process.output
    assert sample(gateway, "weir_config_stale") == len(gateway.services)
    refusals = sample(gateway, r'weir_config_reloads_total{outcome="refused"}')
    assert refusals == 2 * len(gateway.services)
    gateway.reload({**config.document, "client": {"required_headers": ["x-team"]}})
    assert not any(one["refused"] for one in gateway.configurations())
    assert gateway.chat("openai/gpt-4o").status == 400
    assert sample(gateway, "weir_config_stale") == 0


@once
def test_providers_come_and_go(start, sim, other_sim):
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    both = copy.deepcopy(config.document)
    one = {**both, "providers": {"openai": both["providers"]["openai"]}}
    config.document = one
    gateway = start(config)
    assert gateway.chat("groq/m").status == 400
    for _ in range(2):
        gateway.reload(both)
        assert (gateway.chat("groq/m").status, gateway.chat("openai/m").status) == (200, 200)
        gateway.reload(one)
        assert (gateway.chat("groq/m").status, gateway.chat("openai/m").status) == (400, 200)


@pytest.mark.topologies("processes")
def test_services_take_what_concerns_them(start, sim, other_sim):
    """A provider that no worker is named for is left out, one that is gone costs its worker alone."""
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    gateway = start(config)
    assert gateway.chat("groq/m").status == 200
    changed = copy.deepcopy(config.document)
    changed["providers"]["mistral"] = changed["providers"].pop("groq")
    version = gateway.put_config(changed)
    (groq,) = gateway.workers["groq"]
    others = [service for service in gateway.services if service is not groq]

    def said(service):
        return service.readiness().json()["detail"]["config"]

    gateway.wait_until(lambda: all(said(one)["version"] == version for one in others))
    gateway.wait_until(lambda: said(groq)["refused"])
    assert "--provider: the configuration has no `groq`" in said(groq)["refused"]["why"]
    statuses = [gateway.chat(f"{name}/m").status for name in ("openai", "groq", "mistral")]
    assert statuses == [200, 400, 400]
    gateway.routers[0].process.wait_for("give --worker mistral=URL, which needs a restart")
    gateway.reload(config.document)
    assert gateway.chat("groq/m").status == 200


@once
def test_a_file_that_is_written_in_place_is_taken_when_it_is_whole(start, sim):
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    config.client(required_headers=["x-team"])
    text = json.dumps(config.document)
    with gateway.config_path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        gateway.wait_until(lambda: gateway.configurations()[0]["refused"])
        assert gateway.chat("openai/m").status == 200
        file.write(text[len(text) // 2 :])
    gateway.wait_until(lambda: gateway.chat("openai/m").status == 400)
    gateway.wait_until(lambda: not gateway.configurations()[0]["refused"])


@once
def test_where_and_how_a_provider_is_called_changes(start, sim, other_sim):
    config = Config().provider("openai", sim.url, max_retries=0)
    gateway = start(config)
    assert gateway.chat("openai/m").status == 200
    network = config.document["providers"]["openai"]["network_config"]
    network |= {"base_url": other_sim.url, "default_request_timeout_in_seconds": 1}
    network["extra_headers"] = {"x-team": "blue"}
    gateway.reload(config.document)
    assert gateway.chat("openai/m").status == 200
    assert (len(sim.requests()), len(other_sim.requests())) == (1, 1)
    began = time.monotonic()
    assert gateway.chat("openai/sim:latency=5000").status == 504
    assert time.monotonic() - began < 4
    # Nobody is there: no call goes the old way.
    proxy = {"type": "http", "url": "http://127.0.0.1:9"}
    config.document["providers"]["openai"]["proxy_config"] = proxy
    gateway.reload(config.document)
    assert gateway.chat("openai/m").status == 502
    assert len(other_sim.requests()) == 2


@once
def test_hosts_and_origins_change_on_both_listeners(start, sim):
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    (service,) = gateway.services
    named = {"host": "gateway.example"}
    page = {"origin": "https://app.example", "host": "localhost"}

    def statuses():
        public = http.request("GET", f"{service.url}/health", headers=named).status
        admin = http.request("GET", f"{service.admin}/healthz", headers=named).status
        return public, admin, http.request("GET", f"{service.url}/health", headers=page).status

    assert statuses() == (403, 403, 403)
    config.client(allowed_hosts=["gateway.example"], allowed_origins=["https://app.example"])
    gateway.reload(config.document)
    assert statuses() == (200, 200, 200)


@once
def test_a_signal_has_the_same_file_taken_again(start, sim):
    gateway = start(Config().provider("openai", sim.url))
    (process,) = gateway.processes
    os.kill(process.pid, signal.SIGHUP)
    gateway.wait_until(lambda: sample(gateway, r'weir_config_reloads_total{outcome="taken"}') == 1)
    assert gateway.chat("openai/m").status == 200


@once
def test_links_that_are_swapped_are_seen_as_kubernetes_does_it(start, sim, run_dir):
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    place = run_dir / f"{gateway.config_path.stem}-volume"
    place.mkdir()

    def publish(number, text):
        (place / str(number)).mkdir()
        (place / str(number) / "config.json").write_text(text)
        draft = place / "..data_tmp"
        draft.symlink_to(str(number))
        os.replace(draft, place / "..data")

    publish(1, json.dumps(config.document, indent=2))
    draft = place / "draft"
    draft.symlink_to(place / "..data" / "config.json")
    os.replace(draft, gateway.config_path)
    assert gateway.chat("openai/m").status == 200
    config.client(required_headers=["x-team"])
    publish(2, json.dumps(config.document))
    gateway.wait_until(lambda: gateway.chat("openai/m").status == 400)


@once
def test_what_needs_a_restart_is_named(start, sim):
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    (process,) = gateway.processes
    config.document["quota_store"] = {"lease_ttl_ms": 5000, "prefix": "other"}
    gateway.reload(config.document)
    for field in ("quota_store.lease_ttl_ms", "quota_store.prefix"):
        process.wait_for(rf"needs a restart field=\"?{re.escape(field)}")


@once
def test_what_a_start_would_refuse_a_running_process_refuses(weir, sim, run_dir):
    """Who may come in from elsewhere is asked for a key: a file without that is no use here."""
    config = Config().provider("openai", sim.url).client(enforce_auth_on_inference=True)
    place = run_dir / "reload-public.json"
    place.write_text(json.dumps(config.document))
    argv = [weir, "serve", "--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0", "--strict"]
    process = Process("reload-public", [*argv, "--config", str(place)], config.env, run_dir)
    try:
        service = Service.of(process)
        gateway = Gateway([service], [service], {}, config_path=place)
        gateway.wait_ready()

        def refused(document):
            version = gateway.put_config(document)

            def why():
                refused = gateway.configurations()[0]["refused"]
                return refused and refused["version"] == version and refused["why"]

            return gateway.wait_until(why)

        open_to_all = {**config.document, "client": {}}
        assert "--allow-anonymous" in refused(open_to_all)
        # What `--strict` asks for, too.
        unset = copy.deepcopy(config.document)
        unset["providers"]["openai"]["keys"][0]["value"] = "env.E2E_NOT_SET"
        assert "E2E_NOT_SET" in refused(unset)
        gateway.reload(config.document)
    finally:
        process.kill()
