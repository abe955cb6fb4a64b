"""Who judges what: for each format, the types with which its vendor's own Python package describes
requests, answers and events. `judge` gives the problems of one translation."""

import dataclasses
import functools
import inspect
import types
import typing

import typing_extensions
from service_model import bedrock_answer, bedrock_event, bedrock_request, exception
from strict import Problem, Strict
from translations import Translation


@functools.cache
def strict(path: str, models: bool = True) -> Strict:
    """`openai.types.chat:ChatCompletion`, imported where it is needed: it takes its time."""
    module, _, name = path.partition(":")
    return Strict(getattr(__import__(module, fromlist=[name]), name), models)


def judge(translation: Translation) -> list[Problem]:
    by_kind = JUDGES[translation.to]
    if translation.kind == "stream":
        found = []
        for at, event in enumerate(translation.events):
            for problem in by_kind["stream"](translation, event["name"], event["data"]):
                place = event["name"] or (event["data"] if event["data"] == "[DONE]" else "event")
                found.append(problem.within(f"{place} {at}", place))
        return found
    return by_kind[translation.kind](translation)


# --- OpenAI ---------------------------------------------------------------------------------------

CHAT = "openai.types.chat"
RESPONSES = "openai.types.responses"


def openai_chat_request(one: Translation):
    params = f"{CHAT}.completion_create_params"
    match one.operation:
        case "embeddings":
            kind = "openai.types:EmbeddingCreateParams"
        case "rerank":
            # OpenAI has no such thing; hosts have Cohere's.
            return []
        case _ if one.body.get("stream"):
            kind = f"{params}:CompletionCreateParamsStreaming"
        case _:
            kind = f"{params}:CompletionCreateParamsNonStreaming"
    return strict(kind, models=False).problems(one.body)


def openai_chat_answer(one: Translation):
    match one.operation:
        case "embeddings":
            return strict("openai.types:CreateEmbeddingResponse").problems(one.body)
        case "rerank":
            return []
    return strict(f"{CHAT}:ChatCompletion").problems(one.body)


def openai_chat_event(_one, _name, data):
    if data == "[DONE]":
        return []
    if isinstance(data, dict) and "error" in data:
        return strict("openai.types.shared:ErrorObject").problems(data["error"])
    return strict(f"{CHAT}:ChatCompletionChunk").problems(data)


def openai_responses_request(one: Translation):
    if one.operation == "count_tokens":
        kind = f"{RESPONSES}:InputTokenCountParams"
    else:
        form = "Streaming" if one.body.get("stream") else "NonStreaming"
        kind = f"{RESPONSES}.response_create_params:ResponseCreateParams{form}"
    return strict(kind, models=False).problems(one.body)


def openai_responses_answer(one: Translation):
    if one.operation == "count_tokens":
        return strict(f"{RESPONSES}:InputTokenCountResponse").problems(one.body)
    return strict(f"{RESPONSES}:Response").problems(one.body)


def openai_responses_event(_one, name, data):
    return misnamed(name, data) + by_tag(f"{RESPONSES}:ResponseStreamEvent", data)


# --- Anthropic ------------------------------------------------------------------------------------


# Formats whose clients ask for what is in trial.
CLAUDES = {"anthropic_messages", "bedrock_invoke"}


def anthropic(one: Translation, kind: str) -> list[Problem]:
    """What needs a beta header may only come from a client that can have set it, or go to one."""
    models = one.kind != "request"
    found = strict(f"anthropic.types{kind}", models).problems(one.body)
    if found and {one.source, one.to} <= CLAUDES:
        beta = kind.replace(":", ":Beta") if models else kind
        found = strict(f"anthropic.types.beta{beta}", models).problems(one.body) and found
    return found


def anthropic_request(one: Translation):
    if one.operation == "count_tokens":
        return anthropic(one, ".message_count_tokens_params:MessageCountTokensParams")
    form = "Streaming" if one.body.get("stream") else "NonStreaming"
    return anthropic(one, f".message_create_params:MessageCreateParams{form}")


def anthropic_answer(one: Translation):
    return anthropic(one, ":MessageTokensCount" if one.operation == "count_tokens" else ":Message")


def anthropic_event(one: Translation, name, data):
    found = misnamed(name, data)
    if name == "ping":
        return found
    if name == "error":
        return found + strict("anthropic.types:BetaErrorResponse").problems(data)
    judged = by_tag("anthropic.types:RawMessageStreamEvent", data)
    if judged and {one.source, one.to} <= CLAUDES:
        judged = by_tag("anthropic.types.beta:BetaRawMessageStreamEvent", data) and judged
    return found + judged


# --- Amazon's InvokeModel ---------------------------------------------------------------------------

# Claude's bodies name the format and features in trial, but neither model nor whether to stream,
# which the path says. The page of the host has them, and no package.
CLAUDE_HERE = {"anthropic_version": str, "anthropic_beta": list}
# <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>
TITAN_EMBED = {"inputText": str, "dimensions": int, "normalize": bool, "embeddingTypes": list}
# What Cohere's own package sends there (`BedrockClientV2.rerank`); Amazon's model knows no versions.
RERANK = {"query": str, "documents": list, "top_n": int}
COHERES_RERANK = RERANK | {"api_version": int, "max_tokens_per_doc": int}


def invoke_request(one: Translation):
    if one.operation == "embeddings":
        return pieces(one.body, {}, TITAN_EMBED)
    if one.operation == "rerank":
        is_coheres = one.model.startswith("cohere")
        found = pieces(one.body, {}, COHERES_RERANK if is_coheres else RERANK)
        if is_coheres and one.body.get("api_version") != 2:
            found.append(Problem(["api_version"], "must be 2"))
        return found
    own = {member: one.body[member] for member in CLAUDE_HERE if member in one.body}
    found = pieces(own, {}, CLAUDE_HERE)
    if one.body.get("anthropic_version") != "bedrock-2023-05-31":
        found.append(Problem(["anthropic_version"], "must be bedrock-2023-05-31"))
    for member in ("model", "stream"):
        if member in one.body:
            found.append(Problem([member], "stands in the path"))
    rest = {member: value for member, value in one.body.items() if member not in own}
    whole = dataclasses.replace(one, body={**rest, "model": one.model})
    return found + anthropic_request(whole)


def invoke_event(one: Translation, name, data):
    """The names of events stand in their data alone; exceptions are Amazon's."""
    if name:
        return exception(name, data)
    return anthropic_event(one, data.get("type"), data)


# --- Gemini ---------------------------------------------------------------------------------------

GENAI = "google.genai.types"
# The package has no type of a whole request: it puts them together from these. What else its
# `models` module sets at the top has no type.
GEMINI_PARTS = {
    "contents": "Content", "systemInstruction": "Content", "tools": "Tool",
    "toolConfig": "ToolConfig", "safetySettings": "SafetySetting",
    "generationConfig": "GenerationConfig",
}
GEMINI_PLAIN = {"cachedContent": str, "labels": dict, "serviceTier": str, "store": bool}
GEMINI_LISTS = {"contents", "tools", "safetySettings"}
EMBED_PLAIN = {"model": str, "taskType": str, "title": str, "outputDimensionality": int}


def gemini_request(one: Translation):
    body = one.body
    if one.operation == "count_tokens":
        inner = body.get("generateContentRequest")
        if inner is None:
            return pieces(body, GEMINI_PARTS, GEMINI_PLAIN)
        return [problem.within("generateContentRequest") for problem in pieces(
            inner, GEMINI_PARTS, GEMINI_PLAIN | {"model": str}
        )] + pieces({**body, "generateContentRequest": ""}, {}, {"generateContentRequest": str})
    if one.operation == "embeddings":
        found = [] if "content" in body else pieces(body, {}, {"requests": list})
        for at, each in enumerate(body.get("requests", [body])):
            inner = pieces(each, {"content": "Content"}, EMBED_PLAIN)
            found += [problem.within(f"requests[{at}]", "requests.*") for problem in inner]
        return found
    missing = [] if "contents" in body else [Problem(["contents"], "Field required")]
    return missing + pieces(body, GEMINI_PARTS, GEMINI_PLAIN)


def pieces(body, parts, plain):
    """The problems of each member by its own type."""
    found = []
    for member, value in body.items():
        if member in parts:
            whole = value if member in GEMINI_LISTS else [value]
            for at, each in enumerate(whole):
                name, path = member, member
                if member in GEMINI_LISTS:
                    name, path = f"{member}[{at}]", f"{member}.*"
                judged = gemini_part(parts[member], each)
                found += [problem.within(name, path) for problem in judged]
        elif member not in plain:
            found.append(Problem([member], "Extra inputs are not permitted"))
        elif not isinstance(value, plain[member]):
            found.append(Problem([member], f"not {plain[member].__name__}: {value!r}"))
    return found


def gemini_part(kind: str, value) -> list[Problem]:
    if kind != "GenerationConfig" or not isinstance(value, dict):
        return strict(f"{GENAI}:{kind}").problems(value)
    # Members of the configuration that the package's own `GenerationConfig` lacks, but which it
    # sends there, are those of `GenerateContentConfig`.
    known = strict(f"{GENAI}:GenerationConfig").problems(value)
    lacking = {problem.path for problem in known if problem.is_unknown and "." not in problem.path}
    rest = {member: value[member] for member in lacking}
    return [problem for problem in known if problem.path not in lacking] + strict(
        f"{GENAI}:GenerateContentConfig"
    ).problems(rest)


def gemini_answer(one: Translation):
    kind = {"count_tokens": "CountTokensResponse", "embeddings": "EmbedContentResponse"}
    kind = kind.get(one.operation, "GenerateContentResponse")
    return strict(f"{GENAI}:{kind}").problems(one.body)


def gemini_event(_one, _name, data):
    if isinstance(data, dict) and "error" in data:
        return []
    return strict(f"{GENAI}:GenerateContentResponse").problems(data)


# --- Cohere ---------------------------------------------------------------------------------------

@functools.cache
def cohere_arguments(client: str, method: str) -> Strict:
    """The arguments of a method of the client are the members of its request."""
    module, _, name = client.partition(":")
    method = getattr(getattr(__import__(module, fromlist=[name]), name), method)
    hints = typing.get_type_hints(method)
    members = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if name not in ("self", "request_options"):
            is_required = parameter.default is inspect.Parameter.empty
            hint = hints[name]
            members[name] = hint if is_required else typing_extensions.NotRequired[hint]
    return Strict(typing_extensions.TypedDict(f"{method.__name__}_request", members))


def cohere_request(one: Translation):
    body = dict(one.body)
    client, method = "cohere.v2.client:V2Client", None
    match one.operation:
        case "embeddings":
            method = "embed"
        case "rerank":
            method = "rerank"
        case "count_tokens":
            client, method = "cohere.base_client:BaseCohere", "tokenize"
        case _:
            # The package sets `stream` itself, by the name of the method.
            method = "chat_stream" if body.pop("stream", False) else "chat"
    return cohere_arguments(client, method).problems(body)


def cohere_answer(one: Translation):
    match one.operation:
        case "embeddings":
            kind = "cohere.types:EmbedByTypeResponse"
        case "rerank":
            kind = "cohere.v2.types:V2RerankResponse"
        case _:
            kind = "cohere.v2.types:V2ChatResponse"
    return strict(kind).problems(one.body)


def cohere_event(_one, _name, data):
    return by_tag("cohere.v2.types:V2ChatStreamResponse", data)


# --- All of them ----------------------------------------------------------------------------------


@functools.cache
def tagged(path: str) -> dict[str, Strict]:
    """The members of a union by the word that their `type` must be."""
    module, _, name = path.partition(":")
    union = getattr(__import__(module, fromlist=[name]), name)
    if typing.get_origin(union) is typing.Annotated:
        union = typing.get_args(union)[0]
    found = {}
    for each in typing.get_args(union):
        bare = typing.get_args(each)[0] if typing.get_origin(each) is typing.Annotated else each
        bare.model_rebuild()
        tag = bare.model_fields["type"].annotation
        for word in typing.get_args(tag):
            found[word] = bare
    return types.MappingProxyType(found)


@functools.cache
def judge_of(model) -> Strict:
    return Strict(model)


def misnamed(name: str, data) -> list[Problem]:
    """The name of an event stands in its data, too."""
    if isinstance(data, dict) and name == data.get("type"):
        return []
    return [Problem(["type"], f"the event is called {name!r}")]


def by_tag(path: str, data) -> list[Problem]:
    kinds = tagged(path)
    tag = data.get("type") if isinstance(data, dict) else None
    if tag not in kinds:
        return [Problem(["type"], f"no such event: {tag!r}")]
    return judge_of(kinds[tag]).problems(data)


JUDGES = {
    "openai_chat": {
        "request": openai_chat_request, "answer": openai_chat_answer, "stream": openai_chat_event,
    },
    "openai_responses": {
        "request": openai_responses_request, "answer": openai_responses_answer,
        "stream": openai_responses_event,
    },
    "anthropic_messages": {
        "request": anthropic_request, "answer": anthropic_answer, "stream": anthropic_event,
    },
    "gemini_generate": {
        "request": gemini_request, "answer": gemini_answer, "stream": gemini_event,
    },
    "bedrock_converse": {
        "request": bedrock_request, "answer": bedrock_answer, "stream": bedrock_event,
    },
    "bedrock_invoke": {
        "request": invoke_request, "answer": anthropic_answer, "stream": invoke_event,
    },
    "cohere_chat": {
        "request": cohere_request, "answer": cohere_answer, "stream": cohere_event,
    },
}
