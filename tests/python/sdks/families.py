"""The provider families: entries of the configuration that point at a simulator, and models whose
names are those of the real services, because rules of the formats go by them.
"""

from dataclasses import dataclass, field

from harness.config import Config, Key

from .drivers import NAMES

# What behaves as told on demand: `sim:...`, in the plain name of the family's models.
FAULTS = ("status=400", "status=404", "status=429", "status=500", "error=3")


@dataclass(frozen=True)
class Place:
    """Where the providers are: a simulator, and the account that tokens are granted to."""

    url: str
    account: str = ""


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
    # What the path of a chat with it holds.
    path: str = "/chat/completions"

    def model(self, role: str) -> str:
        """`chat`, `thinker`, `seer` or `embedder`, as the gateway's clients write it."""
        return f"{self.provider}/{getattr(self, role) or self.chat}"

    def fault(self, behaviour: str, sdk: str) -> str:
        """A model that fails; one for each SDK, because keys rest after failures of a model."""
        return f"{self.provider}/{self._fault(behaviour, sdk)}"

    def _fault(self, behaviour: str, sdk: str) -> str:
        # Names of SDKs are those of families of models, too.
        tag = "-".join(part for part in (self.mark, str(NAMES.index(sdk))) if part)
        return f"sim:{behaviour},tag={tag}"

    def refused(self, sdks: list[str]) -> list[str]:
        """The models whose credentials are refused."""
        return [self._fault("status=401", sdk) for sdk in sdks]

    def keys(self, place: Place, refused: list[str]) -> list[Key]:
        """One key for everything, and one for each model whose credentials are refused, because
        such a key is not used again."""
        known = {"{url}": place.url, "{account}": place.account}
        block = {
            name: {member: known.get(value, value) for member, value in inner.items()}
            for name, inner in self.block.items()
        }
        # A key with an account has no value of its own.
        block |= {"value": ""} if self.has_account else {}
        main = Key(f"{self.provider}-main", extra={**block, "blacklisted_models": refused})
        lost = [
            Key(f"{self.provider}-refused-{nth}", models=[name], extra=block)
            for nth, name in enumerate(refused)
        ]
        return [main, *lost]

    @property
    def has_account(self) -> bool:
        """Its calls are signed with tokens of an account."""
        return any("{account}" in inner.values() for inner in self.block.values())


@dataclass(frozen=True)
class SelfHosted(Family):
    """A key of vLLM serves one model."""

    def keys(self, place: Place, refused: list[str]) -> list[Key]:
        models = [self.chat, self.thinker, self.seer, self.embedder, *refused]
        models += [self._fault(fault, sdk) for fault in FAULTS for sdk in NAMES]
        served = list(dict.fromkeys(model for model in models if model))
        return [
            Key(
                f"{self.name}-{nth}",
                models=[model],
                extra={"vllm_key_config": {"url": place.url, "model_name": model}},
            )
            for nth, model in enumerate(served)
        ]


VERTEX = {
    "vertex_key_config": {
        "project_id": "my-p",
        "region": "us-east5",
        "auth_credentials": "{account}",
    }
}

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
        path="/v1/messages",
    ),
    Family(
        "gemini",
        "Gemini",
        "gemini",
        chat="gemini-2.5-flash",
        thinker="gemini-3-pro-preview",
        embedder="gemini-embedding-001",
        path="/v1beta/models/",
    ),
    Family(
        "bedrock",
        "Bedrock",
        "bedrock",
        chat="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        embedder="cohere.embed-v4:0",
        block={"bedrock_key_config": {"region": "us-east-1"}},
        path="/converse",
    ),
    Family(
        "cohere",
        "Cohere",
        "cohere",
        chat="command-a-03-2025",
        thinker="command-a-reasoning-08-2025",
        seer="command-a-vision-07-2025",
        embedder="embed-v4.0",
        path="/v2/chat",
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
        path="/openai/v1/chat/completions",
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
        path="/anthropic/v1/messages",
    ),
    Family(
        "vertex",
        "Vertex Gemini",
        "vertex",
        chat="gemini-2.5-flash",
        thinker="gemini-3-pro-preview",
        embedder="gemini-embedding-001",
        block=VERTEX,
        mark="gemini",
        path="/publishers/google/models/",
    ),
    Family(
        "vertex-claude",
        "Vertex Claude",
        "vertex",
        chat="claude-sonnet-4-5@20250929",
        thinker="claude-opus-4-6",
        block=VERTEX,
        mark="claude",
        path="/publishers/anthropic/models/",
    ),
    Family(
        "vertex-mistral",
        "Vertex Mistral",
        "vertex",
        chat="mistral-medium-3",
        thinker="mistral-medium-3",
        shows_thoughts=False,
        block=VERTEX,
        mark="mistral",
        path="/publishers/mistralai/models/",
    ),
    Family(
        "vertex-others",
        "Vertex others",
        "vertex",
        chat="meta/llama-4-maverick-17b-128e-instruct-maas",
        thinker="openai/gpt-oss-120b-maas",
        shows_thoughts=False,
        block=VERTEX,
        path="/endpoints/openapi/chat/completions",
    ),
    Family(
        "mantle",
        "Bedrock Mantle",
        "bedrock_mantle",
        chat="openai.gpt-oss-120b",
        seer="qwen.qwen3-vl-235b-a22b-instruct",
        shows_thoughts=False,
        block={"bedrock_mantle_key_config": {"region": "us-east-1"}},
    ),
    Family(
        "mantle-claude",
        "Mantle Claude",
        "bedrock_mantle",
        chat="anthropic.claude-haiku-4-5",
        thinker="anthropic.claude-opus-4-6",
        block={"bedrock_mantle_key_config": {"region": "us-east-1"}},
        mark="claude",
        path="/anthropic/v1/messages",
    ),
    Family(
        "databricks",
        "Databricks",
        "databricks",
        chat="databricks-meta-llama-3-3-70b-instruct",
        thinker="databricks-gpt-oss-120b",
        seer="databricks-llama-4-maverick",
        embedder="databricks-gte-large-en",
        shows_thoughts=False,
        block={"databricks_key_config": {"workspace_url": "{url}"}},
        url_in_key=True,
        path="/serving-endpoints/chat/completions",
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
        path="/mistral/v1/chat/completions",
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
    Family(
        "replicate",
        "Replicate",
        "replicate",
        chat="meta/meta-llama-3-70b-instruct",
        shows_thoughts=False,
        path="/predictions",
    ),
]
BY_NAME = {family.name: family for family in FAMILIES}


def config(place: Place, families: list[Family]) -> Config:
    """A configuration with these families, all of them at one simulator."""
    made = Config()
    for name in dict.fromkeys(family.provider for family in families):
        members = [family for family in families if family.provider == name]
        refused = [model for family in members for model in family.refused(NAMES)]
        made.provider(name, place.url + members[0].door, members[0].keys(place, refused))
        if members[0].url_in_key:
            del made.document["providers"][name]["network_config"]["base_url"]
    return made
