"""`mistralai`: chat completions in Mistral's words."""

from mistralai.client import Mistral
from mistralai.client.errors import MistralError, ResponseValidationError
from pydantic import ValidationError

from .samples import data_url
from .talk import Ask, Call, Driver, Reply, Results, Turn, User, arguments


class MistralAi(Driver):
    name = "mistralai"
    label = "`mistralai`"
    # One class for all; it carries the status.
    exceptions = dict.fromkeys((400, 404, 429, 500, 502), MistralError)
    broken = (MistralError,)
    unreadable = (ResponseValidationError, ValidationError)
    # It reads them in Mistral's own chunks only, which OpenAI's format does not have.
    shows_thoughts = False

    def __init__(self, url: str):
        self.client = Mistral(api_key="unused", server_url=f"{url}/mistral")

    def ask(self, model: str, ask: Ask) -> Reply:
        answer = self.client.chat.complete(model=model, **_request(ask))
        choice = answer.choices[0]
        reply = Reply(stop=choice.finish_reason)
        reply.native = choice.message.model_dump(exclude_none=True, exclude_unset=True)
        _say(reply, choice.message.content)
        reply.calls = [_call(call) for call in choice.message.tool_calls or []]
        reply.tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        return reply

    def stream(self, model: str, ask: Ask) -> Reply:
        reply, calls = Reply(), {}
        with self.client.chat.stream(model=model, **_request(ask)) as events:
            for event in events:
                chunk = event.data
                if chunk.usage:
                    reply.tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                for choice in chunk.choices:
                    reply.stop = choice.finish_reason or reply.stop
                    _say(reply, choice.delta.content)
                    for call in choice.delta.tool_calls or []:
                        _gather(calls, call)
        assert reply.stop, "a stream without an end, and without an exception"
        reply.calls = [
            Call(id, name, arguments("".join(parts))) for id, name, parts in calls.values()
        ]
        reply.native = {"role": "assistant", "content": reply.text}
        if calls:
            reply.native["tool_calls"] = [
                {"id": id, "type": "function",
                 "function": {"name": name, "arguments": "".join(parts)}}
                for id, name, parts in calls.values()
            ]  # fmt: skip
        return reply

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        answer = self.client.embeddings.create(model=model, inputs=texts)
        return [one.embedding for one in answer.data]

    def models(self, provider: str) -> list[str]:
        header = {"x-bf-list-models-provider": provider}
        return [model.id for model in self.client.models.list(http_headers=header).data]


def _say(reply: Reply, content) -> None:
    """A text, or chunks of text and thoughts."""
    if isinstance(content, str) and content:
        reply.text += content
        reply.pieces += 1
    elif isinstance(content, list):
        for chunk in content:
            if chunk.type == "text":
                _say(reply, chunk.text)
            elif chunk.type == "thinking":
                reply.thoughts += "".join(part.text for part in chunk.thinking)


def _call(call) -> Call:
    given = call.function.arguments
    return Call(
        call.id, call.function.name, given if isinstance(given, dict) else arguments(given)
    )


def _gather(calls: dict, call) -> None:
    given = call.function.arguments
    if call.index not in calls:
        calls[call.index] = (call.id, call.function.name, [])
    calls[call.index][2].append(given if isinstance(given, str) else "")


def _request(ask: Ask) -> dict:
    messages = [{"role": "system", "content": ask.system}] if ask.system else []
    request = {"messages": messages + [m for turn in ask.turns for m in _messages(turn)]}
    if ask.tools:
        request["tools"] = [
            {"type": "function",
             "function": {"name": t.name, "description": t.description, "parameters": t.schema}}
            for t in ask.tools
        ]  # fmt: skip
    if ask.choice in ("any", "none"):
        request["tool_choice"] = ask.choice
    elif ask.choice:
        request["tool_choice"] = {"type": "function", "function": {"name": ask.choice}}
    if ask.stop:
        request["stop"] = ask.stop
    if ask.schema:
        schema = {"name": "city", "strict": True, "schema": ask.schema}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if ask.thinks:
        request["reasoning_effort"] = "low"
    return request


def _messages(turn: Turn) -> list[dict]:
    match turn:
        case str():
            return [{"role": "assistant", "content": turn}]
        case Reply():
            return [turn.native]
        case Results():
            return [
                {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": text}
                for call, text in turn.pairs()
            ]
        case User(text, [], []):
            return [{"role": "user", "content": text}]
    parts = [{"type": "text", "text": turn.text}]
    parts += [
        {"type": "image_url", "image_url": data_url("image/png", image)} for image in turn.images
    ]
    parts += [
        {"type": "document_url", "document_name": one.title,
         "document_url": data_url("application/pdf", one.pdf)}
        for one in turn.documents
    ]  # fmt: skip
    return [{"role": "user", "content": parts}]
