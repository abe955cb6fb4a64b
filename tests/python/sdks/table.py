"""What cannot be done, and why: the only way for a cell of the compatibility table to be empty."""

from .drivers import DRIVERS, NAMES
from .families import BY_NAME, FAMILIES

# Scenarios in which tools are called in a stream.
STREAMED_TOOLS = (
    "one tool, streamed",
    "parallel tools",
    "zero-argument tool",
    "tool round trip",
    "thinking, streamed",
)
OTHERS = tuple(family.name for family in FAMILIES if family.name != "mistral")
# Families that speak OpenAI's chat format: what an SDK of that format says goes there untouched.
SAME = ("openai", "azure", "groq", "vllm")
NO_COUNT = "the SDK has no call for it"
WORD_ANY = "`any` is Mistral's own word; it goes untouched to a provider of the same format"
DOCUMENT_URL = "`document_url` is Mistral's own; it goes untouched to a provider of the same format"

# (sdk, provider family, scenario) -> reason; `*` stands for all. What is listed here is tried all
# the same, and must be refused: by the SDK, which has no way to say it, or by Weir with a 400.
NOT: dict[tuple[str, str, str], str] = {
    # What an SDK or its format has no way to say.
    ("openai-responses", "*", "long stop sequence"): "the format has no stop sequences",
    ("boto3", "*", "forbidden tool"): "`toolChoice` cannot forbid tools",
    ("cohere", "*", "named tool"): "`tool_choice` cannot name a tool",
    ("openai-chat", "*", "token counting"): NO_COUNT,
    ("cohere", "*", "token counting"): NO_COUNT,
    ("mistralai", "*", "token counting"): NO_COUNT,
    ("anthropic", "*", "embeddings"): "the SDK has no call for it",
    ("boto3", "*", "embeddings"): "Converse has no call for it",
    # What a provider does not offer.
    ("*", "anthropic", "embeddings"): "Anthropic offers none",
    ("*", "azure-claude", "embeddings"): "Anthropic offers none",
    ("*", "groq", "embeddings"): "Groq offers none",
    **{
        (sdk, "cohere", "document"): "Cohere's models take documents as text only"
        for sdk in NAMES
        if sdk != "cohere"
    },
    **{
        ("*", family, "token counting"): "the provider has no call for it"
        for family in ("cohere", "mistral", "groq", "azure")
    },
    ("*", "azure-claude", "token counting"): "Weir does not ask Azure for it",
    # What Mistral's SDK expects and OpenAI's format, in which Weir serves it, does not have.
    ("mistralai", "*", "list of models"): "the SDK wants Mistral's own description of models",
    **{
        ("mistralai", family, scenario): "the SDK reads only calls that come whole in a stream"
        for scenario in STREAMED_TOOLS
        for family in OTHERS
    },
    **{
        ("mistralai", family, "embeddings"): "the SDK wants an `id`, which only Mistral gives"
        for family in OTHERS
    },
    # What only goes untouched.
    **{("mistralai", family, "forced tool"): WORD_ANY for family in SAME},
    **{("mistralai", family, "document"): DOCUMENT_URL for family in SAME},
}


def reason(sdk: str, family: str, scenario: str) -> str | None:
    """Why this cell is empty; `None`: it is not."""
    for one in (sdk, "*"):
        for other in (family, "*"):
            if (one, other, scenario) in NOT:
                return NOT[one, other, scenario]
    return None


def remark(sdk: str, family: str, scenario: str) -> str | None:
    """What a full cell does not have."""
    if not scenario.startswith("thinking"):
        return None
    if not BY_NAME[family].shows_thoughts:
        return "with tools; the provider's answers hold no thoughts"
    shows = {driver.name: driver.shows_thoughts for driver in DRIVERS}
    return None if shows[sdk] else "with tools; the SDK does not show the thoughts"
