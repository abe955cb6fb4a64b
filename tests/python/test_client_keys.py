"""Client keys: who may call, where each SDK puts its key, and what a key may reach."""

import hashlib
import os
import subprocess
import time

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import cohere
import openai
import pytest
from google import genai
from harness import secrets
from harness.config import Config, Key
from harness.fake import CHAT, Fake

OPEN = [{"provider": "*"}]


@pytest.fixture
def provider():
    fake = Fake(lambda asked: (200, CHAT))
    yield fake
    fake.stop()


class Closed:
    """A gateway that asks everybody for a key, and the values of its keys."""

    def __init__(self, start, provider, change=None, **keys):
        config = Config().provider("openai", provider.url, [Key("one"), Key("two")])
        config.provider("groq", provider.url, [Key("groq-1")])
        if change:
            change(config)
        self.values, listed = {}, []
        for name, settings in keys.items():
            variable = f"E2E_CLIENT_{name.upper()}"
            self.values[name] = config.env[variable] = f"sk-weir-{secrets.make()}"
            value = {"name": name, "value": f"env.{variable}"}
            listed.append({**value, **settings})
        config.document["governance"] = {"virtual_keys": listed}
        config.client(enforce_auth_on_inference=True)
        self.gateway = start(config)

    def chat(self, model, key, headers=None, **body):
        bearer = {"authorization": f"Bearer {self.values.get(key, key)}"} if key else {}
        return self.gateway.chat(model, headers={**bearer, **(headers or {})}, **body)


def test_nobody_comes_in_without_a_key(start, provider):
    ended = {"provider_configs": OPEN, "expires_at": "2020-01-01T00:00:00Z"}
    off = {"provider_configs": OPEN, "is_active": False}
    closed = Closed(start, provider, team={"provider_configs": OPEN}, old=ended, off=off)
    assert closed.chat("openai/m", "team").status == 200
    for key, code in [
        (None, "missing_key"),
        ("sk-something-else", "unknown_key"),
        ("old", "expired_key"),
        ("off", "inactive_key"),
    ]:
        answer = closed.chat("openai/m", key)
        assert answer.status == 401, answer.body
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("authentication_error", code)
    # Not even a list, and the provider saw one request.
    assert closed.gateway.request("GET", "/v1/models").status == 401
    assert len(provider.asked()) == 1
    # The gateway's health is everybody's.
    assert closed.gateway.request("GET", "/health").status == 200


def test_a_key_reaches_what_it_may_and_nothing_else(start, provider):
    few = {"provider": "openai", "allowed_models": ["a"], "key_ids": ["two"]}
    closed = Closed(start, provider, few={"provider_configs": [few]})
    for model in ["openai/a", "a"]:
        for _ in range(4):
            answer = closed.chat(model, "few")
            assert (answer.status, answer.headers["x-weir-key"]) == (200, "two"), answer.body
    seen = len(provider.asked())
    for model, more in [
        ("openai/b", {}),
        ("groq/a", {}),
        ("b", {}),
        ("openai/a", {"fallbacks": ["groq/a"]}),
    ]:
        answer = closed.chat(model, "few", **more)
        assert answer.status == 403, answer.body
        error = answer.json()["error"]
        assert error["code"] == "key_not_allowed" and '"few"' in error["message"]
    answer = closed.chat("openai/a", "few", {"x-bf-api-key": "one"})
    assert answer.status == 403, answer.body
    assert len(provider.asked()) == seen
    # What nobody could serve is told as to everybody, and its fallbacks are asked.
    assert closed.chat("openai/", "few").status == 400
    answer = closed.chat("nowhere/x", "few", fallbacks=["openai/a"])
    assert (answer.status, answer.headers["x-weir-key"]) == (200, "two"), answer.body


MODELS = {"object": "list", "data": [{"id": name, "object": "model"} for name in "abc"]}


def test_a_key_sees_the_models_that_it_may_reach(start):
    fake = Fake(lambda asked: (200, MODELS))
    few = {"provider": "openai", "allowed_models": ["a", "b"], "key_ids": ["two"]}
    others = {"provider": "*", "blacklisted_models": ["a"]}
    try:
        closed = Closed(
            start,
            fake,
            lambda config: config.provider(
                "openai",
                fake.url,
                [Key("one"), Key("two", models=["b", "c"])],
            ),
            few={"provider_configs": [few]},
            most={"provider_configs": [few, others]},
            all={"provider_configs": OPEN},
        )
        everything = ["groq/a", "groq/b", "groq/c", "openai/a", "openai/b", "openai/c"]
        for key, expected in [
            ("all", everything),
            ("few", ["openai/b"]),
            ("most", ["groq/b", "groq/c", "openai/b"]),
        ]:
            bearer = {"authorization": f"Bearer {closed.values[key]}"}
            for path in ["/v1/models", "/anthropic/v1/models", "/genai/v1beta/models"]:
                answer = closed.gateway.request(
                    "GET", path, headers={**bearer, "x-bf-list-models-provider": "all"}
                )
                listed = {name for name in everything if f'{name}"'.encode() in answer.body}
                assert listed == set(expected), (path, answer.body)
            one = lambda name: closed.gateway.request("GET", f"/v1/models/{name}", headers=bearer)
            for name in everything:
                answer = one(name)
                assert (answer.status == 200) == (name in expected), answer.body.decode()
        # One list of each provider for all of them.
        assert len(fake.asked()) <= 2 * len(closed.gateway.services)
    finally:
        fake.stop()


def test_shares_of_a_key_choose_the_provider_of_a_bare_model(start, provider):
    configs = [{"provider": "openai", "weight": 3}, {"provider": "groq", "weight": 1}]
    by_name = [{"provider": "openai"}, {"provider": "groq", "weight": 1}]
    closed = Closed(
        start, provider, both={"provider_configs": configs}, one={"provider_configs": by_name}
    )
    for key, share in [("both", 6), ("one", 0)]:
        answers = [closed.chat("m", key) for _ in range(8)]
        assert {answer.status for answer in answers} == {200}
        chosen = [answer.headers["x-weir-provider"] for answer in answers]
        # Each router keeps the shares for itself.
        assert abs(chosen.count("openai") - share) <= (2 if share else 0), chosen
    assert closed.chat("openai/m", "one").headers["x-weir-provider"] == "openai"


def test_keys_are_known_by_name_and_their_values_go_nowhere(start, provider):
    closed = Closed(start, provider, team={"provider_configs": OPEN})
    value = closed.values["team"]
    assert closed.chat("openai/m", "team").status == 200
    assert value not in str(provider.asked())
    metrics = closed.gateway.wait_until(
        lambda: [page for page in [closed.gateway.metrics()] if "client_key_requests" in page]
    )
    assert 'weir_client_key_requests_total{client_key="team",status="200"} 1' in str(metrics)
    logs = lambda: "".join(process.output for process in closed.gateway.processes)
    # A line is written when the last byte has gone.
    closed.gateway.wait_until(lambda: 'client_key="team"' in logs())
    assert value not in logs()


def test_a_new_key_is_used_by_its_hash(start, provider):
    printed = subprocess.run([os.environ["WEIR_BIN"], "key", "new"], capture_output=True, text=True, check=True)
    words = dict(line.split(maxsplit=1) for line in printed.stdout.splitlines()[:2])
    value, digest = words["value"], words["hash"]
    assert digest == "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    config = Config().provider("openai", provider.url)
    key = {"name": "new", "value": digest, "provider_configs": OPEN}
    config.document["governance"] = {"virtual_keys": [key]}
    gateway = start(config.client(enforce_auth_on_inference=True))
    assert gateway.chat("openai/m", headers={"x-api-key": value}).status == 200
    assert gateway.chat("openai/m", headers={"x-api-key": digest}).status == 401


def _openai(url, key):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
    client.chat.completions.create(model="openai/m", messages=[{"role": "user", "content": "x"}])


def _azure(url, key):
    client = openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-10-21")
    client.chat.completions.create(model="openai/m", messages=[{"role": "user", "content": "x"}])


def _anthropic(url, key):
    client = anthropic.Anthropic(base_url=f"{url}/anthropic", api_key=key)
    message = {"role": "user", "content": "x"}
    client.messages.create(model="openai/m", max_tokens=9, messages=[message])


def _genai(url, key):
    client = genai.Client(api_key=key, http_options={"base_url": f"{url}/genai"})
    client.models.generate_content(model="openai/m", contents="x")


def _cohere(url, key):
    client = cohere.ClientV2(base_url=f"{url}/cohere", api_key=key)
    client.chat(model="openai/m", messages=[{"role": "user", "content": "x"}])


def _bedrock(url, key):
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{url}/bedrock",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="whatever",
        config=botocore.config.Config(retries={"total_max_attempts": 3}),
    )
    message = {"role": "user", "content": [{"text": "x"}]}
    client.converse(modelId="openai/m", messages=[message])


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        (_openai, openai.AuthenticationError),
        (_azure, openai.AuthenticationError),
        (_anthropic, anthropic.AuthenticationError),
        (_genai, genai.errors.ClientError),
        (_cohere, cohere.UnauthorizedError),
        (_bedrock, botocore.exceptions.ClientError),
    ],
)
def test_every_sdk_signs_in_with_a_client_key(start, provider, call, refusal):
    closed = Closed(start, provider, team={"provider_configs": OPEN})
    url = closed.gateway.url
    call(url, closed.values["team"])
    begun = time.monotonic()
    with pytest.raises(refusal) as caught:
        call(url, "sk-not-a-key-of-this-gateway")
    assert time.monotonic() - begun < 5
    assert "client key" in str(caught.value)
    assert len(provider.asked()) == 1
