"""Two bodies of one format, and where they differ once what means the same is written the same."""

import difflib
import itertools
import json
import re
from dataclasses import dataclass

ABSENT = "(absent)"

# What is the client's own inside a body: its words are not the format's.
CLIENTS = {"args", "input", "parameters", "parametersJsonSchema", "responseJsonSchema", "json",
           "input_schema", "schema", "response", "responseSchema"}


@dataclass(frozen=True)
class Difference:
    """At `path`, whose parts in lists are `*`, the gateway says one thing and LiteLLM another."""

    path: str
    ours: object
    theirs: object

    def __str__(self):
        return f"{self.path}: {json.dumps(self.ours)[:300]} / {json.dumps(self.theirs)[:300]}"


def differences(format: str, ours: dict, theirs: dict) -> list[Difference]:
    normal = NORMAL[format]
    return list(_compare("", normal(ours), normal(theirs)))


def _compare(path: str, ours, theirs):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            inner = f"{path}.{name}" if path else name
            yield from _compare(inner, ours.get(name, ABSENT), theirs.get(name, ABSENT))
    elif isinstance(ours, list) and isinstance(theirs, list):
        for one, other in _aligned(ours, theirs):
            yield from _compare(f"{path}.*", one, other)
    elif json.dumps(ours, sort_keys=True) != json.dumps(theirs, sort_keys=True):
        # One number in two ways of writing it is one number.
        if not (_is_number(ours) and _is_number(theirs) and ours == theirs):
            yield Difference(path, ours, theirs)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _aligned(ours: list, theirs: list):
    """Pairs of what stands at the same place; what only one of them has stands beside nothing."""
    if len(ours) == len(theirs):
        yield from zip(ours, theirs)
        return
    for one, other in _matched(ours, theirs, lambda value: json.dumps(value, sort_keys=True)):
        if len(one) == len(other):
            yield from zip(one, other)
            continue
        # What is not the same may still be of one kind.
        for some, others in _matched(one, other, _kind):
            yield from itertools.zip_longest(some, others, fillvalue=ABSENT)


def _matched(ours: list, theirs: list, key):
    """Stretches of both lists, which are alike by their keys or not."""
    keys = [[key(one) for one in side] for side in (ours, theirs)]
    matcher = difflib.SequenceMatcher(None, *keys, autojunk=False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        yield ours[start:end], theirs[other_start:other_end]


def _kind(block) -> str:
    if not isinstance(block, dict):
        return ""
    marks = {"thoughtSignature", "cache_control"}
    return str(block.get("type") or sorted(set(block) - marks))


# --- What means the same, by format ---------------------------------------------------------------


def _without_nulls(value):
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _spoken(blocks: list[dict], said=("type",)) -> list[dict]:
    """Without texts in which nothing is said."""
    return [one for one in blocks if one.get("text") != "" or set(one) - {"text", *said}]


def _blocks(content, as_text=lambda text: {"type": "text", "text": text}):
    return [as_text(content)] if isinstance(content, str) else content


def _turns(messages: list[dict], content: str) -> list[dict]:
    """Turns of one role that follow each other are one turn."""
    turns = []
    for message in messages:
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1] = {**turns[-1], content: turns[-1][content] + message[content]}
        else:
            turns.append(message)
    return turns


def _anthropic(body: dict) -> dict:
    body = _without_nulls(body)
    if "system" in body:
        body["system"] = _blocks(body["system"])
    for message in body["messages"]:
        message["content"] = _blocks(message["content"])
        for block in message["content"]:
            if block["type"] == "tool_result":
                block["content"] = _spoken(_blocks(block.get("content", [])))
        message["content"] = _spoken(message["content"])
    body["messages"] = _turns(body["messages"], "content")
    for tool in body.get("tools", []):
        if tool.get("type") == "custom":
            del tool["type"]
    # The name of the member before it was generally available.
    older = body.pop("output_format", None)
    if older is not None:
        body.setdefault("output_config", {})["format"] = older
    return body


def _gemini(body: dict) -> dict:
    body = _without_nulls(_camel(body))
    for turn in body["contents"]:
        turn["parts"] = _spoken(turn["parts"])
    body["contents"] = _turns(body["contents"], "parts")
    # Declarations in one tool or in several are the same.
    tools = body.pop("tools", [])
    declared = [one for tool in tools for one in tool.pop("functionDeclarations", [])]
    others = [tool for tool in tools if tool]
    if declared or others:
        body["tools"] = [*([{"functionDeclarations": declared}] if declared else []), *others]
    return body


def _camel(value):
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, one in value.items():
        name = re.sub("_([a-z])", lambda found: found[1].upper(), name)
        made[name] = one if name in CLIENTS else _camel(one)
    return made


def _bedrock(body: dict) -> dict:
    body = _without_nulls(body)
    # Members without anything in them.
    body = {name: value for name, value in body.items() if value not in ({}, [])}
    for message in body["messages"]:
        message["content"] = _spoken(message["content"])
        for block in message["content"]:
            if "toolResult" in block:
                block["toolResult"]["content"] = _spoken(block["toolResult"]["content"])
    body["messages"] = _turns(body["messages"], "content")
    structure = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {})
    if "jsonSchema" in structure:
        structure["jsonSchema"]["schema"] = json.loads(structure["jsonSchema"]["schema"])
    return body


def _cohere(body: dict) -> dict:
    body = _without_nulls(body)
    if body.get("stream") is False:
        del body["stream"]
    for message in body["messages"]:
        message["content"] = _spoken(_blocks(message.get("content", [])))
    return body


NORMAL = {
    "anthropic_messages": _anthropic, "gemini_generate": _gemini, "bedrock_converse": _bedrock,
    "cohere_chat": _cohere,
}
