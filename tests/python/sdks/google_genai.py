"""`google-genai`: the Gemini API."""

from google import genai
from google.genai import errors, types

from .talk import Ask, Call, Driver, Reply, Results, Turn, User


class GoogleGenAi(Driver):
    name = "google-genai"
    label = "`google-genai`"
    exceptions = {
        400: errors.ClientError,
        404: errors.ClientError,
        429: errors.ClientError,
        500: errors.ServerError,
        502: errors.ServerError,
    }
    broken = (errors.APIError,)

    def __init__(self, url: str):
        options = types.HttpOptions(base_url=f"{url}/genai")
        self.client = genai.Client(api_key="unused", http_options=options)

    def ask(self, model: str, ask: Ask) -> Reply:
        question = {"model": model, "contents": _contents(ask), "config": _config(model, ask)}
        return _reply([self.client.models.generate_content(**question)])

    def stream(self, model: str, ask: Ask) -> Reply:
        question = {"model": model, "contents": _contents(ask), "config": _config(model, ask)}
        chunks = list(self.client.models.generate_content_stream(**question))
        reply = _reply(chunks)
        assert reply.stop, "a stream without an end, and without an exception"
        return reply

    def count(self, model: str, ask: Ask) -> int:
        return self.client.models.count_tokens(model=model, contents=_contents(ask)).total_tokens

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        answer = self.client.models.embed_content(model=model, contents=texts)
        return [one.values for one in answer.embeddings]

    def models(self, provider: str) -> list[str]:
        headers = {"x-bf-list-models-provider": provider}
        options = types.HttpOptions(headers=headers)
        listed = self.client.models.list(config=types.ListModelsConfig(http_options=options))
        return [model.name.removeprefix("models/") for model in listed]

    def status(self, error: Exception) -> int | None:
        return getattr(error, "code", None)

    def close(self) -> None:
        self.client.close()


def _reply(answers: list) -> Reply:
    reply, parts = Reply(), []
    for answer in answers:
        usage = answer.usage_metadata
        if usage:
            thoughts = usage.thoughts_token_count or 0
            output = (usage.candidates_token_count or 0) + thoughts
            reply.tokens = (usage.prompt_token_count or 0, output)
        for candidate in answer.candidates or []:
            reply.stop = candidate.finish_reason or reply.stop
            parts += (candidate.content and candidate.content.parts) or []
    for part in parts:
        if part.function_call:
            call = part.function_call
            reply.calls.append(Call(call.id, call.name, call.args or {}))
        elif part.thought:
            reply.thoughts += part.text or ""
        elif part.text:
            reply.text += part.text
            reply.pieces += 1
    reply.native = types.Content(role="model", parts=parts)
    return reply


def _config(model: str, ask: Ask) -> types.GenerateContentConfig:
    config = types.GenerateContentConfig(system_instruction=ask.system)
    if ask.tools:
        declared = [
            types.FunctionDeclaration(
                name=t.name, description=t.description, parameters_json_schema=t.schema
            )
            for t in ask.tools
        ]
        config.tools = [types.Tool(function_declarations=declared)]
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
    if ask.choice:
        names = None if ask.choice in ("any", "none") else [ask.choice]
        mode = "NONE" if ask.choice == "none" else "ANY"
        calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=names)
        config.tool_config = types.ToolConfig(function_calling_config=calling)
    if ask.stop:
        config.stop_sequences = ask.stop
    if ask.schema:
        config.response_mime_type = "application/json"
        config.response_json_schema = ask.schema
    if ask.thinks:
        # The third generation is told in words, and others in tokens.
        how = {"thinking_level": "LOW"} if "gemini-3" in model else {"thinking_budget": 2048}
        config.thinking_config = types.ThinkingConfig(include_thoughts=True, **how)
    return config


def _contents(ask: Ask) -> list[types.Content]:
    return [_content(turn) for turn in ask.turns]


def _content(turn: Turn) -> types.Content:
    match turn:
        case str():
            return types.Content(role="model", parts=[types.Part(text=turn)])
        case Reply():
            return turn.native
        case Results():
            answers = [
                types.FunctionResponse(id=call.id, name=call.name, response={"output": text})
                for call, text in turn.pairs()
            ]
            parts = [types.Part(function_response=answer) for answer in answers]
            return types.Content(role="user", parts=parts)
    assert isinstance(turn, User)
    parts = [types.Part(text=turn.text)]
    parts += [types.Part.from_bytes(data=image, mime_type="image/png") for image in turn.images]
    parts += [
        types.Part.from_bytes(data=one.pdf, mime_type="application/pdf") for one in turn.documents
    ]
    return types.Content(role="user", parts=parts)
