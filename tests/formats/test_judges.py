"""The judges themselves: that each sees what is wrong with a body, and where."""

import copy

import pytest
from judges import judge
from translations import Translation

CHAT = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
RESPONSES = {"model": "m", "input": [{"role": "user", "content": [
    {"type": "input_text", "text": "x"},
]}]}
ANTHROPIC = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [
    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}]},
]}]}
GEMINI = {"contents": [{"role": "user", "parts": [
    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
]}], "generationConfig": {"imageConfig": {"aspectRatio": "1:1"}}}
BEDROCK = {"messages": [{"role": "user", "content": [
    {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}},
]}]}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": [
    {"role": "user", "content": "x"},
]}
COHERE = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}

BODIES = {
    "openai_chat": CHAT, "openai_responses": RESPONSES, "anthropic_messages": ANTHROPIC,
    "gemini_generate": GEMINI, "bedrock_converse": BEDROCK, "bedrock_invoke": INVOKE,
    "cohere_chat": COHERE,
}

# (format, where, what is put there, path of the problem).
SPOILT = [
    ("openai_chat", ("zz",), 1, "zz"),
    ("openai_chat", ("messages", 0, "content", 0, "zz"), 1, "messages.*.content.*.zz"),
    ("openai_chat", ("messages", 0, "content", 0, "text"), 1, "messages.*.content.*.text"),
    ("openai_chat", ("messages", 0), {"role": "tool", "content": "x"}, "messages.*.tool_call_id"),
    ("openai_chat", ("n",), "1", "n"),
    ("openai_responses", ("input", 0, "content", 0, "zz"), 1, "input.*.content.*.zz"),
    ("openai_responses", ("input", 0, "content", 0, "type"), "text", "input.*.content.*.type"),
    ("openai_responses", ("reasoning",), {"effort": "huge"}, "reasoning.effort"),
    ("anthropic_messages", ("zz",), 1, "zz"),
    ("anthropic_messages", ("messages", 0, "content", 0, "content", 0, "zz"), 1,
     "messages.*.content.*.content.*.zz"),
    # As in an answer, which the package takes back whole.
    ("anthropic_messages", ("messages", 0, "content", 0),
     {"type": "thinking", "thinking": "x", "signature": "x", "zz": 1}, "messages.*.content.*.zz"),
    ("anthropic_messages", ("mcp_servers",), [], "mcp_servers"),
    ("gemini_generate", ("contents", 0, "zz"), 1, "contents.*.zz"),
    ("gemini_generate", ("contents", 0, "parts", 0, "inline_data"), {},
     "contents.*.parts.*.inline_data"),
    ("gemini_generate", ("contents", 0, "parts", 0, "inlineData", "data"), "?",
     "contents.*.parts.*.inlineData.data"),
    ("gemini_generate", ("generationConfig", "max_output_tokens"), 1,
     "generationConfig.max_output_tokens"),
    ("gemini_generate", ("toolConfig",), {"functionCallingConfig": {"mode": "SOME"}},
     "toolConfig.functionCallingConfig.mode"),
    ("bedrock_converse", ("messages", 0, "content", 0, "toolResult", "toolUseId"), "a b",
     "messages.*.content.*.toolResult.toolUseId"),
    ("bedrock_converse", ("messages", 0, "content", 0, "text"), "x", "messages.*.content.*"),
    ("bedrock_converse", ("messages", 0, "role"), "tool", "messages.*.role"),
    ("bedrock_converse", ("inferenceConfig",), {"temperature": 1.5}, "inferenceConfig.temperature"),
    ("bedrock_converse", ("toolConfig",), {"tools": []}, "toolConfig.tools"),
    ("bedrock_invoke", ("zz",), 1, "zz"),
    ("bedrock_invoke", ("model",), "m", "model"),
    ("bedrock_invoke", ("anthropic_version",), "2023-06-01", "anthropic_version"),
    ("bedrock_invoke", ("anthropic_beta",), "x", "anthropic_beta"),
    ("bedrock_invoke", ("max_tokens",), "1", "max_tokens"),
    ("cohere_chat", ("zz",), 1, "zz"),
    ("cohere_chat", ("messages", 0, "content", 0, "zz"), 1, "messages.*.content.*.zz"),
    ("cohere_chat", ("tool_choice",), "AUTO", "tool_choice"),
]


def paths(to: str, body, kind: str = "request", **more) -> set[str]:
    # To a client of the same format, members in trial may pass.
    source = "openai_chat" if to in ("anthropic_messages", "bedrock_invoke") else to
    one = Translation(kind, source, "made up", to, "chat", "m", [], body, **more)
    return {problem.path for problem in judge(one)}


@pytest.mark.parametrize("to", BODIES)
def test_a_good_body_is_good(to):
    assert paths(to, BODIES[to]) == set()


@pytest.mark.parametrize(("to", "where", "what", "path"), SPOILT, ids=lambda each: str(each)[:40])
def test_a_spoilt_body_is_found_out(to, where, what, path):
    body = copy.deepcopy(BODIES[to])
    place = body
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = what
    assert path in paths(to, body)


def test_what_answers_lack_is_found_out():
    assert "choices" in paths("openai_chat", {"id": "a", "model": "m"}, "answer")
    assert "usage" in paths("anthropic_messages", {"id": "a", "content": []}, "answer")
    assert "metrics" in paths("bedrock_converse", {}, "answer")
    assert "zz" in paths("gemini_generate", {"zz": 1}, "answer")
    assert "id" in paths("cohere_chat", {}, "answer")
    assert "created_at" in paths("openai_responses", {}, "answer")


def test_events_are_told_apart():
    delta = {"type": "response.output_text.delta", "delta": "x"}
    events = [{"name": "response.output_text.delta", "data": delta}, {"name": "x", "data": {}}]
    found = paths("openai_responses", None, "stream", events=events)
    assert {"response.output_text.delta.sequence_number", "x.type"} <= found
    named = [{"name": "message_start", "data": {"type": "message_stop"}}]
    assert paths("anthropic_messages", None, "stream", events=named) == {"message_start.type"}
    unknown = [{"name": "contentBlockEnd", "data": {}}]
    assert paths("bedrock_converse", None, "stream", events=unknown)
    unnamed = [{"name": "", "data": {"type": "message_stop"}}]
    assert paths("bedrock_invoke", None, "stream", events=unnamed) == set()
    assert paths("bedrock_invoke", None, "stream", events=[{"name": "oddException", "data": {}}])
