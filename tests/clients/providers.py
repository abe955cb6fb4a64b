"""The providers: one of each format."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Provider:
    name: str
    label: str
    chat: str
    embedder: str = ""
    # What its keys need.
    block: dict = field(default_factory=dict)

    def model(self, role: str = "chat") -> str:
        """As the gateway's clients write it."""
        return f"{self.name}/{getattr(self, role)}"


PROVIDERS = [
    Provider("openai", "OpenAI", "gpt-4o", "text-embedding-3-small"),
    Provider("anthropic", "Anthropic", "claude-sonnet-4-5"),
    Provider("gemini", "Gemini", "gemini-2.5-flash", "gemini-embedding-001"),
    Provider(
        "bedrock", "Bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        block={"bedrock_key_config": {"region": "us-east-1"}},
    ),
    Provider("cohere", "Cohere", "command-a-03-2025", "embed-v4.0"),
]
