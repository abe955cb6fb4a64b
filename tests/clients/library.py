"""What a library is to the tests: its calls, and what goes in and comes out of them."""

import json
from dataclasses import dataclass, field


@dataclass
class Said:
    """What a library makes of an answer."""

    text: str
    # (name, arguments) of each call.
    calls: list[tuple[str, dict]]
    # Of the prompt, and of the answer.
    tokens: tuple[int, int]
    # Pieces of text it came in.
    pieces: int = 1
    native: object = None


@dataclass
class Asked:
    """A conversation: words of the user, answers as they came, and (answer, results of its calls)."""

    turns: list
    tools: list = field(default_factory=list)
    choice: str | None = None


class Library:
    """How one is used; each method's name says for what."""

    name: str
    label: str
    # `pytest.mark.older_openai`: it is in the environment of that name.
    marks: tuple = ()

    def __init__(self, url: str):
        self.url = url

    def ask(self, model: str, asked: Asked) -> Said:
        raise NotImplementedError

    def stream(self, model: str, asked: Asked) -> Said:
        raise NotImplementedError

    async def ask_later(self, model: str, asked: Asked) -> Said:
        raise NotImplementedError

    async def stream_later(self, model: str, asked: Asked) -> Said:
        raise NotImplementedError

    def batch(self, model: str, texts: list[str]) -> list[str]:
        raise NotImplementedError

    def structured(self, model: str, text: str, form: type):
        """An object of the class `form`, whose schema the answer is held to."""
        raise NotImplementedError

    def structured_by_tool(self, model: str, text: str, form: type):
        """The same by way of a tool that takes such an object."""
        raise NotImplementedError

    def structured_stream(self, model: str, text: str, form: type):
        """The object as it is at the end of a stream, and how often it was seen before."""
        raise NotImplementedError

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError


STREAM = {"stream": True, "stream_options": {"include_usage": True}}


# What follows is for libraries that speak as OpenAI's SDK does.


def dicts(asked: Asked) -> list[dict]:
    messages = []
    for turn in asked.turns:
        match turn:
            case str():
                messages.append({"role": "user", "content": turn})
            case (answer, results):
                calls = answer.native["tool_calls"]
                messages.append(answer.native)
                messages += [
                    {"role": "tool", "tool_call_id": call["id"], "content": result}
                    for call, result in zip(calls, results, strict=True)
                ]
            case answer:
                messages.append(answer.native)
    return messages


def choices(asked: Asked) -> dict:
    """Tools and their choice."""
    if not asked.tools:
        return {}
    from langchain_core.utils.function_calling import convert_to_openai_tool

    choice = {"any": "required"}.get(asked.choice, asked.choice)
    return {
        "tools": [convert_to_openai_tool(tool) for tool in asked.tools],
        **({"tool_choice": choice} if choice else {}),
    }


def said(answer, pieces: int = 1) -> Said:
    message = answer.choices[0].message
    calls = [
        (call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or []
    ]
    usage = answer.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    native = {"content": None, **message.model_dump(exclude_none=True)}
    return Said(message.content or "", calls, tokens, pieces, native)


def has_text(chunk) -> bool:
    return bool(chunk.choices and chunk.choices[0].delta.content)
