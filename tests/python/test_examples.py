"""The files of deploy/examples as they are: only addresses are others, and the variables are set. Each
key is used, and what the file says of it and of its provider is seen to act."""

import json
import re
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from harness import fake, load, proxies, secrets
from harness.config import Config
from harness.proxies import Login

pytestmark = pytest.mark.topologies("all-in-one-memory")

# What is asked for where a file names no model.
MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
    "gemini": "gemini-2.5-flash",
    "vertex": "gemini-2.5-flash",
}
URLS = {"ollama_key_config": "url", "vllm_key_config": "url", "sgl_key_config": "url"}
TOKEN = secrets.make()
ROLE = f"""<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>
<SecretAccessKey>{secrets.make()}</SecretAccessKey><SessionToken>{secrets.make()}</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture
def tokens():
    """Gives tokens in the words of Entra, Google and AWS."""

    def answer(asked: fake.Asked) -> fake.Answer:
        if asked.form.get("Action") == "AssumeRole":
            return 200, ROLE
        return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}

    server = fake.Fake(answer)
    yield server
    server.stop()


@pytest.fixture
def example(repository, start, sim, tokens, tmp_path):
    """Starts a gateway with an example whose providers are at the simulator, each key that has an
    address at one of its own; `network` are fields of it with other values, where those of the file
    would take too long."""

    def example(name: str, url=None, env=None, proxy_url=None, **network):
        url = url or sim.url
        path = repository / "deploy/examples" / f"{name}.json"
        document = json.loads(path.read_text())
        for provider, section in document["providers"].items():
            for key in section["keys"]:
                for block, member in URLS.items():
                    if block in key:
                        key[block][member] = url + place(key)
            if provider not in ("azure", "ollama", "vllm", "sgl"):
                section.setdefault("network_config", {})["base_url"] = url
            for field, value in network.items():
                assert field in section["network_config"]
                section["network_config"][field] = value
            if proxy_url and "url" in section.get("proxy_config", {}):
                section["proxy_config"]["url"] = proxy_url
        variables = {name: secrets.make() for name in re.findall(r'"env\.(\w+)"', path.read_text())}
        # An address of its own, where a variable holds one.
        for variable in variables:
            if variable.startswith("AZURE_ENDPOINT"):
                variables[variable] = f"{url}/{variable}"
        variables |= identities(tokens.url, tmp_path)
        config = Config(document, {**variables, **(env or {})})
        return document, start(config), variables

    return example


def place(key: dict) -> str:
    """Where a key that has an address finds its provider."""
    for block, member in URLS.items():
        if block in key:
            return f"/at-{key['name']}"
    return "/" + key.get("azure_key_config", {}).get("endpoint", "").removeprefix("env.")


def identities(url: str, directory) -> dict[str, str]:
    """What clouds leave in the environment of a process, and where their tokens come from."""
    key = rsa.generate_private_key(65537, 2048)
    kind = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    account = {"type": "service_account", "client_email": "a@b.example", "private_key_id": "1"}
    account |= {"private_key": pem.decode(), "token_uri": f"{url}/token"}
    file = directory / "account.json"
    file.write_text(json.dumps(account))
    return {
        "AZURE_AUTHORITY_HOST": url,
        "AWS_ENDPOINT_URL_STS": url,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "VERTEX_AUTH_CREDENTIALS": json.dumps(account),
        "VERTEX_PROJECT_ID": "my-project-1",
    }


def served(weir, repository, name: str, document: dict) -> dict:
    """The providers that this build serves."""
    file = repository / "deploy/examples" / f"{name}.json"
    said = subprocess.run([weir, "check", str(file)], capture_output=True, text=True)
    skipped = re.findall(r"providers\.(\w+): skipped", said.stdout + said.stderr)
    providers = document["providers"]
    return {name: section for name, section in providers.items() if name not in skipped}


def names_of(key: dict) -> dict[str, str]:
    """The names that lead elsewhere, and where."""
    names = {}
    for block in (key, *(value for name, value in key.items() if name.endswith("_key_config"))):
        for given in ("aliases", "deployments"):
            for alias, model in block.get(given, {}).items():
                names[alias] = model if isinstance(model, str) else model["model_id"]
    return names


def serves(key: dict, model: str, version: int) -> bool:
    models = key["models"]
    return model in models or models == ["*"] or (version == 1 and not models)


def a_model(provider: str, key: dict) -> str:
    listed = [model for model in key["models"] if model != "*"]
    return [*listed, *names_of(key), MODELS.get(provider, "gpt-4o")][0]


def of(value: str, variables: dict[str, str]) -> str:
    """What a field stands for."""
    return variables[value.removeprefix("env.")] if value.startswith("env.") else value


def credential(key: dict, variables: dict[str, str]) -> str:
    """What the simulator is to see of a key."""
    if key["value"]:
        return of(key["value"], variables)
    block = next((value for name, value in key.items() if name.endswith("_key_config")), {})
    if "bedrock_key_config" in key:
        return "ASIAROLE" if "role_arn" in block else "AKIATEST"
    return TOKEN if {"azure_key_config", "vertex_key_config"} & set(key) else ""


def assert_keys_act(gateway, sim, providers: dict, variables) -> None:
    for provider, section in providers.items():
        for key in section["keys"]:
            model = a_model(provider, key)
            answer = gateway.chat(f"{provider}/{model}", headers={"x-bf-api-key": key["name"]})
            assert answer.status == 200, f"{key['name']}: {answer.body}"
            assert answer.headers["x-weir-key"] == key["name"]
            seen = sim.requests()[-1]
            assert (seen["key"] or "") == credential(key, variables), key["name"]
            assert seen["path"].startswith(place(key)), key["name"]
            if block := key.get("vertex_key_config"):
                project, region = (of(block[name], variables) for name in ("project_id", "region"))
                assert f"/projects/{project}/locations/{region}/" in seen["path"]
            asked = names_of(key).get(model, model)
            assert seen["model"] == asked, f"{key['name']}: {seen['model']}"
            for name, value in section.get("network_config", {}).get("extra_headers", {}).items():
                assert dict(seen["headers"])[name] == value


def assert_weights_act(gateway, providers: dict, version: int) -> None:
    """Calls of one model are spread as the weights of its keys say."""
    for provider, section in providers.items():
        model = a_model(provider, section["keys"][0])
        keys = [key for key in section["keys"] if serves(key, model, version)]
        whole = sum(key["weight"] for key in keys)
        asked = int(4 * whole)
        counts = dict.fromkeys((key["name"] for key in keys), 0)
        for _ in range(asked):
            counts[gateway.chat(f"{provider}/{model}").headers["x-weir-key"]] += 1
        for key in keys:
            exact = asked * key["weight"] / whole
            assert abs(counts[key["name"]] - exact) <= 1, f"{provider}: {counts}"


def assert_limits_act(gateway, providers: dict) -> None:
    page = gateway.metrics()
    for provider, section in providers.items():
        limits = section.get("concurrency_and_buffer_size")
        if limits:
            named = f'{{provider="{provider}"}}'
            assert f"weir_pool_concurrency{named} {limits['concurrency']}" in page
            assert f"weir_queue_limit{named} {limits['buffer_size']}" in page
        retries = section.get("network_config", {}).get("max_retries")
        if retries:
            answer = gateway.chat(f"{provider}/sim:status=500,times={retries}")
            assert answer.status == 200, answer.body
            assert answer.tries.count("500") == retries


PLAIN = ["anthropic", "azure", "azure-identity", "azure-older", "bedrock", "multi-provider"]
PLAIN += ["openai", "self-hosted", "standard-keys", "vertex"]


@pytest.mark.parametrize("name", PLAIN)
def test_example(example, weir, repository, sim, name):
    document, gateway, variables = example(name)
    providers = served(weir, repository, name, document)
    version = document.get("version", 2)
    assert providers
    assert_keys_act(gateway, sim, providers, variables)
    assert_weights_act(gateway, providers, version)
    assert_limits_act(gateway, providers)


def test_example_anthropic_passes_features_in_trial_on(example, sim):
    _, gateway, _ = example("anthropic")
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    trial = {"anthropic-beta": "redact-thinking-2026-02-12"}
    assert gateway.request("POST", "/anthropic/v1/messages", body, trial).status == 200
    assert dict(sim.requests()[0]["headers"])["anthropic-beta"] == trial["anthropic-beta"]


def test_example_azure_identity_asks_for_its_own_tokens(example, tokens):
    _, gateway, variables = example("azure-identity")
    for name in ("workload-identity", "service-principal"):
        assert gateway.chat("azure/gpt-4o", headers={"x-bf-api-key": name}).status == 200
        asked = tokens.asked()[-1]
        assert asked.path == f"/{variables['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        assert asked.form["client_id"] == variables["AZURE_CLIENT_ID"]
        assert asked.form["client_secret"] == variables["AZURE_CLIENT_SECRET"]


def test_example_bedrock_signs_for_each_region_and_assumes_the_role(example, tokens):
    server = fake.Fake(fake.provider)
    try:
        document, gateway, variables = example("bedrock", server.url)
        for key in document["providers"]["bedrock"]["keys"]:
            block = key["bedrock_key_config"]
            model = f"bedrock/{a_model('bedrock', key)}"
            assert gateway.chat(model, headers={"x-bf-api-key": key["name"]}).status == 200
            shown = server.asked()[-1].headers["authorization"]
            if key["value"]:
                assert shown == f"Bearer {of(key['value'], variables)}"
                continue
            assert f"/{block['region']}/bedrock/aws4_request" in shown
            if "role_arn" in block:
                form = tokens.asked()[-1].form
                assert form["RoleArn"] == of(block["role_arn"], variables)
                assert form["ExternalId"] == of(block["external_id"], variables)
                assert form["RoleSessionName"] == block["session_name"]
                scope = f"/{block['region']}/sts/aws4_request"
                assert scope in tokens.asked()[-1].headers["authorization"]
    finally:
        server.stop()


def test_example_openai_waits_between_its_attempts(example, sim):
    document, gateway, _ = example("openai")
    network = document["providers"]["openai"]["network_config"]
    assert gateway.chat("openai/sim:status=500,times=3").status == 200
    starts = [entry["started_us"] / 1000 for entry in sim.requests()]
    for number, (earlier, later) in enumerate(zip(starts, starts[1:])):
        expected = network["retry_backoff_initial"] * 2**number
        assert 0.8 * expected <= later - earlier < 1.2 * expected + 500, starts


def test_example_openai_with_less_time_and_fewer_connections(example, sim):
    """What its file allows is more than a test has."""
    short = {"default_request_timeout_in_seconds": 2, "stream_idle_timeout_in_seconds": 5}
    few = {"retry_backoff_max": 600, "max_conns_per_host": 2}
    _, gateway, _ = example("openai", **short, **few)
    assert gateway.chat("openai/sim:status=500,times=3").status == 200
    starts = [entry["started_us"] / 1000 for entry in sim.requests()]
    assert max(later - earlier for earlier, later in zip(starts, starts[1:])) < 1.2 * 600 + 500
    began = time.monotonic()
    assert gateway.chat("openai/sim:latency=60000").status == 504
    assert time.monotonic() - began < 20
    began = time.monotonic()
    assert not gateway.stream("openai/sim:stall=1").read().done
    assert 4 < time.monotonic() - began < 20
    sim.reset()
    sim.rule("latency=300")
    body = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}
    results = load.run(gateway.addresses, [load.chat_request(body)] * 6, clients=6)
    assert [result.status for result in results] == [200] * 6
    assert sim.stats()["total"]["high_water"] == 2


def test_example_multi_provider_spreads_a_bare_model(example):
    _, gateway, _ = example("multi-provider")
    counts = {"openai": 0, "anthropic": 0, "groq": 0}
    for _ in range(8):
        counts[gateway.chat("gpt-4o").headers["x-weir-provider"]] += 1
    assert counts == {"openai": 4, "anthropic": 2, "groq": 2}


def test_example_custom_provider(example):
    server = fake.Fake(fake.provider)
    try:
        document, gateway, variables = example("custom-provider", server.url)
        assert gateway.chat("acme/m").status == 200
        (asked,) = server.asked()
        assert asked.path == "/v2/chat"
        assert asked.headers["authorization"] == f"Bearer {variables['ACME_KEY']}"
        refused = gateway.request("POST", "/v1/embeddings", {"model": "acme/m", "input": "hi"})
        assert refused.status == 400 and len(server.asked()) == 1
    finally:
        server.stop()


def test_example_private_ca(example, sim, door, authority):
    _, gateway, _ = example(
        "private-ca", f"{door(sim.url).url}/openai", {"INTERNAL_CA_PEM": authority.pem}
    )
    assert gateway.chat("openai/m").status == 200
    assert sim.requests()[0]["path"] == "/openai/v1/chat/completions"


def test_example_tls_last_resort(example, sim, door):
    _, gateway, _ = example("tls-last-resort", door(sim.url).url)
    assert gateway.chat("openai/m").status == 200
    assert 'weir_upstream_insecure{provider="openai"} 1' in gateway.metrics()


@pytest.mark.parametrize("name, make", [("http", "tinyproxy"), ("socks5", "microsocks")])
def test_example_proxy(example, outside, name, make):
    login = Login.make()
    proxy = getattr(proxies, make)(outside, login)
    try:
        env = {"PROXY_USER": login.username, "PROXY_PASS": login.password}
        _, gateway, _ = example(f"proxy-{name}", env=env, proxy_url=proxy.url)
        before = proxy.said()
        assert gateway.chat("openai/m").status == 200
        assert len(proxy.said()) > len(before)
    finally:
        proxy.stop()


def test_example_proxy_environment(example, sim, outside):
    proxy = proxies.tinyproxy(outside)
    try:
        _, gateway, _ = example("proxy-environment", env={"HTTP_PROXY": proxy.url})
        assert gateway.chat("openai/m").status == 200
        assert gateway.chat("groq/m").status == 200
        by_proxy, straight = (dict(entry["headers"]) for entry in sim.requests())
        assert "via" in by_proxy and "via" not in straight
    finally:
        proxy.stop()


def test_example_proxy_intercepting(example, sim, door, outside, authority):
    proxy = proxies.mitmproxy(outside, authority)
    try:
        env = {"PROXY_CA_PEM": proxy.authority}
        way = door(sim.url)
        _, gateway, _ = example("proxy-intercepting", way.url, env, proxy.url)
        assert gateway.chat("openai/m", timeout=20).status == 200
    finally:
        proxy.stop()


def test_every_example_is_run(repository):
    """A file that is added gets a test."""
    text = (repository / "tests/python/test_examples.py").read_text()
    for path in (repository / "deploy/examples").glob("*.json"):
        name = path.stem
        family = f'"proxy-{{name}}"' if name in ("proxy-http", "proxy-socks5") else f'"{name}"'
        assert family in text.partition("def test_every_example")[0], f"{name} is not run"
