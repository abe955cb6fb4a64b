"""What cannot be done, and why: the only way for a cell of the compatibility table to be empty."""

from .drivers import DRIVERS, NAMES
from .families import BY_NAME

NO_COUNT = "the SDK has no call for it"

NO_TOOLS = "Replicate's models are given no tools"
NOT_ON_REPLICATE = {
    **dict.fromkeys(
        (
            "one tool",
            "one tool, streamed",
            "parallel tools",
            "zero-argument tool",
            "tool round trip",
            "tool called elsewhere",
            "forced tool",
            "named tool",
            "thinking",
            "thinking, streamed",
        ),
        NO_TOOLS,
    ),
    "image": "Replicate's language models take text only",
    "structured output": "Replicate's models cannot be bound to a schema",
    "embeddings": "Replicate has no call for embeddings of its own",
    "token counting": "the provider has no call for it",
}

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
        ("*", family, "embeddings"): "Anthropic offers none"
        for family in ("vertex-claude", "mantle-claude")
    },
    **{
        ("*", family, "embeddings"): "the provider offers none of these makers'"
        for family in ("vertex-mistral", "vertex-others", "mantle")
    },
    ("*", "databricks", "list of models"): "Databricks has no list in a format that Weir knows",
    **{
        (sdk, "cohere", "document"): "Cohere's models take documents as text only"
        for sdk in NAMES
        if sdk != "cohere"
    },
    **{
        (sdk, "replicate", "document"): "Replicate's models take documents as text only"
        for sdk in NAMES
        if sdk != "cohere"
    },
    **{
        ("*", family, "token counting"): "the provider has no call for it"
        for family in ("cohere", "mistral", "groq", "azure", "vertex-mistral", "vertex-others",
                       "mantle", "databricks")
    },
    **{("*", "replicate", scenario): why for scenario, why in NOT_ON_REPLICATE.items()},
    # What Mistral's SDK expects and OpenAI's format, in which Weir serves it, does not have.
    ("mistralai", "*", "list of models"): "the SDK wants Mistral's own description of models",
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
