"""Lists of models: what keys serve and under which names, in the shape of each prefix."""

import anthropic
import cohere
import openai
import pytest
from google import genai
from google.genai import types
from harness.config import Config, Key
from mistralai.client import Mistral


@pytest.fixture
def listed(start, sim):
    """A provider of which keys serve a part, under a name of their own as well; and one that says all."""
    keys = [
        Key("a", models=["gpt-4o", "fast"], extra={"aliases": {"fast": "gpt-4o-mini"}}),
        Key("b", models=["team/own"]),
    ]
    config = Config().provider("openai", sim.url, keys).provider("groq", sim.url)
    return start(config)


OWN = {"openai/gpt-4o", "openai/fast", "openai/team/own"}


def test_what_keys_serve_is_listed_under_their_names(listed, sdk):
    ids = [model.id for model in sdk(listed).models.list()]
    assert {one for one in ids if one.startswith("openai/")} == OWN
    assert len([one for one in ids if one.startswith("groq/")]) == 5
    assert ids == sorted(ids)
    assert {model.id for model in sdk(listed, "/openai").models.list()} == OWN


@pytest.mark.parametrize("path", ["/v1", "/openai/v1", "/openai", ""])
@pytest.mark.parametrize("model", sorted(OWN))
def test_one_model_by_its_id(listed, sdk, path, model):
    client = sdk(listed, path)
    assert client.models.retrieve(model).id == model
    bare = listed.request("GET", f"{path}/models/{model.replace('/', '%2F')}")
    assert (bare.status, bare.json()["id"], bare.json()["object"]) == (200, model, "model")
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("openai/gpt-4o-mini")
    assert refused.value.code == "model_not_found"


def test_each_prefix_has_its_own_shape(listed):
    url = listed.url
    claude = anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="unused", max_retries=0)
    assert claude.models.retrieve("openai/team/own").type == "model"
    options = types.HttpOptions(
        base_url=f"{url}/genai", headers={"x-bf-list-models-provider": "all"}
    )
    google = genai.Client(api_key="unused", http_options=options)
    assert google.models.get(model="openai/fast").name == "models/openai/fast"
    north = cohere.ClientV2(base_url=f"{url}/cohere", api_key="unused")
    assert north.models.get("openai/gpt-4o").name == "openai/gpt-4o"
    south = Mistral(api_key="unused", server_url=f"{url}/mistral")
    assert south.models.retrieve(model_id="openai/gpt-4o").id == "openai/gpt-4o"
    for path, error in [
        ("/anthropic/v1/models/openai/none", lambda body: body["error"]["type"]),
        ("/genai/v1beta/models/openai/none", lambda body: body["error"]["status"]),
        ("/cohere/v1/models/openai/none", lambda body: body["message"]),
    ]:
        refused = listed.request("GET", path)
        assert refused.status == 404 and error(refused.json()), refused.body
    for client in (claude, google):
        client.close()
