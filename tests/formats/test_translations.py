"""Every translation, judged by the types of the vendor it is for.

A fixture of one format that has become a request, an answer or a stream of another must be what
that vendor's own Python package says it is. What is right all the same stands in `EXCEPTIONS`, with
the reason; an exception that has become unnecessary is a failure, too.
"""

import collections
import dataclasses
import fnmatch
import functools
import json

import pytest
from judges import JUDGES, judge
from translations import REPOSITORY, Translation, translations

FORMATS = list(JUDGES)
# What only providers speak: no request comes in it, and no answer goes out.
PROVIDERS = ["replicate_predictions"]
# What only clients speak: no request goes out in it but for vectors.
CLIENTS = ["bedrock_invoke"]
KINDS = ["request", "answer", "stream"]

# What a client sent in its own format and no type describes: it is given back as it came.
OWN = "identity"
# Hosts that speak OpenAI chat have agreed on members that OpenAI does not have.
HOSTS = "a member that OpenAI's hosts have (OpenRouter, DeepSeek, vLLM, Google) and clients read"
LAGS = "OpenAI's API has it, and its reference; the package's types lack it"

# (format, kind, where it comes from, path of the member) and why it is right. `OWN`: the fixture is
# of the same format. `*` stands for anything within the path.
FILTERED = "`ERROR` would say that the provider failed; this is the word of Cohere's older interface"
EXCEPTIONS = {
    ("cohere_chat", "answer", "*", "finish_reason"): FILTERED,
    ("cohere_chat", "stream", "*", "message-end*.delta.finish_reason"): FILTERED,
    ("openai_chat", "answer", "*", "choices.*.message.reasoning"): HOSTS,
    ("openai_chat", "answer", "*", "choices.*.message.reasoning_content"): HOSTS,
    ("openai_chat", "answer", "*", "choices.*.message.reasoning_details"): HOSTS,
    ("openai_chat", "answer", "*", "choices.*.message.images"): HOSTS,
    ("openai_chat", "answer", "*", "choices.*.message.tool_calls.*.extra_content"): HOSTS,
    ("openai_chat", "answer", "anthropic_messages", "choices.*.message.annotations.*.citation"):
        "a citation in its maker's words, for the next turn; clients that do not know it skip it",
    ("openai_chat", "stream", "*", "event.choices.*.delta.reasoning"): HOSTS,
    ("openai_chat", "stream", "*", "event.choices.*.delta.reasoning_content"): HOSTS,
    ("openai_chat", "stream", "*", "event.choices.*.delta.reasoning_details"): HOSTS,
    ("openai_chat", "stream", "*", "event.choices.*.delta.images"): HOSTS,
    ("openai_chat", "stream", "*", "event.choices.*.delta.tool_calls.*.extra_content"): HOSTS,
    ("openai_chat", "stream", "*", "event.choices.*.delta.annotations"): LAGS,
    ("openai_chat", "stream", "openai_*", "event.choices.*.delta.tool_calls.*.type"):
        "a call of a custom tool, which the types know in whole answers only",
    ("openai_chat", "stream", "openai_*", "event.choices.*.delta.tool_calls.*.custom"):
        "a call of a custom tool, which the types know in whole answers only",
    ("openai_chat", "request", OWN, "chat_template_kwargs"): "vLLM's, from its own client",
    ("openai_chat", "request", OWN, "min_p"): "vLLM's, from its own client",
    ("openai_chat", "request", OWN, "messages.*.content.*.hologram"): "a block of the future",
    ("openai_chat", "request", OWN, "messages.*.content.*.text"): "a block of the future",
    ("openai_chat", "request", OWN, "messages.*.content.*.type"): "a block of the future",
    ("openai_chat", "request", "gemini_generate", "modalities.*"):
        "images are asked for as at OpenRouter; OpenAI's chat has none",
    ("openai_responses", "request", "openai_*", "input.*.content.*.type"):
        "`ResponseInputAudio`: the package has the type, but not in the list of blocks",
    ("openai_responses", "request", "openai_*", "input.*.content.*.input_audio"):
        "`ResponseInputAudio`: the package has the type, but not in the list of blocks",
    ("openai_responses", "request", OWN, "input.*.id"):
        "reasoning that came without an id gets none that names nothing",
    ("openai_responses", "answer", "*", "store"): LAGS,
    ("openai_responses", "stream", "*", "response.*.response.store"): LAGS,
    ("openai_responses", "stream", "*", "response.function_call_arguments.done.name"): LAGS,
    ("openai_responses", "stream", "*", "response.output_text.*.logprobs.*.bytes"):
        "whole answers have it; the types of events lack it",
    ("anthropic_messages", "request", "*", "temperature"):
        "only models before Opus 4.7 take it, and the types are those of later ones",
    ("anthropic_messages", "request", "*", "top_p"):
        "only models before Opus 4.7 take it, and the types are those of later ones",
    ("anthropic_messages", "request", "*", "top_k"):
        "only models before Opus 4.7 take it, and the types are those of later ones",
    ("cohere_chat", "request", OWN, "messages.*.content.*.sound_url"): "a block of the future",
    ("cohere_chat", "request", OWN, "messages.*.content.*.text"): "a block of the future",
    ("cohere_chat", "request", OWN, "messages.*.content.*.type"): "a block of the future",
    ("cohere_chat", "stream", "*", "message-start.delta.message.content"):
        "Cohere's API sends the empty member; the package's types lack it",
    ("cohere_chat", "stream", "*", "message-start.delta.message.tool_plan"):
        "Cohere's API sends the empty member; the package's types lack it",
    ("cohere_chat", "stream", "*", "message-start.delta.message.tool_calls"):
        "Cohere's API sends the empty member; the package's types lack it",
    ("cohere_chat", "stream", "*", "message-start.delta.message.citations"):
        "Cohere's API sends the empty member; the package's types lack it",
}


@functools.cache
def judged():
    """The problems that no exception explains, by (kind, source, to), and the exceptions used."""
    problems, used = collections.defaultdict(list), set()
    for one in translations():
        if one.refused is not None:
            continue
        for problem in judge(one):
            known = [each for each in EXCEPTIONS if explains(each, one, problem.path)]
            used.update(known)
            if not known:
                problems[one.kind, one.source, one.to].append(f"{one.label}: {problem}")
    return problems, used


def explains(exception, one, path) -> bool:
    to, kind, source, member = exception
    is_its = one.source == one.to if source == OWN else fnmatch.fnmatchcase(one.source, source)
    return (to, kind) == (one.to, one.kind) and is_its and fnmatch.fnmatchcase(path, member)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("source", FORMATS + PROVIDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_translation_is_what_its_vendor_says(kind, source, to):
    found = judged()[0][kind, source, to]
    assert not found, f"{len(found)} problems:\n" + "\n".join(found)


def test_every_exception_is_needed():
    unneeded = [each for each in EXCEPTIONS if each not in judged()[1]]
    assert not unneeded


def test_every_format_has_translations_of_every_kind():
    asked = [one for one in translations() if not (one.kind == "request" and one.to in CLIENTS)]
    done = collections.Counter(
        (one.kind, one.source, one.to) for one in asked if one.refused is None
    )
    expected = {(kind, source, to) for kind in KINDS for source in FORMATS for to in FORMATS}
    expected -= {("request", source, to) for source in FORMATS for to in CLIENTS}
    answered = [kind for kind in KINDS if kind != "request"]
    expected |= {(kind, source, to) for kind in answered for source in PROVIDERS for to in FORMATS}
    assert set(done) == expected
    refused = sum(one.refused is not None for one in asked)
    assert refused < len(asked) / 5, "most of what is said in one format can be in others"


def test_what_no_request_is_translated_to_is_judged_as_it_comes():
    """The fixtures of such a format are all that there is in it."""
    folder = REPOSITORY / "crates/dialect/fixtures/bedrock_invoke"
    found, count = [], 0
    for path in sorted(folder.glob("requests/*.json")):
        body = json.loads(path.read_text())
        if "anthropic_version" in body:
            one = Translation("request", "bedrock_invoke", path.stem, "bedrock_invoke", "chat",
                              "claude-sonnet-4-5", [], body)
            # Claude's types are Anthropic's, and so is what these lack.
            claudes = dataclasses.replace(one, to="anthropic_messages")
            found += [
                f"{path.stem}: {problem}" for problem in judge(one)
                if not any(explains(each, claudes, problem.path) for each in EXCEPTIONS)
            ]
            count += 1
    for path in sorted(folder.glob("answers/*.json")):
        body = json.loads(path.read_text())
        if body.get("type") == "message":
            one = Translation("answer", "bedrock_invoke", path.stem, "bedrock_invoke", "chat", "",
                              [], body)
            found += [f"{path.stem}: {problem}" for problem in judge(one)]
            count += 1
    assert count > 40
    assert not found, f"{len(found)} problems:\n" + "\n".join(found)
