"""Hosts that serve one conversation in several formats: which of their endpoints is asked, with which
credential, and that a request which they understand reaches them as it was written.
"""

import json

import pytest
from harness.config import Config, Key

# Spaces, an escape and an order that no writer of ours has.
MESSAGES = (
    '{ "max_tokens":64,"model" : "%s", "messages": [{"content":"hi \\u00e9","role":"user"}],'
    ' "stop_sequences": ["~"] }'
)
RESPONSES = '{ "input":"hi \\u00e9", "store" : false,"model": "%s","max_output_tokens": 64}'
HOSTS = {
    "deepseek": "/anthropic/v1/messages",
    "fireworks": "/v1/messages",
    "vllm": "/v1/messages",
    "sgl": "/v1/messages",
}
MODEL = "deepseek-x"


def provider(name: str, sim, extra: dict | None = None) -> Config:
    extra = dict(extra or {})
    if name == "vllm":
        extra["vllm_key_config"] = {"url": sim.url, "model_name": MODEL}
    if name == "sgl":
        extra["sgl_key_config"] = {"url": sim.url}
    config = Config().provider(name, sim.url, [Key("main", extra=extra)])
    if name in ("vllm", "sgl"):
        del config.document["providers"][name]["network_config"]["base_url"]
    return config


def post(gateway, path: str, body: str | dict):
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    answer = gateway.request("POST", path, text.encode(), headers=headers)
    assert answer.status == 200, answer.body
    return answer


@pytest.mark.parametrize("host", HOSTS)
def test_messages_reach_a_host_that_has_them_as_they_were_written(start, sim, host):
    config = provider(host, sim)
    gateway = start(config)
    answer = post(gateway, "/v1/messages", MESSAGES % f"{host}/{MODEL}")
    (entry,) = sim.requests()
    assert (entry["path"], entry["body"]) == (HOSTS[host], MESSAGES % MODEL)
    assert entry["key"] == config.secret("main")
    headers = dict(entry["headers"])
    assert headers["anthropic-version"] == "2023-06-01"
    assert answer.json()["type"] == "message"


@pytest.mark.parametrize("host", HOSTS)
def test_a_key_chooses_the_endpoints_of_every_client(start, sim, host):
    gateway = start(provider(host, sim, {"use_anthropic_endpoints": True}))
    chat = {"model": f"{host}/{MODEL}", "messages": [{"role": "user", "content": "hi"}]}
    answer = post(gateway, "/v1/chat/completions", chat).json()
    assert answer["choices"][0]["message"]["content"].endswith("You said: hi")
    post(gateway, "/v1/responses", {"model": f"{host}/{MODEL}", "input": "hi"})
    events = gateway.stream(f"{host}/{MODEL}", messages=chat["messages"]).read()
    assert events.text.endswith("You said: hi") and events.done
    assert [entry["path"] for entry in sim.requests()] == [HOSTS[host]] * 3


def test_an_alias_chooses_before_its_key(start, sim):
    aliases = {
        "old": {"model_id": "m", "use_anthropic_endpoints": False},
        "new": {"model_id": "m", "use_anthropic_endpoints": True},
    }
    gateway = start(provider("deepseek", sim, {"aliases": aliases}))
    post(gateway, "/v1/messages", MESSAGES % "deepseek/old")
    post(gateway, "/v1/chat/completions", {"model": "deepseek/new", "messages": [
        {"role": "user", "content": "hi"}]})  # fmt: skip
    paths = [entry["path"] for entry in sim.requests()]
    assert paths == ["/chat/completions", "/anthropic/v1/messages"]


@pytest.mark.parametrize("host", ["vllm", "fireworks", "groq", "xai", "openrouter"])
def test_responses_reach_a_host_that_has_them_as_they_were_written(start, sim, host):
    gateway = start(provider(host, sim))
    post(gateway, "/v1/responses", RESPONSES % f"{host}/{MODEL}")
    (entry,) = sim.requests()
    assert (entry["path"], entry["body"]) == ("/v1/responses", RESPONSES % MODEL)


AZURE = {"azure_key_config": {"endpoint": "{url}"}}
VERTEX = {"vertex_key_config": {"project_id": "p", "region": "us-central1"}}
BEDROCK = {"bedrock_key_config": {"region": "us-east-1"}}
GOOGLE = (
    "/v1beta1/projects/p/locations/us-central1/publishers/google/models/tuned-1:generateContent"
)


@pytest.mark.parametrize(
    ("host", "block", "alias", "path"),
    [
        ("azure", AZURE, {"model_family": "anthropic"}, "/anthropic/v1/messages"),
        ("azure", AZURE, {"model_name": "claude-sonnet-5"}, "/anthropic/v1/messages"),
        ("azure", AZURE, {"model_name": "claude-x", "model_family": "openai"},
         "/openai/v1/chat/completions"),
        ("azure", AZURE, {}, "/openai/v1/chat/completions"),
        ("vertex", VERTEX, {"model_family": "gemini"}, GOOGLE),
        ("vertex", VERTEX, {"model_name": "gemini-2.5-pro"}, GOOGLE),
    ],
)  # fmt: skip
def test_the_family_of_an_alias_decides_the_format(start, sim, host, block, alias, path):
    extra = json.loads(json.dumps(block).replace("{url}", sim.url))
    extra["aliases"] = {"fast": {"model_id": "tuned-1", **alias}}
    config = Config().provider(host, sim.url, [Key("main", extra=extra)])
    if host == "azure":
        del config.document["providers"][host]["network_config"]["base_url"]
    chat = {"model": f"{host}/fast", "messages": [{"role": "user", "content": "hi"}]}
    answer = post(start(config), "/v1/chat/completions", chat).json()
    assert answer["choices"][0]["message"]["content"].endswith("You said: hi")
    (entry,) = sim.requests()
    assert entry["path"] == path


def test_rules_of_models_go_by_the_common_name_of_an_alias(start, sim):
    """A profile's ARN says nothing of the model behind it, which thinks as that model does."""
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    aliases = {"known": {"model_id": arn, "model_name": "anthropic.claude-sonnet-4-5"}}
    extra = {**BEDROCK, "aliases": aliases}
    gateway = start(Config().provider("bedrock", sim.url, [Key("main", extra=extra)]))
    chat = {"messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "low"}
    post(gateway, "/v1/chat/completions", {"model": "bedrock/known", **chat})
    (entry,) = sim.requests()
    extra = json.loads(entry["body"])["additionalModelRequestFields"]
    assert extra["thinking"]["type"] == "enabled"


def test_a_bare_model_under_a_vendors_prefix_is_that_vendors(start, sim):
    config = Config().provider("openai", sim.url).provider("mistral", f"{sim.url}/mistral")
    gateway = start(config)
    chat = {"model": "mistral-small", "messages": [{"role": "user", "content": "hi"}]}
    post(gateway, "/mistral/v1/chat/completions", chat)
    post(gateway, "/mistral/v1/embeddings", {"model": "mistral-embed", "input": ["a"]})
    keys = {entry["key"] for entry in sim.requests()}
    assert keys == {config.secret("mistral-1")}
    models = gateway.request("GET", "/mistral/v1/models").json()["data"]
    assert models and all(model["owned_by"] for model in models)
