"""`anthropic`: messages."""

import anthropic

from .samples import encoded
from .talk import Ask, Call, Driver, Reply, Results, Turn, User


class AnthropicMessages(Driver):
    name = "anthropic"
    label = "`anthropic`"
    exceptions = {
        400: anthropic.BadRequestError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
        500: anthropic.InternalServerError,
        502: anthropic.InternalServerError,
    }
    broken = (anthropic.APIError,)

    def __init__(self, url: str):
        self.client = anthropic.Anthropic(
            base_url=f"{url}/anthropic", api_key="unused", max_retries=0
        )

    def ask(self, model: str, ask: Ask) -> Reply:
        return _reply(self.client.messages.create(model=model, **_request(ask)))

    def stream(self, model: str, ask: Ask) -> Reply:
        with self.client.messages.stream(model=model, **_request(ask)) as stream:
            pieces = sum(1 for text in stream.text_stream if text)
            reply = _reply(stream.get_final_message())
        reply.pieces = pieces
        return reply

    def count(self, model: str, ask: Ask) -> int:
        request = _request(ask)
        del request["max_tokens"]
        return self.client.messages.count_tokens(model=model, **request).input_tokens

    def models(self, provider: str) -> list[str]:
        header = {"x-bf-list-models-provider": provider}
        return [model.id for model in self.client.models.list(extra_headers=header)]

    def close(self) -> None:
        self.client.close()


def _reply(message) -> Reply:
    reply = Reply(stop=message.stop_reason, native=message.content)
    for block in message.content:
        match block.type:
            case "text":
                reply.text += block.text
            case "thinking":
                reply.thoughts += block.thinking
            case "tool_use":
                reply.calls.append(Call(block.id, block.name, block.input))
    reply.tokens = (message.usage.input_tokens, message.usage.output_tokens)
    return reply


def _request(ask: Ask) -> dict:
    request = {"messages": [_message(turn) for turn in ask.turns], "max_tokens": 4096}
    if ask.system:
        request["system"] = ask.system
    if ask.tools:
        request["tools"] = [
            {"name": t.name, "description": t.description, "input_schema": t.schema}
            for t in ask.tools
        ]
    if ask.choice in ("any", "none"):
        request["tool_choice"] = {"type": ask.choice}
    elif ask.choice:
        request["tool_choice"] = {"type": "tool", "name": ask.choice}
    if ask.stop:
        request["stop_sequences"] = ask.stop
    if ask.schema:
        request["output_config"] = {"format": {"type": "json_schema", "schema": ask.schema}}
    if ask.thinks:
        request["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    return request


def _message(turn: Turn) -> dict:
    match turn:
        case str():
            return {"role": "assistant", "content": turn}
        case Reply():
            return {"role": "assistant", "content": turn.native}
        case Results():
            blocks = [
                {"type": "tool_result", "tool_use_id": call.id, "content": text}
                for call, text in turn.pairs()
            ]
            return {"role": "user", "content": blocks}
        case User(text, [], []):
            return {"role": "user", "content": text}

    def source(media_type: str, data: bytes) -> dict:
        return {"type": "base64", "media_type": media_type, "data": encoded(data)}

    blocks = [{"type": "text", "text": turn.text}]
    blocks += [{"type": "image", "source": source("image/png", image)} for image in turn.images]
    blocks += [
        {"type": "document", "title": one.title, "source": source("application/pdf", one.pdf)}
        for one in turn.documents
    ]
    return {"role": "user", "content": blocks}
