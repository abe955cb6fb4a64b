"""One judge for configuration: what `check` says of a file, here and now, is what a start makes of it.

What a variable holds is judged like the text in the file. It costs its key or its provider, by name;
no library's words about it hold a piece of it.
"""

import base64
import contextlib
import json
import secrets as random
import subprocess
import time
from dataclasses import dataclass

import pytest
from harness import forms, http
from harness.gateway import Service
from harness.process import Process, ProcessError

KEYLESS = {"custom_provider_config": {"base_provider_type": "openai", "is_key_less": True}}


@dataclass
class Outcome:
    """What came of a file, from both."""

    code: int
    said: str
    # `None`: it did not start.
    service: Service | None
    process: Process

    @property
    def output(self) -> str:
        return self.said + "\n" + self.process.output


@pytest.fixture
def judged(weir, tmp_path):
    """Gives a file to `check`, and to a start with the same environment."""
    with contextlib.ExitStack() as stack:

        def judged(providers: dict, env: dict, flags=(), **rest) -> Outcome:
            path = tmp_path / "config.json"
            path.write_text(json.dumps({"providers": providers, **rest}))
            checked = subprocess.run(
                [weir, "check", *flags, path], env=env, capture_output=True, text=True, timeout=30
            )
            argv = [weir, "serve", "--config", path, "--listen", "127.0.0.1:0"]
            argv = [*map(str, argv), "--admin", "127.0.0.1:0", "--log-level", "trace", *flags]
            process = Process(f"judged-{time.monotonic_ns()}", argv, env, tmp_path)
            stack.callback(process.kill)
            try:
                service = Service.of(process)
            except ProcessError:
                service = None
            return Outcome(checked.returncode, checked.stdout + checked.stderr, service, process)

        yield judged


def ask(service: Service, model: str) -> http.Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return http.request("POST", f"{service.url}/v1/chat/completions", body)


def keyless(url: str, **more) -> dict:
    network = {"base_url": url, **more.pop("network", {})}
    return {**KEYLESS, "network_config": network, **more}


def key(**more) -> dict:
    return {"name": "box", "models": ["*"], "weight": 1, **more}


# Value of the variable BAD, the provider that refers to it, and what is said of it.
def network(**fields) -> dict:
    return {**KEYLESS, "network_config": {"base_url": "http://127.0.0.1:9", **fields}}


BAD_VALUES = {
    "header": ("blue\ngreen", network(extra_headers={"x-team": "env.BAD"}), "control characters"),
    "address": ("nonsense", network(base_url="env.BAD"), "without a scheme"),
    "scheme": ("ftp://127.0.0.1", network(base_url="env.BAD"), "another scheme"),
    "url of a key": ("::::", {"keys": [key(ollama_key_config={"url": "env.BAD"})]}, "scheme"),
    "certificate": ("-----BEGIN CERTIFICATE-----\n??", network(ca_cert_pem="env.BAD"), "PEM"),
    "proxy": (
        "socks5://127.0.0.1:1",
        {**network(), "proxy_config": {"type": "http", "url": "env.BAD"}},
        "another scheme",
    ),
    "key": ("sk-1\u2013two", {"keys": [key(value="env.BAD")]}, "not ASCII"),
    "region": (
        "us east",
        {"keys": [key(value="v", bedrock_key_config={"region": "env.BAD"})]},
        "region",
    ),
    "account": (
        '{"type": ',
        {"keys": [key(vertex_key_config={
            "project_id": "p", "region": "r", "auth_credentials": "env.BAD"})]},
        "service account",
    ),
    "unset": ("", {"keys": [key(value="env.BAD")]}, "not set or empty"),
}  # fmt: skip
NAMES = {"url of a key": "ollama", "key": "openai", "region": "bedrock", "account": "vertex",
         "unset": "openai"}  # fmt: skip


@pytest.mark.parametrize("what", BAD_VALUES)
def test_a_bad_value_costs_its_provider_and_no_other(judged, sim, what):
    value, provider, words = BAD_VALUES[what]
    name = NAMES.get(what, "bad")
    providers = {"good": keyless(sim.url), name: provider}
    outcome = judged(providers, {"BAD": value})
    assert outcome.code == 0 and outcome.service, outcome.output
    assert ask(outcome.service, "good/m").status == 200
    refused = ask(outcome.service, f"{name}/m")
    assert refused.status >= 400
    # `check`, the log, and whoever asks how it is.
    detail = outcome.service.readiness().json()["detail"]["providers"]
    assert detail["good"] == {"usable_keys": 1, "unusable_keys": {}}
    ((_, why),) = detail[name]["unusable_keys"].items()
    for said in (outcome.said, outcome.process.output, why):
        assert "BAD" in said and words in said, said
    assert "cannot be used: 1" in outcome.said
    strict = judged(providers, {"BAD": value}, ["--strict"])
    assert strict.code == 1 and not strict.service, strict.output


BAD_FILES = {
    "the same in other letters": {"mistral": {"keys": [key(value="v") | {"models": ["Mistral/o"]}]}},
    "header that Weir writes": {"bad": network(extra_headers={"accept-encoding": "gzip"})},
    "header twice": {"bad": network(extra_headers={"x-a": "1", "X-A": "2"})},
    "signed header": {
        "bedrock": {
            "keys": [key(value="v", bedrock_key_config={"region": "r"})],
            "network_config": {"extra_headers": {"Authorization": "Basic x"}},
        }
    },
    "address without a scheme": {"bad": network(base_url="api.example.com")},
    "model behind its provider": {"openai": {"keys": [key(value="v") | {"models": ["openai/o"]}]}},
    "no provider that is served": {},
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_is_refused_by_both(judged, what):
    outcome = judged(BAD_FILES[what], {})
    assert outcome.code == 1 and not outcome.service, outcome.output


def test_the_store_is_needed_by_everything(judged, sim):
    good = {"good": keyless(sim.url)}
    for value in ("", "redis:6379", "http://redis:6379"):
        outcome = judged(good, {"STORE": value}, quota_store={"url": "env.STORE"})
        assert outcome.code == 1 and not outcome.service, outcome.output
        assert "quota_store.url" in outcome.said and "STORE" in outcome.process.output


def test_an_address_may_lack_its_scheme_where_one_can_be_meant(judged, sim):
    host = sim.url.removeprefix("http://")
    providers = {
        "ollama": {"keys": [key(ollama_key_config={"url": "env.OLLAMA_HOST"})]},
        "name": keyless("env.NAME"),
        "literal": keyless(host),
    }
    env = {"OLLAMA_HOST": host, "NAME": host.replace("127.0.0.1", "localhost") + "\n"}
    outcome = judged(providers, env)
    assert outcome.code == 0 and outcome.service, outcome.output
    for name in providers:
        assert ask(outcome.service, f"{name}/m").status == 200, outcome.output
    assert outcome.said.count("taken as http://") == 3, outcome.said


def test_white_space_around_values_is_cut_off_and_said(judged, sim):
    providers = {
        "openai": {
            "keys": [key(value="env.KEY")],
            "network_config": {"base_url": "env.URL", "extra_headers": {"x-team": "env.TEAM"}},
        }
    }
    env = {"KEY": "\ufeffsk-trimmed\n", "URL": f" {sim.url}\r\n", "TEAM": "blue\n"}
    outcome = judged(providers, env)
    assert outcome.code == 0 and outcome.service, outcome.output
    assert ask(outcome.service, "openai/m").status == 200
    request = sim.requests()[-1]
    assert (request["key"], dict(request["headers"])["x-team"]) == ("sk-trimmed", "blue")
    for variable in env:
        assert f"variable {variable}: white space" in outcome.said, outcome.said


def test_a_certificate_in_one_line(judged, sim, door, authority):
    pem = authority.pem
    url = door(sim.url).url
    lines = {
        "escaped": pem.replace("\n", "\\n"),
        "windows": pem.replace("\n", "\\r\\n"),
        "blanks": pem.replace("\n", " "),
        "as_it_is": pem,
    }
    providers = {name: keyless(url, network={"ca_cert_pem": f"env.{name}"}) for name in lines}
    outcome = judged(providers, lines)
    assert outcome.code == 0 and outcome.service, outcome.output
    for name in lines:
        assert ask(outcome.service, f"{name}/m").status == 200, (name, outcome.output)


# === what is said of values ===

# Ways to break a value that holds a secret.
WAYS = {
    "two lines": "{}\n{}",
    "control": "\x01{}",
    "blanks": "{} {}",
    "not ascii": "{}\u2013{}",
    "quoted": '"{}',
    "backslashes": "\\{}\\",
    "address": "http://user:{}@[",
    "credentials": "http://user:{}@127.0.0.1:9/",
    "port": "http://127.0.0.1:{}",
    "scheme": "{}://127.0.0.1",
    "query": "https://127.0.0.1/?key={}",
    "json": '{{"type": "service_account", "private_key": "{}"',
    "account": '{{"type": "service_account", "private_key": "{}", "client_email": "{}"}}',
    "certificate": "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
    "one line": "-----BEGIN CERTIFICATE-----\\n{}\\n-----END CERTIFICATE-----\\n",
    "cut": "-----BEGIN PRIVATE KEY-----\\n{}",
    "marker": "-----BEGIN {}",
    "key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
    "arn": "arn:aws:bedrock:{}",
    "long": "{} " * 40,
}


def referring(schema: dict, part: dict, path: str, made: dict):
    """A value for a part of the format, with a variable wherever a reference can stand."""
    for _ in range(3):
        while "$ref" in part:
            target = part["$ref"].rpartition("/")[2]
            if target == "Reference":
                variable = f"V{len(made)}"
                made[variable] = path
                return f"env.{variable}"
            part = schema["$defs"][target]
        kinds = [one for one in part.get("anyOf", []) if one.get("type") != "null"]
        part = kinds[-1] if kinds else part
    if "properties" not in part:
        return None
    fields = {
        name: referring(schema, inner, f"{path}.{name}", made)
        for name, inner in part["properties"].items()
    }
    return {name: value for name, value in fields.items() if value}


def everything(weir) -> tuple[dict, dict]:
    """Providers with a variable wherever the format knows a reference, and what each stands for."""
    schema = json.loads(subprocess.run([weir, "schema"], capture_output=True, text=True).stdout)
    parts, made, providers = schema["$defs"], {}, {}
    vendors = {
        "azure": "azure_key_config", "bedrock": "bedrock_key_config",
        "bedrock_mantle": "bedrock_mantle_key_config", "vertex": "vertex_key_config",
        "vllm": "vllm_key_config", "ollama": "ollama_key_config", "sgl": "sgl_key_config",
        "databricks": "databricks_key_config", "openai": None,
    }  # fmt: skip
    owners = {
        "azure": ["endpoint", "api_version", "anthropic_version"],
        "bedrock": ["region", "project_id", "inference_profile_arn"],
        "bedrock_mantle": ["region", "project_id"],
        "vertex": ["region", "project_id", "project_number"],
    }
    for vendor, block in vendors.items():
        at = f"{vendor}.key"
        made_key = key(value=referring(schema, {"$ref": "#/$defs/Reference"}, f"{at}.value", made))
        if block:
            name = parts["Key"]["properties"][block]
            made_key[block] = referring(schema, name, f"{at}.{block}", made) or {}
            if vendor == "vllm":
                made_key[block]["model_name"] = "m"
        if vendor in owners:
            alias = {"model_id": "m"}
            for field in owners[vendor]:
                reference = {"$ref": "#/$defs/Reference"}
                alias[field] = referring(schema, reference, f"{at}.alias.{field}", made)
            made_key["aliases"] = {"fast": alias}
        # A second one without a value, so that whatever else says who calls is looked at.
        second = {name: value for name, value in made_key.items() if name != "value"}
        providers[vendor] = {"keys": [made_key, {**second, "name": "other"}]}
    # Nothing of this may go to anybody.
    providers["openai"]["network_config"] = {"base_url": "http://127.0.0.1:9"}
    for kind in ("http", "socks5"):
        network = referring(schema, parts["Network"], f"{kind}.network", made)
        reference = {"$ref": "#/$defs/Reference"}
        network["extra_headers"] = {
            name: referring(schema, reference, f"{kind}.header.{name}", made)
            for name in ("x-team", "authorization")
        }
        proxy = referring(schema, parts["Proxy"], f"{kind}.proxy", made)
        providers[kind] = {**KEYLESS, "network_config": network, "proxy_config": {**proxy, "type": kind}}
    providers["environment"] = {
        **KEYLESS, "network_config": {"base_url": "http://127.0.0.1:9"},
        "proxy_config": {"type": "environment"},
    }  # fmt: skip
    return providers, made


def broken(way: str, secret: str) -> str:
    return WAYS[way].replace("{{", "{").replace("}}", "}").replace("{}", secret)


@pytest.mark.parametrize("way", WAYS)
def test_the_stores_address_is_never_said(judged, sim, way):
    secret = random.token_hex(12)
    env = {"STORE": broken(way, secret)}
    outcome = judged({"good": keyless(sim.url)}, env, quota_store={"url": "env.STORE"})
    assert outcome.code == 1 and not outcome.service, outcome.output
    assert not forms.found(outcome.output, [secret]), outcome.output


@pytest.mark.parametrize("way", WAYS)
def test_no_form_of_a_value_is_in_anything_that_is_said(judged, weir, sim, way):
    providers, variables = everything(weir)
    assert len(variables) > 45, variables
    # Text, so that it fits everywhere; random, so that finding it means something.
    hidden = {name: random.token_urlsafe(18).replace("-", "x").replace("_", "y") for name in variables}
    hidden |= {name: random.token_hex(12) for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    if "@" in WAYS[way]:
        # A list of hosts is no secret, and its entries are named, unless it holds a user.
        hidden["NO_PROXY"] = random.token_hex(12)
    env = {name: broken(way, secret) for name, secret in hidden.items()}
    outcome = judged({"good": keyless(sim.url), **providers}, env)
    assert outcome.code == 0 and outcome.service, outcome.output
    texts = [outcome.said]
    assert ask(outcome.service, "good/m").status == 200
    for name in providers:
        for model in ("m", "fast"):
            answer = ask(outcome.service, f"{name}/{model}")
            texts.append(f"{answer.headers} {answer.body.decode(errors='replace')}")
    texts += [outcome.service.metrics(), outcome.service.readiness().body.decode()]
    outcome.process.terminate()
    outcome.process.wait()
    texts.append(outcome.process.output)
    for text in texts:
        leaked = forms.found(text, list(hidden.values()))
        places = {variables.get(name, name) for name, secret in hidden.items() if secret in leaked}
        assert not leaked, (places, text)


def test_the_search_finds_every_form():
    """A search that finds nothing proves nothing."""
    hidden = random.token_urlsafe(18)
    raw = hidden.encode()
    for plant in [
        hidden,
        hidden.upper(),
        f"...{hidden[5:15]}...",
        str(list(raw)),
        f"illegal section start: {list(b'-----BEGIN ' + raw)}",
        " ".join(map(str, raw)),
        raw.hex(),
        raw.hex(":").upper(),
        f"f{raw.hex()}",
        "".join(f"\\x{byte:02x}" for byte in raw),
        "".join(f"\\u{byte:04x}" for byte in raw),
        "".join(f"\\u{{{byte:x}}}" for byte in raw),
        "".join(f"%{byte:02X}" for byte in raw),
        ", ".join(f"0x{byte:02x}" for byte in raw),
        *(base64.b64encode(b"a" * start + raw).decode() for start in range(4)),
        base64.urlsafe_b64encode(b"user:" + raw).decode(),
    ]:
        assert forms.found(f"some words {plant} and more", [hidden]) == [hidden], plant
    assert not forms.found(f"{hidden[:7]} {random.token_hex(40)} [45, 45, 66, 69, 71]", [hidden])
