"""`cohere`: version 2."""

import cohere
from cohere.core import ApiError

from .samples import data_url
from .talk import Absent, Ask, Call, Driver, Reply, Results, Turn, User, arguments


class CohereV2(Driver):
    name = "cohere"
    label = "`cohere`"
    exceptions = {
        400: cohere.BadRequestError,
        404: cohere.NotFoundError,
        429: cohere.TooManyRequestsError,
        500: cohere.InternalServerError,
        502: ApiError,
    }
    broken = (ApiError,)

    def __init__(self, url: str):
        self.client = cohere.ClientV2(base_url=f"{url}/cohere", api_key="unused")

    # It retries by itself unless each call says otherwise.
    _options = {"max_retries": 0}

    def ask(self, model: str, ask: Ask) -> Reply:
        answer = self.client.chat(model=model, **_request(ask), request_options=self._options)
        message = answer.message
        reply = Reply(stop=answer.finish_reason, native=_native(message))
        reply.thoughts = message.tool_plan or ""
        for block in message.content or []:
            if block.type == "text":
                reply.text += block.text
            else:
                reply.thoughts += block.thinking
        reply.calls = [
            Call(call.id, call.function.name, arguments(call.function.arguments))
            for call in message.tool_calls or []
        ]
        reply.tokens = _tokens(answer.usage)
        return reply

    def stream(self, model: str, ask: Ask) -> Reply:
        request = _request(ask)
        reply, calls, plan = Reply(), {}, ""
        events = self.client.chat_stream(model=model, **request, request_options=self._options)
        for event in events:
            match event.type:
                case "content-delta":
                    content = event.delta.message.content
                    reply.thoughts += content.thinking or ""
                    if content.text:
                        reply.text += content.text
                        reply.pieces += 1
                case "tool-plan-delta":
                    plan += event.delta.message.tool_plan
                case "tool-call-start":
                    call = event.delta.message.tool_calls
                    parts = [call.function.arguments or ""]
                    calls[event.index] = (call.id, call.function.name, parts)
                case "tool-call-delta":
                    part = event.delta.message.tool_calls.function.arguments
                    calls[event.index][2].append(part or "")
                case "message-end":
                    if event.delta.finish_reason == "ERROR":
                        # The SDK leaves this to its user.
                        raise ApiError(body=event.delta.error)
                    reply.stop = event.delta.finish_reason
                    reply.tokens = _tokens(event.delta.usage)
        reply.calls = [
            Call(id, name, arguments("".join(parts))) for id, name, parts in calls.values()
        ]
        reply.native = {"role": "assistant"}
        blocks = []
        if reply.thoughts:
            blocks.append({"type": "thinking", "thinking": reply.thoughts})
        if reply.text:
            blocks.append({"type": "text", "text": reply.text})
        if blocks:
            reply.native["content"] = blocks
        if plan:
            reply.native["tool_plan"] = plan
            reply.thoughts += plan
        if calls:
            reply.native["tool_calls"] = [
                {"id": id, "type": "function",
                 "function": {"name": name, "arguments": "".join(parts)}}
                for id, name, parts in calls.values()
            ]  # fmt: skip
        assert reply.stop, "a stream without an end, and without an exception"
        return reply

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        kind = {"input_type": "search_document", "embedding_types": ["float"]}
        answer = self.client.embed(model=model, texts=texts, **kind)
        return answer.embeddings.float_

    def models(self, provider: str) -> list[str]:
        headers = {"x-bf-list-models-provider": provider}
        answer = self.client.models.list(request_options={"additional_headers": headers})
        return [model.name for model in answer.models]


def _tokens(usage) -> tuple[int, int] | None:
    tokens = usage and usage.tokens
    return tokens and (int(tokens.input_tokens), int(tokens.output_tokens))


def _native(message) -> dict:
    """The assistant's turn with the members that an assistant's turn may have."""
    kept = message.model_dump(exclude_none=True)
    members = ("role", "content", "tool_calls", "tool_plan", "citations")
    return {name: kept[name] for name in members if name in kept}


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
        request["tool_choice"] = {"any": "REQUIRED", "none": "NONE"}[ask.choice]
    elif ask.choice:
        raise Absent("`tool_choice` cannot name a tool")
    documents = [one for turn in ask.turns if isinstance(turn, User) for one in turn.documents]
    if documents:
        request["documents"] = [
            {"id": one.title, "data": {"title": one.title, "text": one.text}} for one in documents
        ]
    if ask.stop:
        request["stop_sequences"] = ask.stop
    if ask.schema:
        request["response_format"] = {"type": "json_object", "json_schema": ask.schema}
    if ask.thinks:
        request["thinking"] = {"type": "enabled", "token_budget": 2048}
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
        case User(text, [], _):
            return [{"role": "user", "content": text}]
    images = [{"url": data_url("image/png", image)} for image in turn.images]
    parts = [{"type": "text", "text": turn.text}]
    parts += [{"type": "image_url", "image_url": image} for image in images]
    return [{"role": "user", "content": parts}]
