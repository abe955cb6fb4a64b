"""`openai`: chat completions."""

import openai

from .samples import data_url
from .talk import Ask, Call, Driver, Reply, Results, Turn, User, arguments

EXCEPTIONS = {
    400: openai.BadRequestError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
}


class OpenAiChat(Driver):
    name = "openai-chat"
    label = "`openai`, chat"
    exceptions = EXCEPTIONS
    broken = (openai.APIError,)

    def __init__(self, url: str):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)

    def ask(self, model: str, ask: Ask) -> Reply:
        answer = self.client.chat.completions.create(model=model, **_request(ask))
        choice = answer.choices[0]
        message = choice.message
        calls = [
            Call(call.id, call.function.name, arguments(call.function.arguments))
            for call in message.tool_calls or []
        ]
        thoughts = getattr(message, "reasoning_content", None) or ""
        usage = answer.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        native = message.model_dump(exclude_none=True)
        return Reply(message.content or "", thoughts, calls, choice.finish_reason, tokens, native)

    def stream(self, model: str, ask: Ask) -> Reply:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        reply, calls, details = Reply(), {}, {}
        for chunk in self.client.chat.completions.create(model=model, **_request(ask), **options):
            if chunk.usage:
                reply.tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            for choice in chunk.choices:
                reply.stop = choice.finish_reason or reply.stop
                _add(choice.delta, reply, calls, details)
        reply.calls = [
            Call(id, name, arguments("".join(parts))) for id, name, parts in calls.values()
        ]
        reply.native = {"role": "assistant", "content": reply.text or None}
        if calls:
            reply.native["tool_calls"] = [
                {"id": id, "type": "function",
                 "function": {"name": name, "arguments": "".join(parts)}}
                for id, name, parts in calls.values()
            ]  # fmt: skip
        if details:
            reply.native["reasoning_details"] = list(details.values())
        return reply

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        answer = self.client.embeddings.create(model=model, input=texts)
        return [one.embedding for one in answer.data]

    def models(self, provider: str) -> list[str]:
        header = {"x-bf-list-models-provider": provider}
        return [model.id for model in self.client.models.list(extra_headers=header)]

    def close(self) -> None:
        self.client.close()


def _add(delta, reply: Reply, calls: dict, details: dict) -> None:
    if delta.content:
        reply.text += delta.content
        reply.pieces += 1
    reply.thoughts += getattr(delta, "reasoning_content", None) or ""
    for piece in getattr(delta, "reasoning_details", None) or []:
        detail = details.setdefault(piece["index"], {})
        texts = {name: detail.get(name, "") + piece[name] for name in ("text", "summary")
                 if piece.get(name)}  # fmt: skip
        detail.update(piece, **texts)
    for call in delta.tool_calls or []:
        if call.index not in calls:
            calls[call.index] = (call.id, call.function.name, [])
        calls[call.index][2].append(call.function.arguments or "")


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
        request["tool_choice"] = {"any": "required"}.get(ask.choice, ask.choice)
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
                {"role": "tool", "tool_call_id": call.id, "content": text}
                for call, text in turn.pairs()
            ]
        case User(text, [], []):
            return [{"role": "user", "content": text}]
    files = [
        {"filename": f"{one.title}.pdf", "file_data": data_url("application/pdf", one.pdf)}
        for one in turn.documents
    ]
    images = [{"url": data_url("image/png", image)} for image in turn.images]
    parts = [{"type": "text", "text": turn.text}]
    parts += [{"type": "image_url", "image_url": image} for image in images]
    parts += [{"type": "file", "file": file} for file in files]
    return [{"role": "user", "content": parts}]
