"""Where the gateway and LiteLLM differ, and why it is left so.

Each entry is a kind of difference: where it is found, what it looks like, and the reason. A
difference that no entry knows fails the test, and so does an entry that no request needs.
`docs/compatibility.md` is written from this list.
"""

import fnmatch
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from compare import ABSENT, Difference

ANTHROPIC, GEMINI = "anthropic_messages", "gemini_generate"
BEDROCK, COHERE = "bedrock_converse", "cohere_chat"


@dataclass(frozen=True)
class Case:
    """One difference, with the request and the model it was found in."""

    request: dict
    model: str
    found: Difference

    @property
    def ours(self):
        return self.found.ours

    @property
    def theirs(self):
        return self.found.theirs


@dataclass(frozen=True)
class Listed:
    formats: tuple[str, ...]
    # Patterns of paths; the empty path is that of a request that one of the two refuses.
    paths: tuple[str, ...]
    # For people: what Weir does, and why LiteLLM's way is not ours.
    weir: str
    litellm: str
    why: str
    holds: Callable[[Case], bool] = lambda _case: True

    def explains(self, format: str, case: Case) -> bool:
        here = format in self.formats
        there = any(fnmatch.fnmatchcase(case.found.path, pattern) for pattern in self.paths)
        return here and there and bool(self.holds(case))


# --- What a case looks like -----------------------------------------------------------------------


def adds(case: Case) -> bool:
    return case.theirs == ABSENT


def lacks(case: Case) -> bool:
    return case.ours == ABSENT


def effort(case: Case) -> bool:
    return case.request.get("reasoning_effort") not in (None, "none")


def no_effort(case: Case) -> bool:
    return case.request.get("reasoning_effort") == "none"


def forced(case: Case) -> bool:
    choice = case.request.get("tool_choice")
    return isinstance(choice, dict) or choice == "required"


def chooses(*choices: str):
    return lambda case: case.request.get("tool_choice") in choices


def named(case: Case) -> bool:
    return isinstance(case.request.get("tool_choice"), dict)


def tight(case: Case) -> bool:
    """The limit is below the least budget of thinking."""
    request = case.request
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    return limit is not None and limit <= 1024


def unlimited(case: Case) -> bool:
    return not {"max_tokens", "max_completion_tokens"} & set(case.request)


def renamed(case: Case) -> bool:
    fits = isinstance(case.ours, str) and re.fullmatch("[a-zA-Z0-9_-]{1,64}", case.ours)
    odd = len(str(case.theirs)) > 64 or "." in str(case.theirs)
    return fits and (odd or case.ours.startswith(str(case.theirs) + "_"))


def late_instruction(case: Case) -> bool:
    roles = [message["role"] for message in case.request["messages"]]
    lead = next((at for at, role in enumerate(roles) if role in ("user", "assistant")), 0)
    return any(role in ("system", "developer") for role in roles[lead:])


def strict_tools(case: Case) -> bool:
    return any(tool["function"].get("strict") for tool in case.request.get("tools", []))


def said(member: str, check=lambda value: True):
    return lambda case: member in case.request and check(case.request[member])


def every(*checks):
    return lambda case: all(check(case) for check in checks)


def some(*checks):
    return lambda case: any(check(case) for check in checks)


def as_json(case: Case) -> bool:
    """A tool's result that is a JSON object, as such and as text."""
    value = case.ours if adds(case) else json.loads(case.theirs)
    return isinstance(value, dict)


def block(member: str):
    """The gateway says a block with this member."""
    return lambda case: isinstance(case.ours, dict) and member in case.ours


def theirs_is(*values):
    return lambda case: case.theirs in values


def ours_is(*values):
    return lambda case: case.ours in values


# --- The list -------------------------------------------------------------------------------------

CLAUDES = (ANTHROPIC, BEDROCK)

LISTED = [
    Listed(
        (ANTHROPIC, BEDROCK, COHERE),
        ("*.name",),
        "names of tools that the vendor cannot take are shortened, with a mark of the whole name",
        "characters are replaced, or the name goes as it is",
        "two names must not become one, and over 64 characters are refused; answers have the "
        "client's name again",
        renamed,
    ),
    Listed(
        CLAUDES,
        ("system", "system.*", "messages.*.content.*"),
        "instructions in mid-conversation go to `system` where the model takes none in its turns",
        "they become words of the user, with a remark",
        "words of a user have less weight than instructions, and a user could write the remark",
        late_instruction,
    ),
    Listed(
        (ANTHROPIC,), ("messages.*.content.*.title",),
        "a document keeps its file's name as title", "it is dropped",
        "the model can tell documents apart, and citations name them", adds,
    ),
    Listed(
        (BEDROCK,), ("messages.*.content.*.document.name",),
        "a document's name is its file's, as far as Bedrock takes it", "a made-up name",
        "the model can tell documents apart",
        lambda case: case.ours == "levels-pdf",
    ),
    Listed(
        CLAUDES, ("*stop*.*",),
        "stop sequences of blanks alone are left out for Claude, and reported", "they are sent",
        "Claude refuses them", every(lacks, theirs_is("\n\n")),
    ),
    Listed(
        CLAUDES, ("temperature", "inferenceConfig.temperature"),
        "temperatures over 1 become 1, and are reported", "they are sent",
        "Claude and Bedrock refuse them", every(ours_is(1), lambda case: case.theirs > 1),
    ),
    Listed(
        (ANTHROPIC,), ("temperature",),
        "no temperature for models that take none", "1, the default, is sent",
        "what is said without it is the same", every(lacks, theirs_is(1)),
    ),
    Listed(
        CLAUDES, ("top_p", "inferenceConfig.topP"),
        "no `top_p` below 0.95 while Claude thinks, and none beside a temperature for the models "
        "that take one of the two",
        "it is sent", "Claude refuses both",
        every(lacks, some(effort, said("temperature"))),
    ),
    Listed(
        CLAUDES,
        ("thinking.budget_tokens", "additionalModelRequestFields.thinking.budget_tokens"),
        "efforts are 1024, 4096, 8192 and 24 576 tokens of thinking, and leave a fifth for the "
        "answer",
        "1024 to 4096 tokens",
        "no vendor says how many tokens an effort is; these are used for every vendor alike",
        every(effort, lambda case: not forced(case)),
    ),
    Listed(
        CLAUDES,
        ("max_tokens", "inferenceConfig.maxTokens", "inferenceConfig"),
        "a client without a limit gets the most that the model can answer while it thinks",
        "the thinking's budget and 4096",
        "the answer is not cut off at a length that nobody asked for",
        every(effort, unlimited),
    ),
    Listed(
        CLAUDES,
        ("thinking", "additionalModelRequestFields", "additionalModelRequestFields.thinking",
         "additionalModelRequestFields.thinking.*", "inferenceConfig", "inferenceConfig.maxTokens",
         "max_tokens"),
        "no thinking together with a forced tool, or below a limit of 1025 tokens; reported",
        "thinking is sent beside them", "Claude refuses both",
        every(effort, some(forced, tight)),
    ),
    Listed(
        (BEDROCK,),
        ("toolConfig.toolChoice", "toolConfig.toolChoice.*"),
        "a forced tool stays forced beside an effort", "it becomes `auto` on Bedrock",
        "that a tool is called is what the client will rely on", every(effort, forced),
    ),
    Listed(
        CLAUDES,
        ("thinking", "additionalModelRequestFields", "additionalModelRequestFields.thinking"),
        "the effort `none` switches thinking off by name", "nothing is said",
        "some models think by themselves", every(no_effort, adds),
    ),
    Listed(
        CLAUDES,
        ("tool_choice", "tool_choice.disable_parallel_tool_use", "additionalModelRequestFields",
         "additionalModelRequestFields.tool_choice",
         "additionalModelRequestFields.tool_choice.*"),
        "parallel calls that are allowed are not mentioned", "they are said to be allowed",
        "it is the default",
        every(said("parallel_tool_calls", lambda is_on: is_on), some(lacks, chooses("none"))),
    ),
    Listed(
        (BEDROCK,),
        ("additionalModelRequestFields", "additionalModelRequestFields.tool_choice",
         "additionalModelRequestFields.tool_choice.*", "toolConfig.toolChoice",
         "toolConfig.toolChoice.*"),
        "calls one at a time are asked for in Claude's own words, together with the choice of tool",
        "in Claude's words without a type, beside Bedrock's choice",
        "Claude wants a type, and Bedrock takes only one of two choices",
        said("parallel_tool_calls", lambda is_on: not is_on),
    ),
    Listed(
        (ANTHROPIC,), ("tools.*.strict",),
        "strict tools stay strict", "the member is dropped",
        "Claude enforces schemas", every(strict_tools, adds),
    ),
    Listed(
        CLAUDES,
        ("tools.*.input_schema*", "toolConfig.tools.*.inputSchema.json*"),
        "schemas of strict tools are closed, and bounds left out that are not enforced; reported",
        "the schema is not enforced, and goes as it is",
        "strict schemas are refused else; Anthropic's own SDK does the same", strict_tools,
    ),
    Listed(
        CLAUDES,
        ("tools.*.input_schema.properties", "toolConfig.tools.*.json.properties"),
        "an object without properties is sent without", "an empty list of properties is added",
        "it says the same", every(lacks, theirs_is({})),
    ),
    Listed(
        CLAUDES, ("*schema.properties.unit.type",),
        "the type beside an `enum` stays", "it is dropped", "it is part of the schema", adds,
    ),
    Listed(
        (ANTHROPIC,), ("output_config.format.schema.*",),
        "references stay in the schema of the answer", "they are written out",
        "Claude takes them; schemas that refer to themselves cannot be written out",
        lambda case: "$defs" in json.dumps(case.request.get("response_format")),
    ),
    Listed(
        (BEDROCK,), ("toolConfig.tools.*.json.required",),
        "nothing is required where nothing is said to be", "an empty list is added",
        "it says the same", every(lacks, theirs_is([])),
    ),
    Listed(
        (BEDROCK,), ("toolConfig.tools.*.enum.*",),
        "`null` stays one of the values", "it is dropped", "it is part of the schema",
        every(adds, ours_is(None)),
    ),
    Listed(
        (BEDROCK,),
        ("toolConfig.tools.*.json.$defs", "toolConfig.tools.*.json.properties.from.*",
         "toolConfig.tools.*.json.properties.to.*"),
        "references stay where the model takes them", "they are written out for every model",
        "schemas that refer to themselves cannot be written out",
        lambda case: "claude" in case.model,
    ),
    Listed(
        (BEDROCK,), ("toolConfig.tools.*.description",),
        "a tool without description has none", "its name is given as one", "it says nothing",
        lacks,
    ),
    Listed(
        (BEDROCK,), ("toolConfig.toolChoice",),
        "`auto` is said by leaving it out", "it is sent",
        "it is the default, and some models take no choice", every(lacks, theirs_is({"auto": {}})),
    ),
    Listed(
        (BEDROCK,),
        ("toolConfig", "toolConfig.tools.*", "toolConfig.toolChoice*",
         "additionalModelRequestFields*"),
        "with `tool_choice: none` no tool can be called: Claude is told so, other models are shown "
        "the tools of the conversation so far, as not available",
        "tools are offered as if they could be called",
        "what must not happen must not be left to the model", chooses("none"),
    ),
    Listed(
        (BEDROCK,), ("messages.*.content.*",),
        "thoughts go back to the model that had them", "not to Nova",
        "Bedrock has a block for them, and checks who sealed them",
        every(adds, block("reasoningContent")),
    ),
    Listed(
        (GEMINI,), ("contents.*.parts.*",),
        "thoughts go back to the model that had them", "they are dropped",
        "the signature is what lets the model go on with its thoughts",
        every(adds, block("thought")),
    ),
    Listed(
        (COHERE,), ("messages.*.thinking_blocks", "messages.*.tool_plan", "messages.*.content.*"),
        "thoughts go back in Cohere's words: a plan, or a block", "in LiteLLM's own",
        "Cohere knows no such member",
        some(every(lacks, lambda case: case.found.path.endswith("blocks")), adds),
    ),
    Listed(
        (GEMINI,), ("contents.*.parts.*",),
        "calls of one tool with the same arguments are all sent", "one of them is sent",
        "each has its result, and Gemini counts them",
        every(adds, block("functionCall")),
    ),
    Listed(
        (GEMINI,), ("generationConfig", "generationConfig.*Penalty"),
        "no penalties for the 2.5 models; reported", "they are sent",
        "Google refuses all but 0 there (\"Penalty is not enabled for this model\")", lacks,
    ),
    Listed(
        (BEDROCK,), ("toolConfig.tools.*",),
        "no cache point after tools for Nova", "it is sent", "Nova refuses it",
        every(lacks, theirs_is({"cachePoint": {"type": "default"}})),
    ),
    Listed(
        (BEDROCK,),
        ("messages.*.toolResult.content.*.json", "messages.*.toolResult.content.*.text"),
        "a result that is a JSON object is sent as JSON", "as text",
        "Bedrock has a member for it", as_json,
    ),
    Listed(
        (BEDROCK,), ("requestMetadata",),
        "`metadata` goes to the records of the provider", "it is dropped",
        "Bedrock has a member for it", adds,
    ),
    Listed(
        (BEDROCK,), ("additionalModelResponseFieldPaths",),
        "no further members of the answer are asked for", "the count of thinking tokens is",
        "no documented member of Claude's answers on Bedrock", lacks,
    ),
    Listed(
        (ANTHROPIC, BEDROCK, COHERE), ("",),
        "several answers to one request are refused", "one is asked for",
        "a client that asked for several relies on them",
        every(said("n", lambda n: n > 1), adds),
    ),
    Listed(
        (BEDROCK,), ("",),
        "a JSON schema for the answer is refused where the model cannot be held to one",
        "a tool of that form is forced",
        "a client that asked for a schema relies on it; a fallback may have it",
        every(said("response_format", lambda form: form["type"] == "json_schema"), adds),
    ),
    Listed(
        (GEMINI,),
        ("tools.*.parameters", "tools.*.parametersJsonSchema"),
        "schemas of tools go as JSON Schema", "in Gemini's older form, which knows less of it",
        "references, closed objects and maps are kept",
    ),
    Listed(
        (GEMINI,), ("contents.*.functionCall.args.type",),
        "a call without arguments has none", "it has an argument `type`",
        "the tool has no such argument", every(lacks, theirs_is("object")),
    ),
    Listed(
        (GEMINI,), ("contents.*.functionCall.id", "contents.*.functionResponse.id"),
        "calls and results have their ids", "only for the third generation",
        "calls of the same function can be told apart", adds,
    ),
    Listed(
        (GEMINI,),
        ("contents.*.functionResponse.response.content",
         "contents.*.functionResponse.response.output"),
        "a result in words is `output`, its parts on lines of their own",
        "`content`, its parts without anything between them",
        "it is the name that Gemini's reference gives",
    ),
    Listed(
        (GEMINI,), ("contents.*.thoughtSignature",),
        "a history without signatures is marked with the documented word, on the first call of "
        "each step of the current turn",
        "with the word in base64, on every call",
        "Google documents the word as it stands, and looks at the current turn only",
    ),
    Listed(
        (GEMINI,), ("generationConfig.logprobs",),
        "`top_logprobs` is sent", "it is dropped", "Gemini has a member for it", adds,
    ),
    Listed(
        (GEMINI,), ("generationConfig", "generationConfig.mediaResolution"),
        "an image's `detail` goes to that image, where the generation takes it",
        "to all images of the request", "the client said it of one image", lacks,
    ),
    Listed(
        (GEMINI,), ("generationConfig.thinkingConfig.includeThoughts",),
        "without thinking nothing is said of showing it", "it is switched off",
        "there is nothing to show", every(no_effort, lacks),
    ),
    Listed(
        (GEMINI,), ("generationConfig.thinkingConfig.thinkingBudget",),
        "efforts become budgets as for every vendor, within what the model takes",
        "other budgets, and 0 for `none`", "2.5 Pro refuses 0",
    ),
    Listed(
        (GEMINI,), ("generationConfig.thinkingConfig.thinkingLevel",),
        "levels in capitals, as Google's SDK writes them, the next higher one that the model has",
        "in small letters, whether the model has it or not", "3 Pro has LOW and HIGH only",
    ),
    Listed(
        (COHERE,), ("",),
        "documents that are no text are refused", "they are sent in OpenAI's words",
        "Cohere knows no such content",
        every(adds, lambda case: '"type": "file"' in json.dumps(case.request)),
    ),
    Listed(
        (COHERE,), ("frequency_penalty", "presence_penalty", "p"),
        "numbers outside Cohere's range become the nearest in it; reported", "they are sent",
        "Cohere refuses them", lambda case: case.ours in (0, 0.99),
    ),
    Listed(
        (COHERE,), ("logprobs", "response_format", "tool_choice", "strict_tools"),
        "`logprobs`, `response_format`, `tool_choice` and strict tools go in Cohere's words",
        "they are dropped", "Cohere has members for them", adds,
    ),
    Listed(
        (COHERE,), ("tools.*.strict",),
        "strictness is said once for all tools, if all are strict", "OpenAI's member is sent",
        "it is Cohere's way", lacks,
    ),
    Listed(
        (COHERE,), ("messages.*.name", "num_generations"),
        "names of participants, and `n: 1`, are left out; names are reported", "they are sent",
        "Cohere knows no such members", lacks,
    ),
    Listed(
        (COHERE,), ("messages.*.tool_calls.*.arguments",),
        "arguments that are nothing become `{}`", "nothing is sent",
        "arguments are JSON", every(ours_is("{}"), theirs_is("")),
    ),
    Listed(
        (COHERE,), ("tools.*",),
        "of a named tool only this one is offered, as Cohere cannot be told a name",
        "all tools are offered, and none is forced",
        "a client that named a tool relies on it", named,
    ),
    Listed(
        (COHERE,), ("tools.*.parameters",),
        "a tool without parameters takes an empty object", "nothing is said of parameters",
        "Cohere demands them", adds,
    ),
]
