"""Tool calls through the official SDK, whole and streamed."""

import json

import pytest

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}},
]


def ask(client, content, **more):
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(
        model="openai/gpt-4o", messages=messages, tools=TOOLS, **more
    )


def joined(chunks):
    """The calls that a stream's deltas add up to: (name, arguments) by index."""
    calls: dict[int, list] = {}
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(delta.index, [None, ""])
            call[0] = delta.function.name or call[0]
            call[1] += delta.function.arguments or ""
    return [tuple(calls[index]) for index in sorted(calls)]


@pytest.mark.parametrize(
    ("content", "more", "expected"),
    [
        ("please get_weather for me", {}, ["get_weather"]),
        ("get_weather and get_time", {}, ["get_weather", "get_time"]),
        ("get_weather and get_time", {"parallel_tool_calls": False}, ["get_weather"]),
        ("hello", {"tool_choice": "required"}, ["get_weather"]),
        (
            "hello",
            {"tool_choice": {"type": "function", "function": {"name": "get_time"}}},
            ["get_time"],
        ),
    ],
)
def test_tool_calls_whole_and_streamed(client, content, more, expected):
    answer = ask(client, content, **more)
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == expected
    for call in calls:
        if call.function.name == "get_weather":
            assert json.loads(call.function.arguments) == {"city": "sample city", "days": 7}
    chunks = list(ask(client, content, stream=True, **more))
    assert joined(chunks) == [(call.function.name, call.function.arguments) for call in calls]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_no_tool_is_called_when_none_is_wanted(client):
    assert ask(client, "hello").choices[0].message.tool_calls is None
    answer = ask(client, "get_weather", tool_choice="none")
    assert answer.choices[0].message.content


def test_a_tool_round_trip(client):
    first = ask(client, "get_weather please").choices[0].message
    messages = [
        {"role": "user", "content": "get_weather please"},
        first.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sunny"},
    ]
    answer = client.chat.completions.create(model="openai/gpt-4o", messages=messages, tools=TOOLS)
    assert answer.choices[0].finish_reason == "stop"
