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
@pytest.mark.parametrize("family", ["gemini", "openai"])
def test_one_text_in_geminis_other_form(family_gateway, family):
    """No SDK calls `:embedContent`, which has one text and one vector; people with curl do."""
    model = families.BY_NAME[family].model("embedder")
    url = f"{family_gateway.url}/genai/v1beta/models/{model}:embedContent"
    answer = http.request("POST", url, {"content": {"parts": [{"text": "weir"}]}})
    assert answer.status == 200, answer.body
    assert len(json.loads(answer.body)["embedding"]["values"]) > 10
