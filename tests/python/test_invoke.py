"""Bedrock's InvokeModel with Amazon's own client: bodies in the words of the model's maker, untouched
to Bedrock, and Claude's to any other provider as well.
"""

import json
from contextlib import closing

import anthropic
import boto3
import pytest
from botocore.exceptions import ClientError, EventStreamError
from harness.config import Config, Key
from sdks.bedrock_runtime import OPTIONS

BLOCK = {"bedrock_key_config": {"region": "us-east-1"}}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
VERSION = "bedrock-2023-05-31"
BODY = {
    "anthropic_version": VERSION,
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}
OTHERS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
# Bodies of makers whose words nobody else speaks, and where their answer stands.
MAKERS = [
    ("amazon.titan-text-premier-v1:0", {"inputText": "hi"}, ("results", 0, "outputText")),
    ("amazon.titan-embed-text-v2:0", {"inputText": "hi", "dimensions": 256}, ("embedding",)),
    ("meta.llama3-70b-instruct-v1:0", {"prompt": "hi", "max_gen_len": 50}, ("generation",)),
    ("mistral.mistral-7b-instruct-v0:2", {"prompt": "hi"}, ("outputs", 0, "text")),
    ("amazon.nova-pro-v1:0", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
     ("output", "message", "content", 0, "text")),
    ("cohere.embed-v4:0", {"texts": ["a", "b"], "input_type": "search_query"}, ("embeddings", 1)),
]  # fmt: skip


def config(sim) -> Config:
    made = Config().provider("bedrock", sim.url, [Key("bedrock-1", extra=BLOCK)])
    for name in OTHERS:
        made.provider(name, sim.url)
    return made


@pytest.fixture
def gateway(start, sim):
    return start(config(sim))


@pytest.fixture
def client(gateway):
    session = boto3.session.Session()
    return session.client("bedrock-runtime", endpoint_url=f"{gateway.url}/bedrock", **OPTIONS)


def invoke(client, model: str, body: dict | str) -> dict:
    text = body if isinstance(body, str) else json.dumps(body)
    return json.loads(client.invoke_model(modelId=model, body=text)["body"].read())


def events(client, model: str, body: dict) -> list[dict]:
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    with closing(answer["body"]) as stream:
        return [json.loads(event["chunk"]["bytes"]) for event in stream]


def said(events: list[dict]) -> str:
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)


def test_claude_on_bedrock_untouched(client, sim):
    written = json.dumps(BODY).replace("hi", "h\\u0069") + " "
    answer = invoke(client, CLAUDE, written)
    assert answer["type"] == "message" and answer["content"][0]["text"].endswith("You said: hi")
    seen = events(client, CLAUDE, BODY)
    assert [seen[0]["type"], seen[-1]["type"]] == ["message_start", "message_stop"]
    assert seen[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0
    assert said(seen).endswith("You said: hi")
    first, second = sim.requests()
    assert first["body"] == written and first["path"].endswith("/invoke")
    assert second["path"].endswith("/invoke-with-response-stream")


@pytest.mark.parametrize("provider", OTHERS)
def test_claudes_words_reach_every_provider(client, provider):
    model = f"{provider}/{OTHERS[provider]}"
    answer = invoke(client, model, BODY)
    assert answer["type"] == "message" and answer["stop_reason"] == "end_turn"
    assert answer["content"][0]["text"].endswith("You said: hi")
    seen = events(client, model, BODY)
    assert [seen[0]["type"], seen[-1]["type"]] == ["message_start", "message_stop"]
    assert said(seen).endswith("You said: hi")


def test_tools_in_claudes_words_on_another_provider(client):
    tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
    body = {**BODY, "tools": [tool]}
    body["messages"] = [{"role": "user", "content": "call get_weather"}]
    answer = invoke(client, "openai/gpt-4o", body)
    assert answer["stop_reason"] == "tool_use"
    (block,) = [block for block in answer["content"] if block["type"] == "tool_use"]
    assert block["name"] == "get_weather"


@pytest.mark.parametrize(("model", "body", "place"), MAKERS, ids=[row[0] for row in MAKERS])
def test_every_makers_words_pass_to_bedrock(client, sim, model, body, place):
    written = json.dumps(body) + " "
    answer = invoke(client, model, written)
    for step in place:
        answer = answer[step]
    assert answer
    (entry,) = sim.requests()
    assert entry["body"] == written
    if "embed" not in model:
        assert "amazon-bedrock-invocationMetrics" in events(client, model, body)[-1]


def test_other_makers_words_go_nowhere_else(client, sim):
    with pytest.raises(client.exceptions.ValidationException, match="Claude's words"):
        invoke(client, "openai/gpt-4o", {"inputText": "hi"})
    assert sim.requests() == []


def test_errors_are_amazons(client):
    with pytest.raises(client.exceptions.ValidationException, match="max_tokens"):
        invoke(client, CLAUDE, {"anthropic_version": VERSION, "messages": BODY["messages"]})
    with pytest.raises(client.exceptions.ThrottlingException):
        invoke(client, "openai/sim:status=429,tag=invoke", BODY)
    with pytest.raises((EventStreamError, ClientError)):
        events(client, "anthropic/sim:error=3", BODY)
    with pytest.raises((EventStreamError, ClientError)):
        events(client, "bedrock/sim:error=3,tag=invoke", BODY)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_anthropics_reaches_claude_on_bedrock_as_it_wrote(gateway, sim, stream):
    client = anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key="x", max_retries=0)
    asked = {"model": f"bedrock/{CLAUDE}", "max_tokens": 64, "messages": BODY["messages"],
             "metadata": {"user_id": "u"}, "extra_body": {"top_k": 5}}  # fmt: skip
    if stream:
        with client.messages.stream(**asked) as messages:
            message = messages.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert message.content[0].text.endswith("You said: hi") and message.usage.output_tokens
    (entry,) = sim.requests()
    assert entry["path"].endswith("/invoke-with-response-stream" if stream else "/invoke")
    body = json.loads(entry["body"])
    assert (body["top_k"], body["metadata"]) == (5, {"user_id": "u"})
    assert body["anthropic_version"] == VERSION and not {"model", "stream"} & set(body)
    with pytest.raises(anthropic.BadRequestError) as raised:
        client.messages.create(**{**asked, "extra_body": {"no_such_member": 1}})
    assert raised.value.body["error"]["type"] == "invalid_request_error"
    assert "no_such_member" in raised.value.body["error"]["message"]


def test_features_in_trial_are_told_in_the_header_or_in_the_body(gateway, client, sim):
    """Anthropic's clients name them in a header, Bedrock in the body: each provider its own way."""
    invoke(client, "anthropic/claude-sonnet-4-5", {**BODY, "anthropic_beta": ["files-api-1", "x-2"]})
    asked = {"max_tokens": 64, "messages": BODY["messages"]}
    betas = {"anthropic-beta": "context-1m-2025-08-07, files-api-1,interleaved-thinking-1"}
    lost = {}
    for model in (f"bedrock/{CLAUDE}", "bedrock/amazon.nova-pro-v1:0", "openai/gpt-4o"):
        body = {**asked, "model": model}
        answer = gateway.request("POST", "/anthropic/v1/messages", body, betas)
        assert answer.status == 200, answer.body
        lost[model] = answer.headers.get("x-weir-losses", "").split(", ")
    header, body, nova, openai = sim.requests()
    assert dict(header["headers"])["anthropic-beta"] == "files-api-1,x-2"
    assert "anthropic_beta" not in json.loads(header["body"])
    told = ["context-1m-2025-08-07", "interleaved-thinking-1"]
    assert json.loads(body["body"])["anthropic_beta"] == told
    assert lost[f"bedrock/{CLAUDE}"] == ["anthropic-beta.files-api-1"]
    for entry, model in ((nova, "bedrock/amazon.nova-pro-v1:0"), (openai, "openai/gpt-4o")):
        assert "context-1m" not in entry["body"]
        assert set(lost[model]) >= {f"anthropic-beta.{name}" for name in [*told, "files-api-1"]}
    assert not any("anthropic-beta" in dict(entry["headers"]) for entry in (body, nova, openai))


def test_what_bedrock_cannot_be_told_is_named_or_refused(gateway, sim):
    asked = {"model": f"bedrock/{CLAUDE}", "max_tokens": 64, "messages": BODY["messages"]}

    def ask(**more):
        return gateway.request("POST", "/anthropic/v1/messages", {**asked, **more})

    answer = ask(service_tier="auto", inference_geo="global")
    assert answer.status == 200, answer.body
    assert answer.headers["x-weir-losses"] == "service_tier"
    (entry,) = sim.requests()
    assert not {"service_tier", "inference_geo"} & set(json.loads(entry["body"]))
    refused = ask(inference_geo="us")
    assert refused.status == 400 and "inference_geo" in refused.error["message"]
    fallback = ask(inference_geo="us", fallbacks=["anthropic/claude-sonnet-4-5"])
    assert fallback.status == 200 and fallback.headers["x-weir-provider"] == "anthropic"
    assert json.loads(sim.requests()[-1]["body"])["inference_geo"] == "us"


def test_vectors_of_bedrock(gateway, sim):
    def vectors(model: str, inputs) -> list:
        body = {"model": f"bedrock/{model}", "input": inputs}
        answer = gateway.request("POST", "/v1/embeddings", body)
        assert answer.status == 200, answer.body
        return [row["embedding"] for row in answer.json()["data"]]

    assert len(vectors("cohere.embed-v4:0", ["a", "b"])) == 2
    assert len(vectors("amazon.titan-embed-text-v2:0", "a")) == 1
    several = {"model": "bedrock/amazon.titan-embed-text-v2:0", "input": ["a", "b"]}
    refused = gateway.request("POST", "/v1/embeddings", several)
    assert refused.status == 400 and "one input" in refused.error["message"]
    assert all(entry["path"].endswith("/invoke") for entry in sim.requests())
