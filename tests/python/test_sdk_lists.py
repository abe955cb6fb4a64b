"""Every SDK on every provider: what is neither an answer nor a stream."""

import json

import pytest
from harness import http
from sdks import families
from sdks.matrix import Seat, scenario
from sdks.talk import ask


@scenario("token counting")
def test_token_counting(seat: Seat):
    model = seat.family.model("chat")
    few = seat.driver.count(model, ask("Hello, Weir!"))
    many = seat.driver.count(model, ask("Hello, Weir!" * 50))
    assert 0 < few < many


@scenario("embeddings")
def test_embeddings(seat: Seat):
    first, second = seat.driver.embed(seat.family.model("embedder"), ["weir", "sluice"])
    assert len(first) == len(second) > 10
    assert sum(number * number for number in first) == pytest.approx(1, abs=1e-3)
    assert first != second


@scenario("list of models")
def test_list_of_models(seat: Seat):
    listed = seat.driver.models(seat.family.provider)
    assert listed
    assert all(name.startswith(f"{seat.family.provider}/") for name in listed)


@pytest.mark.topologies("all-in-one-memory")
@pytest.mark.parametrize("family", list(families.BY_NAME))
@pytest.mark.parametrize("sdk", ["openai-chat"])
def test_each_family_is_asked_at_its_own_door(seat: Seat):
    seat.driver.ask(seat.family.model("chat"), ask("hi"))
    assert seat.family.path in seat.sent()["path"]


EMBED = "/genai/v1beta/models/{}:embedContent"


@pytest.mark.topologies("all-in-one-memory")
@pytest.mark.parametrize("family", ["gemini", "openai"])
def test_one_text_in_geminis_other_form(family_gateway, family):
    """No SDK calls `:embedContent`, which has one text and one vector; people with curl do."""
    url = family_gateway.url + EMBED.format(families.BY_NAME[family].model("embedder"))
    answer = http.request("POST", url, {"content": {"parts": [{"text": "weir"}]}})
    assert answer.status == 200, answer.body
    assert len(json.loads(answer.body)["embedding"]["values"]) > 10


@pytest.mark.topologies("all-in-one-memory")
@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("embedContent", '{ "content":{"parts":[{"text":"w\\u0065ir"}]},"taskType" : "CLUSTERING"}'),
        (
            "batchEmbedContents",
            '{"requests": [ {"model":"%s", "content":{"parts":[{"text":"w\\u0065ir"}]}},'
            ' {"content":{"parts":[{"text":"mill"}]},"model" :"%s","outputDimensionality":12}]}',
        ),
    ],
)
def test_both_forms_of_geminis_vectors_pass_byte_by_byte(
    family_gateway, _sim_families, method, body
):
    """But for the model's name, where the body has it."""
    _sim_families.reset()
    model = families.BY_NAME["gemini"].model("embedder")
    plain = model.partition("/")[2]
    sent = body.replace("%s", f"models/{model}").encode()
    answer = http.request("POST", f"{family_gateway.url}/genai/v1beta/models/{model}:{method}", sent)
    (seen,) = _sim_families.requests()
    assert seen["body"] == body.replace("%s", f"models/{plain}")
    assert seen["path"].endswith(f"/models/{plain}:{method}")
    direct = http.request("POST", _sim_families.url + seen["path"], seen["body"].encode())
    assert (answer.status, answer.body) == (direct.status, direct.body)


@pytest.mark.topologies("all-in-one-memory")
@pytest.mark.parametrize("version", ["/v1beta", "/v1", ""])
def test_geminis_paths_do_without_a_version(family_gateway, version):
    """Libraries that are given the address of another service leave it out."""
    url = f"{family_gateway.url}/genai{version}/models/openai/gpt-4o:generateContent"
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    answer = http.request("POST", url, body).json()
    assert answer["candidates"][0]["content"]["parts"][0]["text"].endswith("You said: hi")
