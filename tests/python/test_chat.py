"""The main job: chat, completions, embeddings and models through the official SDK."""

import base64
import struct

import openai
import pytest
from harness import http
from harness.config import Config, Key

HELLO = [{"role": "user", "content": "Hello, Weir!"}]


def test_chat(client, sim, gateway):
    answer = client.chat.completions.create(model="openai/gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content.endswith("You said: Hello, Weir!")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    (seen,) = sim.requests()
    assert seen["key"] == gateway.config.secret("openai-1")
    assert (seen["path"], seen["model"]) == ("/v1/chat/completions", "gpt-4o-mini")
    assert seen["outcome"] == "completed"


def test_the_same_request_gets_the_same_answer(client):
    ask = lambda: client.chat.completions.create(model="openai/gpt-4o", messages=HELLO)
    assert ask().to_json() == ask().to_json()


def test_a_bare_model_name_finds_its_provider(client, sim):
    client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert sim.requests()[0]["model"] == "gpt-4o"


def test_stream(client, sim):
    chunks = list(
        client.chat.completions.create(
            model="openai/gpt-4o-mini",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.endswith("You said: Hello, Weir!")
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens > 0
    assert sim.requests()[0]["stream"] is True


def test_a_stream_without_usage_has_none(client):
    chunks = list(
        client.chat.completions.create(model="openai/gpt-4o", messages=HELLO, stream=True)
    )
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_a_stream_and_a_whole_answer_say_the_same(client):
    whole = client.chat.completions.create(model="openai/gpt-4o", messages=HELLO)
    stream = client.chat.completions.create(model="openai/gpt-4o", messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == whole.choices[0].message.content


def test_events_are_relayed_as_they_come(gateway):
    """The first events are here while the provider still waits to send the last one."""
    stream = gateway.stream("openai/sim:chunks=3,stall=2")
    events = iter(stream)
    first = [next(events) for _ in range(3)]
    assert all("chat.completion.chunk" in event for event in first)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-cache"
    stream.close()


def test_choices(client):
    answer = client.chat.completions.create(model="openai/gpt-4o", messages=HELLO, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_completions(client, sim):
    answer = client.completions.create(model="openai/gpt-3.5-turbo-instruct", prompt="once")
    assert answer.choices[0].text.endswith("You said: once")
    assert sim.requests()[0]["path"] == "/v1/completions"


def test_completions_stream(client):
    model = "openai/gpt-3.5-turbo-instruct"
    chunks = client.completions.create(model=model, prompt="once", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks).endswith("You said: once")


@pytest.mark.parametrize("inputs", ["one", ["one", "two"]])
def test_embeddings_as_floats_and_as_base64_are_the_same(client, gateway, inputs):
    ask = {"model": "openai/text-embedding-3-small", "input": inputs, "dimensions": 64}
    floats = client.embeddings.create(**ask, encoding_format="float")
    # The SDK asks for base64 by itself and decodes it.
    decoded = client.embeddings.create(**ask)
    count = 1 if isinstance(inputs, str) else len(inputs)
    assert len(floats.data) == len(decoded.data) == count
    for one, other in zip(floats.data, decoded.data):
        assert len(one.embedding) == 64
        assert one.embedding == pytest.approx(list(other.embedding), abs=1e-6)
    raw = gateway.request("POST", "/v1/embeddings", {**ask, "encoding_format": "base64"}).json()
    numbers = struct.unpack("<64f", base64.b64decode(raw["data"][0]["embedding"]))
    assert numbers == pytest.approx(floats.data[0].embedding, abs=1e-6)


def test_models(client, sim):
    models = sorted(model.id for model in client.models.list())
    assert "openai/gpt-4o" in models and "openai/text-embedding-3-small" in models
    assert all(model.startswith("openai/") for model in models)


def test_one_model(client):
    found = client.models.retrieve("openai/gpt-4o")
    assert (found.id, found.object) == ("openai/gpt-4o", "model")
    for missing in ("openai/none", "nowhere/gpt-4o"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve(missing)
        assert caught.value.code == "model_not_found"


def test_a_list_outlives_its_provider_for_a_while(start, sim, other_sim):
    """What was said a moment ago is not asked again, and who says nothing is named."""
    config = Config().provider("openai", sim.url).provider("groq", "http://127.0.0.1:9")
    gateway = start(config)
    # Each router keeps its own.
    routers = len(gateway.routers)
    for _ in range(2 * routers):
        answer = gateway.request("GET", "/v1/models")
        assert answer.headers["x-weir-left-out"] == "groq"
        assert {model["id"].split("/")[0] for model in answer.json()["data"]} == {"openai"}
    asked = [answer for answer in sim.requests() if answer["path"].endswith("/models")]
    assert len(asked) <= routers


def test_models_of_all_providers_and_of_one(start, sim, other_sim, sdk):
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    gateway = start(config)
    both = {model.id.split("/")[0] for model in sdk(gateway).models.list()}
    assert both == {"openai", "groq"}
    one = gateway.request("GET", "/v1/models?provider=groq").json()
    assert {model["id"].split("/")[0] for model in one["data"]} == {"groq"}


def test_models_are_limited_to_what_the_keys_serve(start, sim, sdk):
    keys = [Key("a", models=["gpt-4o"]), Key("b", models=["gpt-4o-mini"])]
    gateway = start(Config().provider("openai", sim.url, keys))
    listed = {model.id for model in sdk(gateway).models.list()}
    assert listed == {"openai/gpt-4o", "openai/gpt-4o-mini"}


@pytest.mark.parametrize("prefix", ["/openai/v1", "/openai"])
def test_the_openai_prefix_is_the_same(gateway, sdk, prefix, sim):
    client = sdk(gateway, prefix)
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.choices[0].message.content.endswith("Hello, Weir!")
    client.embeddings.create(model="text-embedding-3-small", input="x")
    assert client.models.list().data
    assert [entry["path"] for entry in sim.requests()][:2] == [
        "/v1/chat/completions",
        "/v1/embeddings",
    ]


@pytest.mark.parametrize("prefix", ["/openai/v1", "/openai"])
def test_under_the_openai_prefix_a_bare_name_and_the_list_are_openais(
    start, sim, other_sim, sdk, prefix
):
    config = Config().provider("groq", other_sim.url, [Key("g", weight=100.0)])
    config.provider("openai", sim.url)
    gateway = start(config)
    client = sdk(gateway, prefix)
    providers = lambda models: {model.id.split("/")[0] for model in models}
    assert providers(client.models.list()) == {"openai"}
    everyone = {"x-bf-list-models-provider": "all"}
    assert providers(client.models.list(extra_headers=everyone)) == {"openai", "groq"}
    assert providers(client.models.list(extra_query={"provider": "groq"})) == {"groq"}
    for _ in range(3):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
        list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
        client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x")
    assert len(sim.requests()) >= 9
    assert all(entry["method"] == "GET" for entry in other_sim.requests())
    # A name with a provider means that provider here as well.
    client.chat.completions.create(model="groq/llama-3", messages=HELLO)
    assert other_sim.requests()[-1]["model"] == "llama-3"


def test_unknown_members_and_number_texts_pass_untouched(gateway, sim):
    """Bytes are passed through: nothing is parsed, sorted or rounded on the way."""
    sim.rule("lenient")
    body = (
        '{"zeta": 1.50, "model" : "openai/gpt-4o","temperature":0.10000000000000000001,'
        '"messages":[{"role":"user","content":"h\\u00e9"}], "vendor_thing":{"b":1,"a":[null]}}'
    )
    answer = gateway.request("POST", "/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    assert sim.requests()[0]["body"] == body.replace('"openai/gpt-4o"', '"gpt-4o"')


def test_fallbacks_never_reach_the_provider(gateway, sim):
    assert gateway.chat("openai/gpt-4o", fallbacks=["openai/gpt-4o-mini"]).status == 200
    assert "fallbacks" not in sim.requests()[0]["body"]


def test_an_alias_is_resolved_by_the_key(start, sim, sdk):
    key = Key("a", models=["fast"], extra={"aliases": {"fast": "gpt-4o-mini-2024"}})
    gateway = start(Config().provider("openai", sim.url, [key]))
    sdk(gateway).chat.completions.create(model="openai/fast", messages=HELLO)
    assert sim.requests()[0]["model"] == "gpt-4o-mini-2024"


def test_a_custom_provider_answers_and_refuses_what_it_is_not_allowed(start, sim):
    config = Config().provider("acme", sim.url)
    config.document["providers"]["acme"]["custom_provider_config"] = {
        "base_provider_type": "openai",
        "allowed_requests": {"chat_completion": True},
        "request_path_overrides": {"chat_completion": "/v9/chat/completions"},
    }
    gateway = start(config)
    assert gateway.chat("acme/any").status == 200
    assert sim.requests()[0]["path"] == "/v9/chat/completions"
    refused = gateway.chat("acme/any", stream=True)
    assert refused.status == 400
    assert refused.error["type"] == "unsupported_operation"


@pytest.mark.parametrize(
    ("provider", "block"),
    [("ollama", "ollama_key_config"), ("sgl", "sgl_key_config"), ("vllm", "vllm_key_config")],
)
def test_providers_whose_keys_carry_the_url(start, sim, provider, block):
    extra = {block: {"url": sim.url}}
    if provider == "vllm":
        extra[block]["model_name"] = "llama"
    config = Config().provider(provider, sim.url, [Key("box", extra=extra)])
    del config.document["providers"][provider]["network_config"]["base_url"]
    gateway = start(config)
    answer = gateway.chat(f"{provider}/llama")
    assert answer.status == 200, answer.body
    assert sim.requests()[0]["model"] == "llama"


def test_long_bodies_both_ways(gateway, sim):
    """A megabyte of prompt and several of answer."""
    answer = gateway.chat("openai/sim:answer-bytes=4000000", "x" * 1_000_000)
    assert len(answer.json()["choices"][0]["message"]["content"]) == 4_000_000
    assert sim.requests()[0]["body_bytes"] > 1_000_000


def test_the_sdk_reads_an_error_of_a_stream_as_an_exception(client):
    with pytest.raises(openai.APIError):
        list(
            client.chat.completions.create(
                model="openai/sim:cut=3,tag=sdk", messages=HELLO, stream=True
            )
        )


def test_an_unknown_route_names_those_near_it(gateway):
    answer = gateway.request("POST", "/v1/fine_tuning/jobs", {"model": "openai/x"})
    assert answer.status == 404
    assert "/v1/chat/completions" in answer.error["message"]


def test_health_stays_on_the_public_port(gateway):
    assert gateway.request("GET", "/health").status == 200
    assert http.request("GET", gateway.edges[0].admin + "/healthz").status == 200
