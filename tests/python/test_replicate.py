"""Predictions of Replicate: what is asked now and fetched later, from every client's format, within the
limits of one attempt."""

import json
import threading
import time

import anthropic
import openai
import pytest
from harness.config import Config, Key
from sdks.drivers import DRIVERS, NAMES
from sdks.talk import ask

LLAMA = "meta/meta-llama-3-70b-instruct"
CREATE = f"/v1/models/{LLAMA}/predictions"


def config(sim, keys=None, **network) -> Config:
    return Config().provider("replicate", sim.url, keys, **network)


def clients(gateway) -> tuple[openai.OpenAI, anthropic.Anthropic]:
    more = {"api_key": "unused", "max_retries": 0, "timeout": 20}
    return (
        openai.OpenAI(base_url=f"{gateway.url}/v1", **more),
        anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", **more),
    )


def sent(sim) -> dict:
    """The body of the last order."""
    orders = [entry for entry in sim.requests() if entry["path"].endswith("/predictions")]
    return json.loads(orders[-1]["body"])


def paths(sim) -> list[str]:
    """What was asked for, with `ID` for a prediction's."""
    found = []
    for entry in sim.requests():
        parts = entry["path"].split("/")
        if parts[2] in ("predictions", "stream") and len(parts) > 3:
            parts[3] = "ID"
        found.append(f"{entry['method']} {'/'.join(parts)}")
    return found


LOOK, EVENTS, CANCEL = "GET /v1/predictions/ID", "GET /v1/stream/ID", "POST /v1/predictions/ID/cancel"
ORDER = f"POST {CREATE}"


def test_a_chat_from_either_sdk(start, sim):
    made = config(sim)
    chat, messages = clients(start(made))
    model = f"replicate/{LLAMA}"
    turns = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
    turns += [{"role": "user", "content": "Three"}]
    system = {"role": "system", "content": "Be brief."}
    answer = chat.chat.completions.create(model=model, messages=[system, *turns], max_tokens=99)
    assert answer.choices[0].message.content.endswith("You said: Three")
    assert answer.choices[0].finish_reason == "stop" and answer.model == LLAMA
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    record = "User: One\n\nAssistant: Two\n\nUser: Three\n\nAssistant:"
    expected = {"system_prompt": "Be brief.", "prompt": record, "max_tokens": 99}
    assert sent(sim) == {"input": expected}
    said = messages.messages.create(
        model=model, system="Be brief.", messages=turns, max_tokens=99
    )
    assert said.content[0].text.endswith("You said: Three") and said.stop_reason == "end_turn"
    assert said.usage.input_tokens > 0 and said.usage.output_tokens > 0
    assert sent(sim) == {"input": expected}
    assert paths(sim) == [ORDER, ORDER]
    assert sim.keys_seen() == [made.secret("replicate-1")] * 2


def test_a_stream_from_either_sdk(start, sim):
    made = config(sim)
    chat, messages = clients(start(made))
    model = f"replicate/{LLAMA}"
    turns = [{"role": "user", "content": "Hi"}]
    options = {"include_usage": True}
    chunks = list(
        chat.chat.completions.create(
            model=model, messages=turns, stream=True, stream_options=options
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(piece or "" for piece in pieces).endswith("You said: Hi")
    assert sum(bool(piece) for piece in pieces) > 3
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.prompt_tokens > 0 and chunks[-1].usage.completion_tokens > 0
    with messages.messages.stream(model=model, messages=turns, max_tokens=99) as stream:
        said = stream.get_final_message()
    assert said.content[0].text.endswith("You said: Hi") and said.stop_reason == "end_turn"
    assert said.usage.output_tokens > 0
    assert sent(sim) == {"input": {"prompt": "Hi", "max_tokens": 99}, "stream": True}
    assert paths(sim) == [ORDER, EVENTS, LOOK] * 2
    assert sim.keys_seen() == [made.secret("replicate-1")] * 6


@pytest.mark.parametrize("driver", DRIVERS, ids=NAMES)
def test_every_sdk_chats_and_streams(start, sim, driver):
    """What the readme's table says of it."""
    sdk, model = driver(start(config(sim)).url), f"replicate/{LLAMA}"
    try:
        assert sdk.ask(model, ask("Hello, Weir!")).text.endswith("You said: Hello, Weir!")
        streamed = sdk.stream(model, ask("Hello, Weir!"))
        assert streamed.text.endswith("You said: Hello, Weir!") and streamed.pieces > 2
    finally:
        sdk.close()


def test_tools_are_refused_and_a_fallback_takes_them(start, sim):
    gateway = start(config(sim).provider("openai", sim.url))
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    refused = gateway.chat(f"replicate/{LLAMA}", tools=tools)
    assert refused.status == 400 and "tools" in refused.error["message"], refused.body
    assert sim.requests() == []
    taken = gateway.chat(f"replicate/{LLAMA}", tools=tools, fallbacks=["openai/gpt-4o"])
    assert (taken.status, taken.headers["x-weir-provider"]) == (200, "openai")


def test_a_prediction_is_looked_for_until_it_is_done(start, sim):
    gateway = start(config(sim, default_request_timeout_in_seconds=8))
    answer = gateway.chat("replicate/sim:latency=4500,tag=look", timeout=20)
    assert answer.status == 200, answer.body
    order, *looks = paths(sim)
    assert order.startswith("POST /v1/models/sim%3A") or order.startswith("POST /v1/models/sim:")
    assert looks and set(looks) == {LOOK}
    headers = dict(sim.requests()[0]["headers"])
    # Half of the time that there is.
    assert headers["prefer"] == "wait=3"


def test_a_prediction_that_fails_is_tried_again_and_then_a_failure(start, sim):
    made = config(sim, max_retries=1).provider("openai", sim.url)
    gateway = start(made)
    again = gateway.chat("replicate/sim:error,times=1,tag=again")
    assert again.status == 200, again.body
    assert len(paths(sim)) == 2
    model = "replicate/sim:error,code=E1001,tag=fails"
    failed = gateway.chat(model)
    assert failed.status == 502 and "E1001" in failed.error["message"], failed.body
    rescued = gateway.chat("replicate/sim:error,tag=rescued", fallbacks=["openai/gpt-4o"])
    assert (rescued.status, rescued.headers["x-weir-provider"]) == (200, "openai")
    broken = gateway.stream("replicate/sim:error=2,tag=stream").read()
    assert broken.text and broken.errors and not broken.done, broken.data
    # What has ended is not cancelled.
    assert CANCEL not in paths(sim)


def test_a_prediction_that_takes_too_long_is_cancelled(start, sim):
    gateway = start(config(sim, default_request_timeout_in_seconds=1))
    late = gateway.chat("replicate/sim:latency=60000,tag=late", timeout=20)
    assert late.status == 504, late.body
    sim.wait_until(lambda sim: paths(sim).count(CANCEL) == 1)
    # A stream that says nothing.
    silent = gateway.request(
        "POST",
        "/v1/chat/completions",
        {
            "model": "replicate/sim:latency=60000,tag=silent",
            "stream": True,
            "messages": [{"role": "user", "content": "hi"}],
        },
        timeout=20,
    )
    assert silent.status == 504, silent.body
    sim.wait_until(lambda sim: paths(sim).count(CANCEL) == 2)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_that_leaves_cancels_its_prediction(start, sim, stream):
    gateway = start(config(sim, default_request_timeout_in_seconds=60))
    if stream:
        leaving = gateway.stream("replicate/sim:chunks=3,interval=60000,tag=leaves")
        assert "content" in next(iter(leaving))
        before = [EVENTS]
    else:
        body = {"model": "replicate/sim:latency=60000,tag=goes", "messages": []}
        body["messages"] = [{"role": "user", "content": "hi"}]
        leaving = threading.Thread(target=_leave, args=(gateway, body))
        leaving.start()
        before = []
    sim.wait_until(lambda sim: len(paths(sim)) >= 1 + len(before))
    assert paths(sim)[1 : 1 + len(before)] == before
    left = time.monotonic()
    leaving.close() if stream else leaving.join()
    # What is not answered yet cannot be cancelled before it is: up to five seconds.
    sim.wait_until(lambda sim: CANCEL in paths(sim), timeout=10)
    assert time.monotonic() - left < (2 if stream else 8)
    ids = {entry["path"].split("/")[3] for entry in sim.requests()[1:]}
    assert len(ids) == 1


def _leave(gateway, body) -> None:
    with pytest.raises(OSError):
        gateway.request("POST", "/v1/chat/completions", body, timeout=0.5)


def test_a_stream_that_stalls_is_cut_and_cancelled(start, sim):
    gateway = start(config(sim, stream_idle_timeout_in_seconds=5))
    events = gateway.stream("replicate/sim:stall=2,tag=stalls").read()
    assert events.text and events.errors and not events.done, events.data
    sim.wait_until(lambda sim: CANCEL in paths(sim))


def test_a_key_that_is_refused_gives_way_to_another(start, sim):
    made = config(sim, [Key("bad"), Key("good")])
    gateway = start(made)
    sim.rule("status=401", key=made.secret("bad"))
    for _ in range(2):
        assert gateway.chat(f"replicate/{LLAMA}").headers["x-weir-key"] == "good"


@pytest.mark.topologies("all-in-one-memory")
def test_field_replicate_key_config_use_deployments_endpoint_and_deployments(start, sim):
    block = {"use_deployments_endpoint": True, "deployments": {"mine": "acme/my-llama"}}
    own = Key("own", models=["mine"], extra={"replicate_key_config": block})
    version = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
    all_keys = [own, Key("all", models=[LLAMA, version, f"acme/x:{version}"])]
    gateway = start(config(sim, all_keys))
    for model, path in (
        ("mine", "/v1/deployments/acme/my-llama/predictions"),
        (LLAMA, CREATE),
        (version, "/v1/predictions"),
        (f"acme/x:{version}", "/v1/predictions"),
    ):
        answer = gateway.chat(f"replicate/{model}")
        assert answer.status == 200, answer.body
        assert sim.requests()[-1]["path"] == path
        assert sent(sim).get("version") == (model if version in model else None)


@pytest.mark.topologies("all-in-one-memory")
def test_field_aliases_use_deployments_endpoint(start, sim):
    mine = {"model_id": "acme/my-llama", "use_deployments_endpoint": True}
    key = Key("a", extra={"aliases": {"mine": mine, "llama": LLAMA}})
    gateway = start(config(sim, [key]))
    for model, path in (("mine", "/v1/deployments/acme/my-llama/predictions"), ("llama", CREATE)):
        assert gateway.chat(f"replicate/{model}").status == 200
        assert sim.requests()[-1]["path"] == path


@pytest.mark.topologies("all-in-one-memory")
def test_models_are_those_of_the_keys_and_their_deployments(start, sim):
    named = Key("named", models=[LLAMA, "fast"], extra={"aliases": {"fast": "meta/llama-x"}})
    gateway = start(config(sim, [named]))
    listed = [model["id"] for model in gateway.request("GET", "/v1/models").json()["data"]]
    assert listed == ["replicate/fast", f"replicate/{LLAMA}"]
    assert sim.requests() == []
    own = Key("own", extra={"replicate_key_config": {"use_deployments_endpoint": True}})
    gateway = start(config(sim, [own]))
    listed = [model["id"] for model in gateway.request("GET", "/v1/models").json()["data"]]
    assert "replicate/acme/gpt-4o" in listed
