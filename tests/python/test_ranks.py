"""Documents by relevance at Bedrock and Vertex AI, whichever client asks, and for Amazon's own client of
that at any provider."""

import json

import boto3
import cohere
import pytest
from harness import buckets, fake, vertex
from harness.clouds import assert_signed
from harness.config import Config, Key
from sdks.bedrock_runtime import OPTIONS
from test_places import ARN, aws_block

QUERY = "Which weir holds water back?"
DOCUMENTS = ["The sea is salt.", {"title": "Weir", "text": "It holds water back."}, "A weir is low."]
ORDER = [1, 2, 0]
MODELS = {"cohere.rerank-v3-5:0": "cohere", "amazon.rerank-v1:0": "amazon"}
RANKER = "semantic-ranker-default-004"
RANKING = "/rankingConfigs/default_ranking_config:rank"


def foundation(model: str, region: str = "us-east-1") -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model}"


@pytest.fixture
def accounts():
    made = vertex.Accounts()
    yield made
    made.stop()


def ask(gateway, model: str, **more):
    asked = {"model": model, "query": QUERY, "documents": DOCUMENTS, **more}
    return gateway.request("POST", "/v1/rerank", asked)


def places(answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [one["index"] for one in answer.json()["results"]]


def amazons(gateway):
    """Amazon's own client."""
    session = boto3.session.Session()
    return session.client("bedrock-agent-runtime", endpoint_url=f"{gateway.url}/bedrock", **OPTIONS)


def source(document) -> dict:
    if isinstance(document, str):
        inline = {"type": "TEXT", "textDocument": {"text": document}}
    else:
        inline = {"type": "JSON", "jsonDocument": document}
    return {"type": "INLINE", "inlineDocumentSource": inline}


def rerank(client, arn: str, top: int | None = None, **more) -> list[int]:
    bedrock = {"modelConfiguration": {"modelArn": arn}}
    if top:
        bedrock["numberOfResults"] = top
    answer = client.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": QUERY}}],
        sources=[source(document) for document in DOCUMENTS],
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": bedrock
        },
        **more,
    )  # fmt: skip
    assert all(one["relevanceScore"] >= 0 for one in answer["results"])
    return [one["index"] for one in answer["results"]]


# --- Bedrock --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_bedrock_ranks_on_a_host_of_its_own(start, sim, model):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    answer = ask(gateway, f"bedrock/{model}", top_n=2, return_documents=True)
    assert places(answer) == ORDER[:2]
    told = answer.json()
    assert told["model"] == model and told["results"][0]["document"] == DOCUMENTS[1]
    assert told["results"][0]["relevance_score"] > told["results"][1]["relevance_score"]
    assert answer.headers["x-weir-provider"] == "bedrock"
    (seen,) = sim.requests()
    assert (seen["path"], seen["key"]) == ("/rerank", buckets.access_key(key))
    body = json.loads(seen["body"])
    bedrock = body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    assert bedrock["modelConfiguration"] == {"modelArn": foundation(model)}
    assert bedrock["numberOfResults"] == 2
    assert [one["inlineDocumentSource"]["type"] for one in body["sources"]] == [
        "TEXT", "JSON", "TEXT"
    ]  # fmt: skip


def test_a_call_to_that_host_is_signed_for_bedrock_where_the_model_is(start):
    scores = [{"index": 0, "relevanceScore": 0.5}]
    upstream = fake.Fake(lambda _: (200, {"results": scores}))
    block, credentials = aws_block()
    aliases = {
        "far": {"model_id": "amazon.rerank-v1:0", "region": "eu-central-1"},
        "own": {"model_id": "m", "inference_profile_arn": f"{ARN}application-inference-profile/x"},
    }
    key = Key("a", extra={"value": "", "bedrock_key_config": block, "aliases": aliases})
    gateway = start(Config().provider("bedrock", upstream.url, [key]))
    whole = f"{ARN}custom-model/m"
    expected = {
        "amazon.rerank-v1:0": (foundation("amazon.rerank-v1:0"), "us-east-1"),
        "far": (foundation("amazon.rerank-v1:0", "eu-central-1"), "eu-central-1"),
        "own": (f"{ARN}application-inference-profile/x", "us-east-1"),
        whole: (whole, "us-east-1"),
    }
    try:
        for model in expected:
            assert places(ask(gateway, f"bedrock/{model}")) == [0]
        for asked, (arn, region) in zip(upstream.asked(), expected.values(), strict=True):
            assert (asked.method, asked.path) == ("POST", "/rerank")
            assert_signed(asked, credentials, "bedrock", region)
            configuration = asked.json()["rerankingConfiguration"]
            model = configuration["bedrockRerankingConfiguration"]["modelConfiguration"]
            assert model["modelArn"] == arn
    finally:
        upstream.stop()


@pytest.mark.parametrize("model", MODELS)
def test_a_key_that_is_a_value_ranks_by_invoking_the_model(start, sim, model):
    """Amazon's other host takes no such keys."""
    key = Key("a", extra={"bedrock_key_config": {"region": "us-east-1"}})
    gateway = start(Config().provider("bedrock", sim.url, [key]))
    assert places(ask(gateway, f"bedrock/{model}", top_n=9)) == ORDER
    assert rerank(amazons(gateway), foundation(model), 1) == ORDER[:1]
    for seen in sim.requests():
        assert seen["path"] == f"/model/{model.replace(':', '%3A')}/invoke"
        assert seen["key"] == key.secret


def test_amazons_client_at_bedrock_passes_untouched_but_for_the_model(start, sim):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    client = amazons(gateway)
    assert rerank(client, foundation("cohere.rerank-v3-5:0", "us-west-2"), 2) == ORDER[:2]
    assert rerank(client, "bedrock/amazon.rerank-v1:0") == ORDER
    first, second = (json.loads(one["body"]) for one in sim.requests())

    def named(body: dict) -> dict:
        return body["rerankingConfiguration"]["bedrockRerankingConfiguration"]

    # In which region a model is asked is the key's to say.
    arns = [named(body)["modelConfiguration"]["modelArn"] for body in (first, second)]
    assert arns == [foundation("cohere.rerank-v3-5:0"), foundation("amazon.rerank-v1:0")]
    assert "numberOfResults" not in named(second)
    assert first["sources"] == second["sources"] == [source(document) for document in DOCUMENTS]


def test_amazons_client_at_other_providers(start, sim, accounts):
    config = accounts.config(sim, a=1.0).provider("cohere", sim.url)
    client = amazons(start(config))
    assert rerank(client, "cohere/rerank-v3.5", 2) == ORDER[:2]
    assert rerank(client, f"vertex/{RANKER}") == ORDER
    with pytest.raises(client.exceptions.ValidationException, match="further page"):
        rerank(client, "cohere/rerank-v3.5", nextToken="t")


def test_errors_are_amazons_for_its_client_and_go_elsewhere_for_others(start, sim, other_sim):
    config = buckets.config(sim.url, buckets.key("a"), max_retries=0)
    config.provider("cohere", other_sim.url)
    gateway = start(config)
    client = amazons(gateway)
    with pytest.raises(client.exceptions.ValidationException, match="32000 characters"):
        client.rerank(
            queries=[{"type": "TEXT", "textQuery": {"text": "q"}}],
            sources=[source("x" * 32_001)],
            rerankingConfiguration={
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {
                    "modelConfiguration": {"modelArn": foundation("amazon.rerank-v1:0")}
                },
            },
        )
    sim.rule("status=429", path="/rerank")
    with pytest.raises(client.exceptions.ThrottlingException):
        rerank(client, "bedrock/amazon.rerank-v1:0")
    sim.rule("status=503", path="/rerank")
    answer = ask(gateway, "bedrock/cohere.rerank-v3-5:0", fallbacks=["cohere/rerank-v3.5"])
    assert places(answer) == ORDER and answer.headers["x-weir-provider"] == "cohere"


# --- Vertex AI ------------------------------------------------------------------------------------


def test_vertex_ranks_beside_its_models(start, sim, accounts):
    key, far = accounts.key("a"), accounts.key("b", region="europe-west4")
    key.models = [RANKER]
    far.models, far.extra["aliases"] = ["far"], {"far": RANKER}
    gateway = start(Config().provider("vertex", sim.url, [key, far]))
    answer = ask(gateway, f"vertex/{RANKER}", top_n=2, return_documents=True)
    assert places(answer) == ORDER[:2]
    assert answer.json()["results"][0]["document"] == DOCUMENTS[1]
    assert places(ask(gateway, "vertex/far")) == ORDER
    first, second = sim.requests()
    assert first["path"] == f"/v1/projects/{vertex.PROJECT}/locations/global{RANKING}"
    # What is to stay in Europe does.
    assert second["path"] == f"/v1/projects/{vertex.PROJECT}/locations/eu{RANKING}"
    assert [first["key"], second["key"]] == [key.secret, far.secret]
    assert json.loads(first["body"]) == {
        "model": RANKER,
        "query": QUERY,
        "topN": 2,
        "ignoreRecordDetailsInResponse": True,
        "records": [
            {"id": "0", "content": DOCUMENTS[0]},
            {"id": "1", "title": "Weir", "content": DOCUMENTS[1]["text"]},
            {"id": "2", "content": DOCUMENTS[2]},
        ],
    }


def test_what_vertex_refuses_is_told_in_the_clients_words(start, sim, accounts):
    gateway = start(accounts.config(sim, a=1.0))
    answer = ask(gateway, f"vertex/{RANKER}", documents=["x"] * 201)
    assert answer.status == 400 and "200 records" in answer.error["message"], answer.body
    client = cohere.ClientV2(base_url=f"{gateway.url}/cohere", api_key="unused")
    with pytest.raises(cohere.BadRequestError, match="200 records"):
        client.rerank(model=f"vertex/{RANKER}", query="x", documents=["x"] * 201)


# --- Cohere's client ------------------------------------------------------------------------------


def test_coheres_client_at_all_of_them(start, sim, accounts):
    config = accounts.config(sim, v=1.0).provider("bedrock", sim.url, [buckets.key("a")])
    gateway = start(config)
    client = cohere.ClientV2(base_url=f"{gateway.url}/cohere", api_key="unused")
    documents = [text if isinstance(text, str) else text["text"] for text in DOCUMENTS]
    for model in ["bedrock/cohere.rerank-v3-5:0", "bedrock/amazon.rerank-v1:0", f"vertex/{RANKER}"]:
        answer = client.rerank(
            model=model, query="holds water", documents=documents, top_n=2, max_tokens_per_doc=256
        )
        assert len(answer.results) == 2 and answer.results[0].index == 1, model
        assert answer.results[0].relevance_score > answer.results[1].relevance_score
    [coheres, amazons_, _] = [json.loads(one["body"]) for one in sim.requests()]

    def additional(body: dict) -> dict | None:
        bedrock = body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
        return bedrock["modelConfiguration"].get("additionalModelRequestFields")

    assert (additional(coheres), additional(amazons_)) == ({"max_tokens_per_doc": 256}, None)
