"""Streams, put together by the packages of their vendors as they do it for their users: what comes
out is a whole answer, and the one that the stream itself says it is."""

import pytest
from anthropic._models import construct_type_unchecked as anthropic_construct
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from judges import strict
from openai import omit
from openai._models import construct_type_unchecked
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from translations import translations


def streams(to: str):
    """Those of other formats that end well."""
    for one in translations():
        is_its = (one.kind, one.to) == ("stream", to) and one.source != to
        if is_its and not any(map(is_error, one.events)):
            yield one


def is_error(event) -> bool:
    data = event["data"]
    is_open = isinstance(data, dict) and data.get("error") is not None
    return is_open or event["name"] in ("error", "response.failed")


def openai_chat(one) -> tuple[dict, dict]:
    state = ChatCompletionStreamState()
    said: dict = {}
    for event in one.events:
        if event["data"] == "[DONE]":
            continue
        for choice in event["data"]["choices"]:
            delta = choice["delta"]
            text = said.setdefault(choice["index"], {"content": "", "arguments": ""})
            text["content"] += delta.get("content") or ""
            for call in delta.get("tool_calls") or []:
                text["arguments"] += arguments(call)
        state.handle_chunk(construct_type_unchecked(type_=ChatCompletionChunk, value=event["data"]))
    whole = state.current_completion_snapshot.to_dict(warnings=False)
    found = {
        choice["index"]: {
            "content": choice["message"].get("content") or "",
            "arguments": "".join(map(arguments, choice["message"].get("tool_calls") or [])),
        }
        for choice in whole["choices"]
    }
    assert all(choice["finish_reason"] for choice in whole["choices"])
    return found, said


def arguments(call) -> str:
    """Of a function: the package does not put calls of custom tools together."""
    return (call.get("function") or {}).get("arguments", "")


def openai_responses(one) -> tuple[list, list]:
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    numbers = [event["data"]["sequence_number"] for event in one.events]
    assert numbers == sorted(set(numbers))
    for event in one.events[:-1]:
        typed = construct_type_unchecked(type_=ResponseStreamEvent, value=event["data"])
        state.handle_event(typed)
    # What it would be if the last event did not say it once more.
    whole = state._ResponseStreamState__current_snapshot.to_dict(warnings=False)["output"]
    last = one.events[-1]["data"]
    assert last["type"] in ("response.completed", "response.incomplete")
    said = last["response"]["output"]
    done = [event["data"]["item"] for event in one.events if event["name"].endswith("item.done")]
    assert done == said
    return list(map(words, whole)), list(map(words, said))


def words(item: dict):
    """What the package collects of an item: it takes states, summaries and refusals from the last
    event alone."""
    match item["type"]:
        case "message":
            return [part.get("text") for part in item["content"]]
        case "function_call":
            return item["call_id"], item["name"], item["arguments"]
    return item["type"], item["id"]


def anthropic_messages(one) -> tuple[dict, dict]:
    whole, buffers = None, {}
    said: dict = {}
    for event in one.events:
        data = event["data"]
        if data["type"] == "ping":
            continue
        typed = anthropic_construct(type_=RawMessageStreamEvent, value=data)
        whole = accumulate_event(event=typed, current_snapshot=whole, json_bufs=buffers)
        if data["type"] == "content_block_start":
            assert data["index"] == len(said)
            said[data["index"]] = data["content_block"]["type"]
    found = whole.to_dict(warnings=False)
    assert found["stop_reason"]
    assert strict("anthropic.types:Message").problems(found) == []
    return {at: block["type"] for at, block in enumerate(found["content"])}, said


PUT_TOGETHER = [openai_chat, openai_responses, anthropic_messages]


@pytest.mark.parametrize("put_together", PUT_TOGETHER, ids=lambda each: each.__name__)
def test_a_stream_becomes_the_answer_that_it_says(put_together):
    problems = []
    count = 0
    for count, one in enumerate(streams(put_together.__name__), 1):
        try:
            found, said = put_together(one)
            if found != said:
                problems.append(f"{one.label}: {found}\n    is not {said}")
        except Exception as error:
            problems.append(f"{one.label}: {error!r}")
    assert count > 50
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems)
