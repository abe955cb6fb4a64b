"""Responses that a provider keeps: asked for by their ids, gone on from, and whose they are."""

import collections
import re

import openai
import pytest
from harness import stored
from harness.config import Config, Key

MODEL = "openai/gpt-5"
ENDS = {"completed", "failed", "cancelled", "incomplete"}


def config(sim, provider: str = "openai", **weights: float) -> Config:
    keys = [Key(name, weight) for name, weight in (weights or {"a": 1.0, "b": 1.0}).items()]
    return Config().provider(provider, sim.url, keys)


def owners(config, sim) -> list[tuple[str, str]]:
    """Key and path of every call to the simulator."""
    names = {key.secret: name for name, key in config.keys.items()}
    return [(names[one["key"]], one["path"]) for one in sim.requests()]


def own_id(sim, config) -> str:
    """The provider's own id of the only response that it has made."""
    for key in config.keys.values():
        direct = openai.OpenAI(base_url=f"{sim.url}/v1", api_key=key.secret, max_retries=0)
        answer = direct.responses.create(model="gpt-5", input="hi")
        return answer.id
    raise AssertionError


@pytest.mark.parametrize("path", ["/v1", "", "/openai/v1", "/openai"])
def test_the_life_of_a_response(start, sim, sdk, path):
    client = sdk(start(config(sim)), path)
    made = client.responses.create(model=MODEL, input="hello", metadata={"a": "b"})
    assert made.id.startswith("resp_weir") and made.output_text.endswith("You said: hello")
    assert client.responses.retrieve(made.id) == made
    assert client.responses.retrieve(made.id, include=["reasoning.encrypted_content"]) == made
    [item] = client.responses.input_items.list(made.id)
    assert item.content[0].text == "hello"
    assert client.responses.delete(made.id) is None
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    # The provider hears its own id, and nothing of ours.
    paths = {one["path"] for one in sim.requests()}
    assert not any("weir" in path for path in paths), paths


def test_a_response_that_is_looked_at_again_costs_nothing(start, sim, sdk):
    gateway = start(config(sim))
    client = sdk(gateway)
    with client.responses.stream(model=MODEL, input="hello", store=True) as stream:
        made = stream.get_final_response()
    tokens = lambda: re.findall(r"(?m)^weir_tokens_total.*$", gateway.metrics())  # noqa: E731
    spent = tokens()
    assert any(not line.endswith(" 0") for line in spent), spent
    assert client.responses.retrieve(made.id).usage == made.usage
    assert [event.type for event in client.responses.retrieve(made.id, stream=True)]
    assert tokens() == spent


def test_every_call_reaches_the_key_that_has_it(start, sim, sdk):
    weights = config(sim, a=3.0, b=1.0)
    client = sdk(start(weights))
    made = [client.responses.create(model=MODEL, input=f"number {n}") for n in range(40)]
    spread = collections.Counter(key for key, _ in owners(weights, sim))
    assert set(spread) == {"a", "b"} and 20 <= spread["a"] <= 38, spread
    for number, one in enumerate(made):
        assert client.responses.retrieve(one.id).output_text.endswith(f"number {number}")
        last = client.responses.create(
            model=MODEL, input="go on", previous_response_id=one.id, extra_body={"fallbacks": []}
        )
        assert last.previous_response_id == one.id
        again = client.responses.retrieve(last.id)
        assert (again.id, again.previous_response_id) == (last.id, one.id)
        assert client.responses.retrieve(again.previous_response_id).id == one.id
    seen = collections.Counter(key for key, _ in owners(weights, sim))
    assert seen == {key: 5 * count for key, count in spread.items()}


@pytest.mark.parametrize("model", [MODEL, "gpt-5"])
def test_a_stream_carries_the_same_id(start, sim, sdk, model):
    client = sdk(start(config(sim)))
    with client.responses.stream(model=model, input="hello", store=True) as stream:
        events = list(stream)
        final = stream.get_final_response()
    ids = {event.response.id for event in events if hasattr(event, "response")}
    assert ids == {final.id} and final.id.startswith("resp_weir")
    assert client.responses.retrieve(final.id).output_text == final.output_text
    # From where a stream broke off it goes on.
    rest = list(client.responses.retrieve(final.id, stream=True, starting_after=3))
    numbers = [event.sequence_number for event in rest]
    assert numbers == list(range(4, events[-1].sequence_number + 1))
    assert rest[-1].response.id == final.id
    whole = list(client.responses.retrieve(final.id, stream=True, include_obfuscation=False))
    assert whole[0].response.id == final.id and len(whole) == len(rest) + 4
    with client.responses.stream(
        model=model, input="more", previous_response_id=final.id
    ) as stream:
        more = stream.get_final_response()
    assert more.previous_response_id == final.id


def test_one_that_is_made_in_the_background(start, sim, sdk):
    client = sdk(start(config(sim)))
    made = [
        client.responses.create(model=MODEL, input=f"slowly {n}", background=True) for n in range(6)
    ]
    assert {one.status for one in made} == {"queued"}
    canceled = client.responses.cancel(made[0].id)
    assert (canceled.id, canceled.status) == (made[0].id, "cancelled")
    for number, one in list(enumerate(made))[1:]:
        done = stored.finished(
            lambda: client.responses.retrieve(one.id), lambda response: response.status in ENDS
        )
        assert (done.id, done.status) == (one.id, "completed")
        assert done.output_text.endswith(f"slowly {number}")
    # A provider that is not able to take it back says so.
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        client.responses.cancel(client.responses.create(model=MODEL, input="x").id)


def test_input_items_have_pages(start, sim, sdk):
    client = sdk(start(config(sim)))
    said = [{"role": "user", "content": f"word {n}"} for n in range(5)]
    made = client.responses.create(model=MODEL, input=said)
    for order in ("asc", "desc"):
        listed = list(client.responses.input_items.list(made.id, limit=2, order=order))
        assert [item.content for item in listed] == [
            one["content"] for one in (said if order == "asc" else said[::-1])
        ]


def test_a_conversation_is_made_short(start, sim, sdk):
    client = sdk(start(config(sim)))
    first = client.responses.create(model=MODEL, input="a long story")
    short = client.responses.compact(
        model=MODEL, input="and its end", previous_response_id=first.id
    )
    assert short.object == "response.compaction" and short.output[-1].type == "compaction"
    tokens = client.responses.input_tokens.count(
        model=MODEL, input="and on", previous_response_id=first.id
    )
    assert tokens.input_tokens > 0


def test_what_is_not_to_be_kept_passes_as_it_came(start, sim, sdk):
    one = config(sim, a=1.0)
    gateway = start(one)
    body = {"model": MODEL, "input": "hi", "store": False}
    answer = gateway.request("POST", "/v1/responses", body)
    direct = openai.OpenAI(base_url=f"{sim.url}/v1", api_key=one.secret("a"), max_retries=0)
    told = direct.responses.with_raw_response.create(model="gpt-5", input="hi", store=False)
    assert answer.body == told.content
    with pytest.raises(openai.NotFoundError):
        sdk(gateway).responses.retrieve(answer.json()["id"])


@pytest.mark.parametrize("stream", [False, True])
def test_nobody_keeps_what_was_translated(start, sim, sdk, stream):
    document = config(sim, provider="anthropic")
    client = sdk(start(document))
    model = "anthropic/claude-sonnet-4-5"
    made = client.responses.create(model=model, input="hi", stream=stream)
    if stream:
        made = list(made)[-1].response
    with pytest.raises(openai.NotFoundError, match="nobody keeps it"):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="send the whole conversation") as refused:
        client.responses.create(model=model, input="hi", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"


def test_forged_foreign_and_removed(start, sim, sdk):
    document = config(sim)
    secret = stored.secret()
    gateway = start(document, env=secret)
    client = sdk(gateway)
    made = [client.responses.create(model=MODEL, input=f"number {n}").id for n in range(8)]
    damaged = made[0][:-1] + ("A" if made[0][-1] != "A" else "B")
    for id in (damaged, made[0] + "x", "resp_weirAQAA"):
        for path in (f"/v1/responses/{id}", f"/v1/responses/{id}/input_items"):
            assert gateway.request("GET", path).status == 404, path
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=MODEL, input="hi", previous_response_id=id)
        assert refused.value.code == "previous_response_not_found"
        assert refused.value.param == "previous_response_id"
    # A provider's own: two keys may have it, and the provider judges what goes on from it.
    with pytest.raises(openai.NotFoundError, match="2 keys may have it"):
        client.responses.retrieve("resp_0123456789abcdef")
    with pytest.raises(openai.BadRequestError, match="not found"):
        client.responses.create(
            model=MODEL, input="hi", previous_response_id="resp_0123456789abcdef"
        )
    # The same deployment, where a key has gone.
    fewer = Config().provider("openai", sim.url, [document.keys["a"]])
    fewer = sdk(start(fewer, env=secret))
    outcomes = collections.Counter()
    for id in made:
        try:
            outcomes[fewer.responses.retrieve(id).id == id] += 1
        except openai.NotFoundError as error:
            assert "key `b` of `openai`" in error.message and error.code == "key_removed"
            with pytest.raises(openai.NotFoundError):
                fewer.responses.create(model=MODEL, input="hi", previous_response_id=id)
            outcomes["removed"] += 1
    assert outcomes[True] and outcomes["removed"] and outcomes.total() == 8, outcomes


def test_another_provider_does_not_have_it(start, sim, other_sim, sdk):
    document = config(sim).provider("xai", other_sim.url, [Key("x")])
    client = sdk(start(document))
    first = client.responses.create(model=MODEL, input="hi")
    with pytest.raises(openai.BadRequestError, match="name a model of `openai`"):
        client.responses.create(model="xai/grok-4", input="hi", previous_response_id=first.id)
    # A fallback would not have it either, and is not asked.
    sim.rule("status=503", path="/v1/responses")
    with pytest.raises(openai.APIStatusError):
        client.responses.create(
            model=MODEL,
            input="hi",
            previous_response_id=first.id,
            extra_body={"fallbacks": ["xai/grok-4"]},
        )
    assert not other_sim.requests()


def test_client_keys_see_only_their_own(start, sim, sdk):
    document = config(sim)
    clients = document.clients("one", "two", provider="openai", allowed_models=["*"])
    gateway = start(document)
    one, two = (sdk(gateway, api_key=secret) for secret in clients.values())
    made = one.responses.create(model=MODEL, input="a secret")
    assert one.responses.retrieve(made.id).id == made.id
    with pytest.raises(openai.NotFoundError):
        two.responses.retrieve(made.id)
    own = own_id(sim, document)
    for earlier in (made.id, own):
        with pytest.raises(openai.BadRequestError) as refused:
            two.responses.create(model=MODEL, input="what?", previous_response_id=earlier)
        assert refused.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        two.responses.retrieve(own)


def test_ids_live_on_after_a_restart(start, sim, sdk):
    document, secret = config(sim), stored.secret()
    first = start(document, env=secret)
    made = [sdk(first).responses.create(model=MODEL, input=f"n {n}").id for n in range(4)]
    first.stop()
    first.may_have_ended = True
    client = sdk(start(document, env=secret))
    for id in made:
        assert client.responses.retrieve(id).id == id


def test_a_file_in_a_request_takes_it_where_the_file_is(start, sim, sdk):
    document = Config().provider("openai", sim.url, stored.keys(a=1.0, b=1.0))
    client = sdk(start(document))
    files = [
        client.files.create(file=("a.pdf", f"%PDF {n}".encode()), purpose="user_data")
        for n in range(6)
    ]
    uploads = owners(document, sim)
    for file in files:
        part = {"type": "input_file", "file_id": file.id}
        client.responses.create(model=MODEL, input=[{"role": "user", "content": [part]}])
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": file.id}}]}],
        )
    asked = owners(document, sim)[len(uploads) :]
    assert [key for key, _ in asked] == [key for key, _ in uploads for _ in range(2)]
    bodies = [one["body"] for one in sim.requests() if one["path"] != "/v1/files"]
    assert bodies and not any("weir" in body for body in bodies)
    if len({key for key, _ in uploads}) == 2:
        pair = [next(f for f, (k, _) in zip(files, uploads) if k == key).id for key in ("a", "b")]
        parts = [{"type": "input_file", "file_id": id} for id in pair]
        with pytest.raises(openai.BadRequestError, match="nobody has both"):
            client.responses.create(model=MODEL, input=[{"role": "user", "content": parts}])
