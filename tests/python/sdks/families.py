"""The provider families: entries of the configuration that point at a simulator, and models whose
names are those of the real services, because rules of the formats go by them.
"""

from dataclasses import dataclass, field

from harness.config import Config, Key

from .drivers import NAMES

# What behaves as told on demand: `sim:...`, in the plain name of the family's models.
FAULTS = ("status=400", "status=404", "status=429", "status=500", "error=3")


@dataclass(frozen=True)
class Family:
    name: str
    # How it is called for people.
    label: str
    # Its entry in the configuration; several families may share one.
    provider: str
    chat: str
    # The models for these concerns, if they are others.
    thinker: str = ""
    seer: str = ""
    embedder: str = ""
    # Thoughts come with the answers.
    shows_thoughts: bool = True
    # The block that its keys need.
    block: dict = field(default_factory=dict)
    # Its keys say where it is.
    url_in_key: bool = False
    # The simulator's door that is as strict as this provider.
    door: str = ""
    # Part of the names of models that it serves, where a provider serves several families.
    mark: str = ""

    def model(self, role: str) -> str:
        """`chat`, `thinker`, `seer` or `embedder`, as the gateway's clients write it."""
        return f"{self.provider}/{getattr(self, role) or self.chat}"

    def fault(self, behaviour: str, sdk: str) -> str:
        """A model that fails; one for each SDK, because keys rest after failures of a model."""
        return f"{self.provider}/{self._fault(behaviour, sdk)}"

    def _fault(self, behaviour: str, sdk: str) -> str:
        tag = "-".join(part for part in (self.mark, sdk) if part)
        return f"sim:{behaviour},tag={tag}"

    def refused(self, sdks: list[str]) -> list[str]:
        """The models whose credentials are refused."""
        return [self._fault("status=401", sdk) for sdk in sdks]

    def keys(self, url: str, refused: list[str]) -> list[Key]:
        """One key for everything, and one for each model whose credentials are refused, because
        such a key is not used again."""
        block = {
            name: {member: url if value == "{url}" else value for member, value in inner.items()}
            for name, inner in self.block.items()
        }
        main = Key(f"{self.provider}-main", extra={**block, "blacklisted_models": refused})
        lost = [
            Key(f"{self.provider}-refused-{nth}", models=[name], extra=block)
            for nth, name in enumerate(refused)
        ]
        return [main, *lost]


@dataclass(frozen=True)
class SelfHosted(Family):
    """A key of vLLM serves one model."""

    def keys(self, url: str, refused: list[str]) -> list[Key]:
        models = [self.chat, self.thinker, self.seer, self.embedder, *refused]
        models += [self._fault(fault, sdk) for fault in FAULTS for sdk in NAMES]
        served = list(dict.fromkeys(model for model in models if model))
        return [
            Key(
                f"{self.name}-{nth}",
                models=[model],
                extra={"vllm_key_config": {"url": url, "model_name": model}},
            )
            for nth, model in enumerate(served)
        ]


# In the order of the compatibility page. A family that is added here is in every scenario, and what
# it cannot do goes into `table.py`; its models' names are all that a scenario knows of it.
FAMILIES = [
    Family(
        "openai",
        "OpenAI",
        "openai",
        chat="gpt-4o",
        thinker="gpt-5-mini",
        embedder="text-embedding-3-small",
        shows_thoughts=False,
    ),
    Family(
        "anthropic",
        "Anthropic",
        "anthropic",
        chat="claude-sonnet-4-5",
        thinker="claude-sonnet-5",
    ),
    Family(
        "gemini",
        "Gemini",
        "gemini",
        chat="gemini-2.5-flash",
        thinker="gemini-3-pro-preview",
        embedder="gemini-embedding-001",
    ),
    Family(
        "bedrock",
        "Bedrock",
        "bedrock",
        chat="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        embedder="cohere.embed-v4:0",
        block={"bedrock_key_config": {"region": "us-east-1"}},
    ),
    Family(
        "cohere",
        "Cohere",
        "cohere",
        chat="command-a-03-2025",
        thinker="command-a-reasoning-08-2025",
        seer="command-a-vision-07-2025",
        embedder="embed-v4.0",
    ),
    Family(
        "azure",
        "Azure OpenAI",
        "azure",
        chat="gpt-4o",
        thinker="gpt-5-mini",
        embedder="text-embedding-3-large",
        shows_thoughts=False,
        block={"azure_key_config": {"endpoint": "{url}"}},
        url_in_key=True,
    ),
    Family(
        "azure-claude",
        "Azure Claude",
        "azure",
        chat="claude-sonnet-4-5",
        thinker="claude-opus-4-6",
        block={"azure_key_config": {"endpoint": "{url}"}},
        url_in_key=True,
        mark="claude",
    ),
    Family(
        "mistral",
        "Mistral",
        "mistral",
        chat="mistral-large-latest",
        thinker="magistral-medium-latest",
        seer="pixtral-large-latest",
        embedder="mistral-embed",
        shows_thoughts=False,
        door="/mistral",
    ),
    Family(
        "groq",
        "Groq",
        "groq",
        chat="llama-3.3-70b-versatile",
        thinker="openai/gpt-oss-120b",
        seer="meta-llama/llama-4-maverick-17b-128e-instruct",
        shows_thoughts=False,
    ),
    SelfHosted(
        "vllm",
        "vLLM",
        "vllm",
        chat="meta-llama/Llama-3.1-8B-Instruct",
        thinker="Qwen/Qwen3-32B",
        seer="Qwen/Qwen2.5-VL-7B-Instruct",
        embedder="BAAI/bge-m3",
        shows_thoughts=False,
        url_in_key=True,
    ),
]
BY_NAME = {family.name: family for family in FAMILIES}


def config(url: str, families: list[Family]) -> Config:
    """A configuration with these families, all of them at one simulator."""
    made = Config()
    for name in dict.fromkeys(family.provider for family in families):
        members = [family for family in families if family.provider == name]
        refused = [model for family in members for model in family.refused(NAMES)]
        made.provider(name, url + members[0].door, members[0].keys(url, refused))
        if members[0].url_in_key:
            del made.document["providers"][name]["network_config"]["base_url"]
    return made
