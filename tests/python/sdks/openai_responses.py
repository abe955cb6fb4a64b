"""`openai`: responses, with everything kept by the client."""

import openai

from .openai_chat import EXCEPTIONS
from .samples import data_url
from .talk import Absent, Ask, Call, Driver, Reply, Results, Turn, User, arguments


class OpenAiResponses(Driver):
    name = "openai-responses"
    label = "`openai`, responses"
    exceptions = EXCEPTIONS
    broken = (openai.APIError,)

    def __init__(self, url: str):
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)

    def ask(self, model: str, ask: Ask) -> Reply:
        return _reply(self.client.responses.create(model=model, **_request(ask)))

    def stream(self, model: str, ask: Ask) -> Reply:
        pieces, text, last = 0, "", None
        for event in self.client.responses.create(model=model, **_request(ask), stream=True):
            if event.type == "response.output_text.delta":
                pieces += 1
                text += event.delta
            if event.type == "error":
                # As everywhere in this format: an event, which the SDK leaves to its user.
                raise openai.APIError(event.message, request=None, body=None)
            if event.type in ("response.completed", "response.incomplete"):
                last = event.response
        assert last and last.usage, "a stream without an end, and without an exception"
        reply = _reply(last)
        assert reply.text == text
        reply.pieces = pieces
        return reply

    def count(self, model: str, ask: Ask) -> int:
        request = _request(ask)
        members = {name: request[name] for name in ("input", "instructions", "tools")
                   if name in request}  # fmt: skip
        return self.client.responses.input_tokens.count(model=model, **members).input_tokens

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        answer = self.client.embeddings.create(model=model, input=texts)
        return [one.embedding for one in answer.data]

    def models(self, provider: str) -> list[str]:
        header = {"x-bf-list-models-provider": provider}
        return [model.id for model in self.client.models.list(extra_headers=header)]

    def close(self) -> None:
        self.client.close()


def _reply(answer) -> Reply:
    reply = Reply(answer.output_text, stop=answer.status)
    for item in answer.output:
        if item.type == "function_call":
            reply.calls.append(Call(item.call_id, item.name, arguments(item.arguments)))
        if item.type == "reasoning":
            reply.thoughts += "".join(part.text for part in item.summary)
            reply.thoughts += "".join(part.text for part in item.content or [])
    reply.tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
    reply.native = [item.model_dump(exclude_none=True) for item in answer.output]
    return reply


def _request(ask: Ask) -> dict:
    request = {"input": [item for turn in ask.turns for item in _items(turn)], "store": False}
    if ask.system:
        request["instructions"] = ask.system
    if ask.tools:
        request["tools"] = [
            {"type": "function", "name": t.name, "description": t.description,
             "parameters": t.schema, "strict": False}
            for t in ask.tools
        ]  # fmt: skip
    if ask.choice in ("any", "none"):
        request["tool_choice"] = {"any": "required"}.get(ask.choice, ask.choice)
    elif ask.choice:
        request["tool_choice"] = {"type": "function", "name": ask.choice}
    if ask.stop:
        raise Absent("the format has no stop sequences")
    if ask.schema:
        form = {"type": "json_schema", "name": "city", "strict": True, "schema": ask.schema}
        request["text"] = {"format": form}
    if ask.thinks:
        request["reasoning"] = {"effort": "low", "summary": "auto"}
        request["include"] = ["reasoning.encrypted_content"]
    return request


def _items(turn: Turn) -> list[dict]:
    match turn:
        case str():
            return [{"role": "assistant", "content": turn}]
        case Reply():
            return turn.native
        case Results():
            return [
                {"type": "function_call_output", "call_id": call.id, "output": text}
                for call, text in turn.pairs()
            ]
        case User(text, [], []):
            return [{"role": "user", "content": text}]
    parts = [{"type": "input_text", "text": turn.text}]
    parts += [
        {"type": "input_image", "detail": "auto", "image_url": data_url("image/png", image)}
        for image in turn.images
    ]
    parts += [
        {"type": "input_file", "filename": f"{one.title}.pdf",
         "file_data": data_url("application/pdf", one.pdf)}
        for one in turn.documents
    ]  # fmt: skip
    return [{"role": "user", "content": parts}]
