"""What each translator makes of a request: the gateway (an example of `weir-dialect`), and LiteLLM.

LiteLLM reaches for the network when it is imported, when it meets an image's address, and when it
looks for credentials; here it has neither network nor credentials of anyone.
"""

import functools
import json
import logging
import os
import pathlib
import socket
import subprocess
from dataclasses import dataclass, field

REPOSITORY = pathlib.Path(__file__).parents[2]
BUILD_AND_RUN = ["cargo", "run", "-q", "-p", "weir-dialect", "--example", "requests"]


@dataclass(frozen=True)
class Target:
    """A vendor's format, and a model of it as each of the two calls it."""

    format: str
    model: str
    litellm: str


TARGETS = [
    Target("anthropic_messages", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
    Target("anthropic_messages", "claude-opus-4-8", "anthropic/claude-opus-4-8"),
    Target("gemini_generate", "gemini-2.5-pro", "gemini/gemini-2.5-pro"),
    Target("gemini_generate", "gemini-3-pro-preview", "gemini/gemini-3-pro-preview"),
    Target(
        "bedrock_converse",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/converse/anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    Target("bedrock_converse", "amazon.nova-pro-v1:0", "bedrock/converse/amazon.nova-pro-v1:0"),
    Target("cohere_chat", "command-a-03-2025", "cohere_chat/v2/command-a-03-2025"),
]


@dataclass(frozen=True)
class Opinion:
    """What would be sent, or why nothing would be."""

    body: dict | None
    refused: str | None = None
    losses: list[str] = field(default_factory=list)


def ours(target: Target, requests: list[dict]) -> list[Opinion]:
    built = os.environ.get("WEIR_REQUESTS")
    command = [built] if built else BUILD_AND_RUN
    common = {"from": "openai_chat", "to": target.format, "model": target.model}
    bodies = ({"model": "provider/model", **_in_our_words(request, target)} for request in requests)
    lines = "".join(json.dumps({**common, "body": body}) + "\n" for body in bodies)
    ran = subprocess.run(
        command, cwd=REPOSITORY, input=lines, text=True, stdout=subprocess.PIPE, check=True,
        timeout=600,
    )
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    return [Opinion(one.get("body"), one.get("refused"), one["losses"]) for one in said]


def _in_our_words(request: dict, target: Target) -> dict:
    """Thoughts as the gateway gives them to clients of OpenAI's form, sealed by the target."""
    request = json.loads(json.dumps(request))
    for message in request["messages"]:
        blocks = message.pop("thinking_blocks", [])
        if blocks:
            message["reasoning_details"] = [
                {"type": "reasoning.text", "text": block["thinking"], "format": target.format,
                 "signature": block["signature"]}
                for block in blocks
            ]
    return request


def _no_network(*_args, **_more):
    raise OSError("this test has no network")


@functools.cache
def _litellm():
    socket.socket.connect = _no_network
    socket.getaddrinfo = _no_network
    os.environ |= {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
        "LITELLM_LOG": "CRITICAL",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION_NAME": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    import litellm

    # It says on its logger what it drops; that is what the comparison is for.
    logging.disable(logging.ERROR)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


def theirs(target: Target, request: dict) -> Opinion:
    _litellm()
    from litellm.types.utils import CallTypes
    from litellm.utils import return_raw_request

    # What a vendor has no word for is dropped, as a gateway in front of many vendors must do.
    asked = {"model": target.litellm, "drop_params": True, **json.loads(json.dumps(request))}
    said = return_raw_request(CallTypes.completion, asked)
    body = said.get("raw_request_body")
    if not body:
        return Opinion(None, str(said.get("error")))
    return Opinion(json.loads(json.dumps(body, default=str)))
