"""Where models are called: what keys and aliases say of regions, projects, addresses and versions."""

import json

import pytest
from botocore.credentials import Credentials
from harness import fake, secrets
from harness.clouds import assert_signed
from harness.config import Config, Key

ARN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.fixture
def upstream():
    server = fake.Fake(fake.provider)
    yield server
    server.stop()


@pytest.fixture
def ask(start, upstream):
    """Sends a chat for each model to a provider with one key, and returns what arrived there."""

    def ask(name: str, models: list[str], **key) -> list[fake.Asked]:
        return ask_keys(name, models, [Key(f"{name}-1", extra=key)])

    def ask_keys(name: str, models: list[str], keys: list[Key]) -> list[fake.Asked]:
        gateway = start(Config().provider(name, upstream.url, keys))
        for model in models:
            answer = gateway.chat(f"{name}/{model}")
            assert answer.status == 200, answer.body
        return upstream.asked()

    ask.keys = ask_keys
    return ask


def aws_block(**more) -> tuple[dict, Credentials]:
    """A block with keys of its own, and the same for botocore."""
    secret = secrets.make()
    block = {"region": "us-east-1", "access_key": "AKIATEST", "secret_key": secret, **more}
    return block, Credentials("AKIATEST", secret)


def model_path(name: str, action: str = "converse") -> str:
    return f"/model/{name.replace(':', '%3A').replace('/', '%2F')}/{action}"


def test_field_aliases_region_bedrock(ask):
    block, credentials = aws_block()
    aliases = {"eu": {"model_id": "m-1", "region": "eu-central-1"}, "plain": "m-2"}
    eu, plain = ask(
        "bedrock", ["eu", "plain"], value="", bedrock_key_config=block, aliases=aliases
    )
    assert (eu.path, plain.path) == (model_path("m-1"), model_path("m-2"))
    assert_signed(eu, credentials, "bedrock", "eu-central-1")
    assert_signed(plain, credentials, "bedrock", "us-east-1")


def test_field_bedrock_key_config_arn(ask):
    block, credentials = aws_block(arn=f"{ARN}inference-profile")
    whole = f"{ARN}application-inference-profile/abc"
    asked = ask("bedrock", ["us.m-1:0", whole], value="", bedrock_key_config=block)
    assert asked[0].path == model_path(f"{ARN}inference-profile/us.m-1:0")
    assert asked[1].path == model_path(whole)
    for one in asked:
        assert_signed(one, credentials, "bedrock", "us-east-1")


def test_field_aliases_inference_profile_arn(ask):
    block, credentials = aws_block(arn=f"{ARN}inference-profile/")
    profile = f"{ARN}application-inference-profile"
    aliases = {
        "one": {"model_id": "claude-x", "inference_profile_arn": f"{profile}/abc123"},
        "kind": {"model_id": "abc123", "inference_profile_arn": profile},
    }
    asked = ask("bedrock", ["one", "kind"], value="", bedrock_key_config=block, aliases=aliases)
    for one in asked:
        assert one.path == model_path(f"{profile}/abc123")
        assert_signed(one, credentials, "bedrock", "us-east-1")


def test_field_bedrock_key_config_project_id(ask):
    block, credentials = aws_block(project_id="proj-1")
    aliases = {"b": {"model_id": "openai.gpt-5.6-x", "project_id": "proj-2"}}
    models = ["openai.gpt-oss-20b", "b", "us.openai.gpt-x", "nova-x"]
    asked = ask("bedrock", models, value="", bedrock_key_config=block, aliases=aliases)
    assert [one.path for one in asked] == [
        "/v1/chat/completions",
        "/openai/v1/chat/completions",
        model_path("us.openai.gpt-x"),
        model_path("nova-x"),
    ]
    projects = [one.headers.get("openai-project") for one in asked]
    assert projects == ["proj-1", "proj-2", None, None]
    for one, service in zip(asked, ["bedrock-mantle", "bedrock-mantle", "bedrock", "bedrock"]):
        assert_signed(one, credentials, service, "us-east-1")


def test_field_bedrock_mantle_key_config_region_and_access_key_and_secret_key_and_project_id(ask):
    block, credentials = aws_block(project_id="proj-1")
    aliases = {
        "far": {"model_id": "openai.gpt-6-x", "region": "eu-west-1", "project_id": "proj-2"}
    }
    models = ["openai.gpt-oss-20b", "anthropic.claude-x", "far"]
    asked = ask(
        "bedrock_mantle", models, value="", bedrock_mantle_key_config=block, aliases=aliases
    )
    chat, claude, far = asked
    assert chat.path == "/v1/chat/completions"
    assert chat.headers["openai-project"] == "proj-1"
    assert claude.path == "/anthropic/v1/messages"
    assert claude.headers["anthropic-workspace-id"] == "proj-1"
    assert claude.headers["anthropic-version"] == "2023-06-01"
    assert far.path == "/openai/v1/chat/completions"
    assert far.headers["openai-project"] == "proj-2"
    for one, region in zip(asked, ["us-east-1", "us-east-1", "eu-west-1"]):
        assert_signed(one, credentials, "bedrock-mantle", region)


def test_field_value_bedrock_mantle(ask):
    key = Key("m-1", extra={"bedrock_mantle_key_config": {"region": "us-east-1"}})
    for asked in ask.keys("bedrock_mantle", ["openai.gpt-oss-20b", "anthropic.claude-x"], [key]):
        assert asked.headers["authorization"] == f"Bearer {key.secret}"
        assert "openai-project" not in asked.headers


def test_field_aliases_endpoint_and_versions_azure(ask, upstream):
    other = fake.Fake(fake.provider)
    aliases = {
        "far": {"model_id": "gpt-x", "endpoint": other.url, "api_version": "2025-01-01"},
        "claude": {"model_id": "claude-x", "anthropic_version": "2024-10-10"},
        "old-claude": "claude-x",
    }
    block = {"endpoint": upstream.url, "api_version": "2024-10-21"}
    try:
        models = ["gpt-x", "far", "claude", "old-claude"]
        here = ask("azure", models, azure_key_config=block, aliases=aliases)
        far = other.asked()
    finally:
        other.stop()
    at = "/openai/deployments/gpt-x/chat/completions?api-version="
    assert [one.target for one in far] == [f"{at}2025-01-01"]
    assert here[0].target == f"{at}2024-10-21"
    versions = [one.headers.get("anthropic-version") for one in here]
    assert versions == [None, "2024-10-10", "2023-06-01"]
    assert {one.path for one in here[1:]} == {"/anthropic/v1/messages"}


VERTEX = {"project_id": "my-p", "region": "us-east5"}


def vertex_path(project: str, region: str, model: str, version: str = "v1beta1") -> str:
    return (
        f"/{version}/projects/{project}/locations/{region}/publishers/google/models/{model}"
        ":generateContent"
    )


def test_field_aliases_region_and_project_vertex(ask):
    aliases = {
        "eu": {"model_id": "gemini-2.5-x", "region": "europe-west4"},
        "other": {"model_id": "gemini-2.5-x", "project_id": "q"},
    }
    models = ["gemini-2.5-x", "eu", "other"]
    asked = ask("vertex", models, vertex_key_config=VERTEX, aliases=aliases)
    assert [one.path for one in asked] == [
        vertex_path("my-p", "us-east5", "gemini-2.5-x"),
        vertex_path("my-p", "europe-west4", "gemini-2.5-x"),
        vertex_path("q", "us-east5", "gemini-2.5-x"),
    ]


def test_field_force_single_region(ask):
    model = "gemini-3.5-x"
    aliases = {"here": {"model_id": model, "force_single_region": True}}
    asked = ask("vertex", [model, "here"], vertex_key_config=VERTEX, aliases=aliases)
    assert asked[0].path == vertex_path("my-p", "us", model)
    assert asked[1].path == vertex_path("my-p", "us-east5", model)
    block = {**VERTEX, "force_single_region": True}
    asked = ask("vertex", [model], vertex_key_config=block)
    assert asked[2].path == vertex_path("my-p", "us-east5", model)


@pytest.fixture
def tokens():
    server = fake.Fake(lambda _: (200, {"access_token": "granted-token", "expires_in": 3600}))
    yield server
    server.stop()


def test_field_project_number(ask, tokens):
    account = {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": secrets.make(),
        "refresh_token": secrets.make(),
        "token_uri": tokens.url,
    }
    block = {**VERTEX, "project_number": "77", "auth_credentials": secrets.Hidden(json.dumps(account))}
    aliases = {"mine": {"model_id": "4567", "project_number": "88"}}
    asked = ask("vertex", ["4567", "mine"], value="", vertex_key_config=block, aliases=aliases)
    for one, number in zip(asked, ["77", "88"]):
        expected = f"/v1beta1/projects/{number}/locations/us-east5/endpoints/4567:generateContent"
        assert one.path == expected
        assert one.headers["authorization"] == "Bearer granted-token"


def test_two_keys_map_one_alias_to_different_models(ask):
    keys = [
        Key(
            f"k-{region}",
            extra={
                "vertex_key_config": VERTEX,
                "aliases": {"smart": {"model_id": f"gemini-{region}", "region": region}},
            },
        )
        for region in ["us-west1", "asia-east1"]
    ]
    asked = ask.keys("vertex", ["smart"] * 4, keys)
    expected = {
        vertex_path("my-p", region, f"gemini-{region}"): key.secret
        for region, key in zip(["us-west1", "asia-east1"], keys)
    }
    assert {one.path: one.query["key"][0] for one in asked} == expected


def databricks(upstream, **more) -> dict:
    return {"databricks_key_config": {"workspace_url": upstream.url, **more}}


@pytest.mark.parametrize(
    "api_format, plain, dotted",
    [
        (None, "/serving-endpoints", "/ai-gateway/mlflow/v1"),
        ("auto", "/serving-endpoints", "/ai-gateway/mlflow/v1"),
        ("model_serving", "/serving-endpoints", "/serving-endpoints"),
        ("ai_gateway", "/ai-gateway/mlflow/v1", "/ai-gateway/mlflow/v1"),
    ],
)
def test_field_databricks_key_config_workspace_url_and_api_format(ask, upstream, api_format, plain, dotted):
    more = {"api_format": api_format} if api_format else {}
    key = Key("d-1", extra=databricks(upstream, **more))
    asked = ask.keys("databricks", ["databricks-llama", "system.ai.llama"], [key])
    assert [one.path for one in asked] == [
        f"{plain}/chat/completions",
        f"{dotted}/chat/completions",
    ]
    assert {one.headers["authorization"] for one in asked} == {f"Bearer {key.secret}"}
