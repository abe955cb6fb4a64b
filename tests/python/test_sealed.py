"""What a provider refuses because it did not seal it: signatures of thoughts, encrypted reasoning.

The simulator refuses what it has not signed itself, in each vendor's words. The answer comes all
the same, after one more try with the same key, and says what is missing.
"""

import json

import pytest
from sdks import families

FORGED = "Zm9yZ2Vk"
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


def claude_chat(turn: list) -> dict:
    tools = [{"name": "get_weather", "input_schema": TOOL}]
    messages = [
        {"role": "user", "content": "call get_weather"},
        {"role": "assistant", "content": turn},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
    ]
    return {"max_tokens": 2048, "messages": messages, "tools": tools}


def claude(model: str, stream: bool):
    call = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Oslo"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": FORGED}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body = {"model": model, "stream": stream, "thinking": thinking, **claude_chat([thought, call])}
    return "/anthropic/v1/messages", body, {"thinking", "thinking.signature"}


def gemini(model: str, stream: bool):
    call = {"functionCall": {"name": "get_weather", "args": {}}, "thoughtSignature": FORGED}
    result = {"functionResponse": {"name": "get_weather", "response": {"t": 1}}}
    contents = [
        {"role": "user", "parts": [{"text": "call get_weather"}]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [result]},
    ]
    declared = [{"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {}}}]
    body = {"contents": contents, "tools": [{"functionDeclarations": declared}]}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/genai/v1beta/models/{model}:{verb}", body, {"tool_calls.signature"}


def bedrock(model: str, stream: bool):
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": FORGED}}}
    messages = [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [thought, {"text": "hello"}]},
        {"role": "user", "content": [{"text": "hi again"}]},
    ]
    verb = "converse-stream" if stream else "converse"
    path = f"/bedrock/model/{model.replace('/', '%2F')}/{verb}"
    return path, {"messages": messages}, {"thinking.signature"}


def responses(model: str, stream: bool):
    call = {"call_id": "c1", "name": "get_weather", "arguments": "{}"}
    items = [
        {"role": "user", "content": "call get_weather"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": FORGED},
        {"type": "function_call", "id": "fc_1", **call},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]
    tools = [{"type": "function", "name": "get_weather", "parameters": TOOL, "strict": False}]
    body = {"model": model, "input": items, "stream": stream, "store": False, "tools": tools}
    return "/v1/responses", body, {"thinking.redacted"}


def translated(model: str, stream: bool):
    """Claude's thought, as a client of OpenAI's format gives it back."""
    detail = {"type": "reasoning.text", "text": "hm", "signature": FORGED}
    said = {"reasoning_details": [{**detail, "format": "anthropic_messages"}]}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", **said},
        {"role": "user", "content": "hi again"},
    ]
    body = {"model": model, "messages": messages, "stream": stream}
    return "/v1/chat/completions", body, {"messages.thinking", "thinking.signature"}


CASES = [
    (claude, "anthropic"),
    (gemini, "gemini"),
    (bedrock, "bedrock"),
    (responses, "openai"),
    (translated, "anthropic"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_refused_seal_is_taken_off_and_the_request_sent_once_more(start, sim, stream):
    named = dict.fromkeys(name for _, name in CASES)
    place = families.Place(sim.url)
    gateway = start(families.config(place, [families.BY_NAME[name] for name in named]))
    for ask, name in CASES:
        sim.reset()
        family = families.BY_NAME[name]
        path, body, lost = ask(family.model("thinker"), stream)
        answer = gateway.request("POST", path, body)
        assert answer.status == 200, (name, answer.body)
        assert b'"error":{' not in answer.body.replace(b" ", b""), (name, answer.body)
        key = f"{family.provider}/{family.provider}-main"
        assert answer.tries == f"{key}:400, {key}:200"
        losses = set(answer.headers["x-weir-losses"].split(", "))
        assert "signature" in str(losses) or "redacted" in str(losses)
        assert losses <= lost, (name, losses)
        sent = [request["body"] for request in sim.requests()]
        assert [FORGED in body for body in sent] == [True, False], sent
        # Neither the key nor the model rests after that.
        again = gateway.request("POST", path, body)
        assert again.tries == f"{key}:400, {key}:200"
        assert int(again.headers["x-weir-queue-ms"]) < 500


def test_of_a_request_of_the_same_format_only_what_is_sealed_changes(start, sim):
    family = families.BY_NAME["bedrock"]
    gateway = start(families.config(families.Place(sim.url), [family]))
    path, body, _ = bedrock(family.model("chat"), False)
    text = json.dumps(body, indent=1).replace('"hello"', '"h\\u00e9llo"')
    answer = gateway.request("POST", path, text.encode())
    assert answer.status == 200, answer.body
    first, second = (request["body"] for request in sim.requests())
    assert first == text
    opened = text.rindex("{", 0, text.index('"reasoningContent"'))
    after = text.index("{", text.index(FORGED))
    assert second == text[:opened] + text[after:]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_fallback_is_sent_nothing_sealed(start, sim, other_sim, stream):
    family = families.BY_NAME["anthropic"]
    config = families.config(families.Place(sim.url), [family]).provider("second", other_sim.url)
    kind = {"base_provider_type": "anthropic"}
    config.document["providers"]["second"]["custom_provider_config"] = kind
    gateway = start(config)
    sim.rule("status=503")
    path, body, _ = claude(family.model("thinker"), stream)
    body["fallbacks"] = ["second/claude-sonnet-5"]
    answer = gateway.request("POST", path, body)
    assert answer.status == 200, answer.body
    tried = "anthropic/anthropic-main:503, second/second-1:200"
    assert answer.tries == tried
    assert FORGED in sim.requests()[0]["body"]
    assert FORGED not in other_sim.requests()[0]["body"]
    assert "thinking.signature" in answer.headers["x-weir-losses"]


def test_a_second_refusal_is_the_answer(start, sim):
    family = families.BY_NAME["anthropic"]
    gateway = start(families.config(families.Place(sim.url), [family]))
    text = "messages.1.content.0: Invalid `signature` in `thinking` block"
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
    sim.rule("status=400", body=json.dumps(refusal))
    path, body, _ = claude(family.model("thinker"), False)
    answer = gateway.request("POST", path, body)
    assert answer.status == 400 and answer.json()["error"]["message"] == text
    key = "anthropic/anthropic-main:400"
    assert answer.tries == f"{key}, {key}"
    assert len(sim.requests()) == 2
