"""`boto3`: Bedrock's Converse."""

import json
from contextlib import closing

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from .talk import Absent, Ask, Call, Driver, Reply, Results, Turn, User, arguments

OPTIONS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "unused",
    "aws_secret_access_key": "unused",
    "config": Config(retries={"total_max_attempts": 1}),
}


class BedrockRuntime(Driver):
    name = "boto3"
    label = "`boto3`"
    broken = (EventStreamError,)

    def __init__(self, url: str):
        address = f"{url}/bedrock"
        session = boto3.session.Session()
        self.client = session.client("bedrock-runtime", endpoint_url=address, **OPTIONS)
        self.lists = session.client("bedrock", endpoint_url=address, **OPTIONS)
        known = self.client.exceptions
        self.exceptions = {
            400: known.ValidationException,
            404: known.ResourceNotFoundException,
            429: known.ThrottlingException,
            500: known.InternalServerException,
            502: ClientError,
        }

    def ask(self, model: str, ask: Ask) -> Reply:
        answer = self.client.converse(modelId=model, **_request(ask))
        return _reply(answer["output"]["message"], answer["stopReason"], answer["usage"])

    def stream(self, model: str, ask: Ask) -> Reply:
        answer = self.client.converse_stream(modelId=model, **_request(ask))
        blocks, stop, usage, pieces = {}, None, None, 0
        with closing(answer["stream"]) as events:
            for event in events:
                if start := event.get("contentBlockStart"):
                    blocks[start["contentBlockIndex"]] = _start(start["start"])
                if delta := event.get("contentBlockDelta"):
                    block = blocks.setdefault(delta["contentBlockIndex"], {})
                    pieces += _add(block, delta["delta"])
                if end := event.get("messageStop"):
                    stop = end["stopReason"]
                if metadata := event.get("metadata"):
                    usage = metadata["usage"]
        for block in blocks.values():
            if call := block.get("toolUse"):
                call["input"] = arguments(call["input"])
        message = {"role": "assistant", "content": [blocks[at] for at in sorted(blocks)]}
        assert stop and usage, "a stream without an end, and without an exception"
        reply = _reply(message, stop, usage)
        reply.pieces = pieces
        return reply

    def count(self, model: str, ask: Ask) -> int:
        request = _request(ask)
        members = ("messages", "system", "toolConfig")
        converse = {name: request[name] for name in members if name in request}
        answer = self.client.count_tokens(modelId=model, input={"converse": converse})
        return answer["inputTokens"]

    def models(self, provider: str) -> list[str]:
        def name_it(request, **_):
            request.headers["x-bf-list-models-provider"] = provider

        event = "before-sign.bedrock.ListFoundationModels"
        self.lists.meta.events.register(event, name_it, unique_id="provider")
        try:
            listed = self.lists.list_foundation_models()["modelSummaries"]
        finally:
            self.lists.meta.events.unregister(event, unique_id="provider")
        return [model["modelId"] for model in listed]

    def status(self, error: Exception) -> int | None:
        told = getattr(error, "response", {}).get("ResponseMetadata", {})
        return told.get("HTTPStatusCode")

    def close(self) -> None:
        self.client.close()
        self.lists.close()


def _start(start: dict) -> dict:
    return {"toolUse": {**start["toolUse"], "input": ""}} if "toolUse" in start else {}


def _add(block: dict, delta: dict) -> int:
    """Lays a piece onto its block; how many pieces of text that was."""
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif thought := delta.get("reasoningContent"):
        if "redactedContent" in thought:
            block["reasoningContent"] = {"redactedContent": thought["redactedContent"]}
            return 0
        inner = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        inner["text"] += thought.get("text", "")
        if "signature" in thought:
            inner["signature"] = thought["signature"]
    return int("text" in delta)


def _reply(message: dict, stop: str, usage: dict) -> Reply:
    reply = Reply(stop=stop, native=message)
    reply.tokens = (usage["inputTokens"], usage["outputTokens"])
    for block in message["content"]:
        if call := block.get("toolUse"):
            reply.calls.append(Call(call["toolUseId"], call["name"], call["input"]))
        reply.text += block.get("text", "")
        thought = block.get("reasoningContent", {})
        reply.thoughts += thought.get("reasoningText", {}).get("text", "")
    return reply


def _request(ask: Ask) -> dict:
    inference = {"maxTokens": 4096}
    request = {"messages": [_message(turn) for turn in ask.turns], "inferenceConfig": inference}
    if ask.system:
        request["system"] = [{"text": ask.system}]
    if ask.tools:
        request["toolConfig"] = {
            "tools": [
                {"toolSpec": {"name": t.name, "description": t.description,
                              "inputSchema": {"json": t.schema}}}
                for t in ask.tools
            ]
        }  # fmt: skip
    if ask.choice == "none":
        raise Absent("`toolChoice` cannot forbid tools")
    if ask.choice:
        choice = {"any": {}} if ask.choice == "any" else {"tool": {"name": ask.choice}}
        request["toolConfig"]["toolChoice"] = choice
    if ask.stop:
        inference["stopSequences"] = ask.stop
    if ask.schema:
        schema = {"name": "city", "schema": json.dumps(ask.schema)}
        form = {"type": "json_schema", "structure": {"jsonSchema": schema}}
        request["outputConfig"] = {"textFormat": form}
    if ask.thinks:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        request["additionalModelRequestFields"] = {"thinking": thinking}
    return request


def _message(turn: Turn) -> dict:
    match turn:
        case str():
            return {"role": "assistant", "content": [{"text": turn}]}
        case Reply():
            return turn.native
        case Results():
            results = [
                {"toolUseId": call.id, "content": [{"text": text}]} for call, text in turn.pairs()
            ]
            return {"role": "user", "content": [{"toolResult": result} for result in results]}
    assert isinstance(turn, User)
    blocks = [{"text": turn.text}]
    blocks += [{"image": {"format": "png", "source": {"bytes": one}}} for one in turn.images]
    blocks += [
        {"document": {"format": "pdf", "name": one.title, "source": {"bytes": one.pdf}}}
        for one in turn.documents
    ]
    return {"role": "user", "content": blocks}
