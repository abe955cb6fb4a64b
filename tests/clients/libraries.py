"""The libraries: LangChain's models, each in its vendor's format, and LiteLLM; those that are built
on OpenAI's SDK, and the SDK itself, are in `openai_users.py`.

All of LangChain's are used in one way. The others are put behind the same calls.
"""

import os

from library import STREAM, Asked, Library, Said, choices, dicts, has_text, said
from openai_users import Instructor, LlamaIndex, OpenAiSdk, PydanticAi

# Neither looks for anything beyond the gateway.
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LANGSMITH_TRACING": "false",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class LangChain(Library):
    """Any of LangChain's; `chat` and `embedder` make it."""

    # Its word for a tool that must be called.
    words = {"any": "any"}

    def chat(self, model: str):
        raise NotImplementedError

    def embedder(self, model: str):
        raise NotImplementedError

    def ask(self, model, asked):
        return _said(self._bound(model, asked).invoke(_messages(asked)))

    def stream(self, model, asked):
        return _summed(list(self._bound(model, asked).stream(_messages(asked))))

    async def ask_later(self, model, asked):
        return _said(await self._bound(model, asked).ainvoke(_messages(asked)))

    async def stream_later(self, model, asked):
        chunks = self._bound(model, asked).astream(_messages(asked))
        return _summed([chunk async for chunk in chunks])

    def batch(self, model, texts):
        return [answer.text for answer in self.chat(model).batch(texts)]

    def structured(self, model, text, form):
        return self.chat(model).with_structured_output(form, method="json_schema").invoke(text)

    def structured_by_tool(self, model, text, form):
        chat = self.chat(model).with_structured_output(form, method="function_calling")
        return chat.invoke(text)

    def structured_stream(self, model, text, form):
        chat = self.chat(model).with_structured_output(form, method="json_schema")
        seen = list(chat.stream(text))
        return seen[-1], len(seen) - 1

    def embed(self, model, texts):
        return self.embedder(model).embed_documents(texts)

    def _bound(self, model: str, asked: Asked):
        chat = self.chat(model)
        if not asked.tools:
            return chat
        choice = {"tool_choice": self.words.get(asked.choice)} if asked.choice else {}
        return chat.bind_tools(asked.tools, **choice)


def _messages(asked: Asked) -> list:
    from langchain_core.messages import HumanMessage, ToolMessage

    messages = []
    for turn in asked.turns:
        match turn:
            case str():
                messages.append(HumanMessage(turn))
            case (answer, results):
                calls = answer.native.tool_calls
                messages.append(answer.native)
                messages += [
                    ToolMessage(result, tool_call_id=call["id"], name=call["name"])
                    for call, result in zip(calls, results, strict=True)
                ]
            case answer:
                messages.append(answer.native)
    return messages


def _said(message, pieces: int = 1) -> Said:
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    usage = message.usage_metadata or message.additional_kwargs.get("token_count", {})
    tokens = (usage.get("input_tokens", 0), usage.get("output_tokens", 0))
    return Said(str(message.text), calls, tokens, pieces, message)


def _summed(chunks: list) -> Said:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return _said(whole, sum(1 for chunk in chunks if str(chunk.text)))


class OpenAi(LangChain):
    name = "langchain-openai"
    label = "`langchain-openai`"
    options: dict = {}

    def chat(self, model):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=model, base_url=f"{self.url}/v1", api_key="unused", max_retries=0,
            stream_usage=True, **self.options,
        )

    def embedder(self, model):
        from langchain_openai import OpenAIEmbeddings

        # Else it counts tokens with tables that it fetches from the web.
        return OpenAIEmbeddings(
            model=model, base_url=f"{self.url}/v1", api_key="unused",
            check_embedding_ctx_length=False, max_retries=0,
        )


class OpenAiResponses(OpenAi):
    name = "langchain-openai-responses"
    label = "`langchain-openai`, responses"
    options = {"use_responses_api": True}


class Anthropic(LangChain):
    name = "langchain-anthropic"
    label = "`langchain-anthropic`"

    def chat(self, model):
        from langchain_anthropic import ChatAnthropic

        return ChatAnthropic(
            model=model, base_url=f"{self.url}/anthropic", api_key="unused", max_retries=0,
            max_tokens=1000,
        )


class Google(LangChain):
    name = "langchain-google-genai"
    label = "`langchain-google-genai`"

    def chat(self, model):
        from langchain_google_genai import ChatGoogleGenerativeAI

        return ChatGoogleGenerativeAI(
            model=model, base_url=f"{self.url}/genai", api_key="unused", max_retries=1,
        )

    def embedder(self, model):
        from langchain_google_genai import GoogleGenerativeAIEmbeddings

        return GoogleGenerativeAIEmbeddings(
            model=model, base_url=f"{self.url}/genai", api_key="unused"
        )


class Aws(LangChain):
    name = "langchain-aws"
    label = "`langchain-aws`"

    def chat(self, model):
        from langchain_aws import ChatBedrockConverse

        return ChatBedrockConverse(
            model=model, provider="anthropic", base_url=f"{self.url}/bedrock",
            region_name="us-east-1", aws_access_key_id="unused", aws_secret_access_key="unused",
            # What a model can is known to the library by the model's name at Bedrock only.
            disable_streaming=False, supports_tool_choice_values=("auto", "any", "tool"),
        )


class Cohere(LangChain):
    name = "langchain-cohere"
    label = "`langchain-cohere`"
    words = {"any": "REQUIRED"}

    def chat(self, model):
        from langchain_cohere import ChatCohere

        return ChatCohere(
            model=model, base_url=f"{self.url}/cohere", cohere_api_key="unused",
        )

    def embedder(self, model):
        from langchain_cohere import CohereEmbeddings

        return CohereEmbeddings(
            model=model, base_url=f"{self.url}/cohere", cohere_api_key="unused", max_retries=0,
        )


class LiteLlm(Library):
    """LiteLLM as a client that speaks OpenAI's format to the gateway."""

    name = "litellm"
    label = "`litellm`"
    # LiteLLM's name of the format, and where the gateway speaks it.
    format = "openai"
    path = "/v1"

    def ask(self, model, asked):
        import litellm

        return said(litellm.completion(**self._request(model, asked)))

    def stream(self, model, asked):
        import litellm

        request = self._request(model, asked)
        chunks = list(litellm.completion(**request, **STREAM))
        return self._summed(chunks, request["messages"])

    async def ask_later(self, model, asked):
        import litellm

        return said(await litellm.acompletion(**self._request(model, asked)))

    async def stream_later(self, model, asked):
        import litellm

        request = self._request(model, asked)
        chunks = [chunk async for chunk in await litellm.acompletion(**request, **STREAM)]
        return self._summed(chunks, request["messages"])

    def batch(self, model, texts):
        import litellm

        request = self._request(model, Asked([]))
        request["messages"] = [[{"role": "user", "content": text}] for text in texts]
        answers = litellm.batch_completion(**request)
        return [answer.choices[0].message.content for answer in answers]

    def structured(self, model, text, form):
        import litellm

        answer = litellm.completion(**self._request(model, Asked([text])), response_format=form)
        return form.model_validate_json(answer.choices[0].message.content)

    def embed(self, model, texts):
        import litellm

        answer = litellm.embedding(
            model=f"{self.format}/{model}", input=texts, api_base=self.url + self.path,
            api_key="unused", num_retries=0,
        )
        return [one["embedding"] for one in answer.data]

    def _request(self, model: str, asked: Asked) -> dict:
        return {
            "model": f"{self.format}/{model}", "messages": dicts(asked), "num_retries": 0,
            "api_key": "unused", "api_base": self.url + self.path, **choices(asked),
        }

    def _summed(self, chunks: list, messages: list) -> Said:
        import litellm

        pieces = sum(map(has_text, chunks))
        return said(litellm.stream_chunk_builder(chunks, messages=messages), pieces)


class LiteLlmAnthropic(LiteLlm):
    name = "litellm-anthropic"
    label = "`litellm`, Anthropic's format"
    format = "anthropic"
    path = "/anthropic"


class LiteLlmGemini(LiteLlm):
    name = "litellm-gemini"
    label = "`litellm`, Gemini's format"
    format = "gemini"
    # Both ways of writing Google's address are served.
    path = "/genai"


LIBRARIES = [
    OpenAi, OpenAiResponses, Anthropic, Google, Aws, Cohere,
    LiteLlm, LiteLlmAnthropic, LiteLlmGemini,
    OpenAiSdk, Instructor, PydanticAi, LlamaIndex,
]
NAMES = [library.name for library in LIBRARIES]

# (library, provider, scenario) that cannot be, and why.
NO_CALL = "the library has no call for it"
NOT: dict[tuple[str, str, str], str] = {
    ("langchain-cohere", "*", "tool round trip, streamed"):
        "the library repeats the pieces of a streamed call, whatever the service sends",
    ("langchain-cohere", "*", "embeddings"): "the library asks by Cohere's older `/v1/embed`",
    ("langchain-anthropic", "*", "embeddings"): NO_CALL,
    ("langchain-aws", "*", "embeddings"): "its class for vectors speaks to Bedrock's InvokeModel",
    ("litellm-anthropic", "*", "embeddings"): NO_CALL,
    ("*", "anthropic", "embeddings"): "Anthropic offers none",
    ("*", "bedrock", "embeddings"): "Weir does not ask Bedrock for vectors",
    **{
        ("litellm-anthropic", provider, "structured output"):
            "the library asks Claude by the older member `output_format`, which Anthropic's own SDK "
            "no longer has and the simulated provider refuses"
        for provider in ("anthropic", "bedrock")
    },
    **{
        ("litellm-anthropic", provider, "structured output"):
            "for models that are not Claude's the library asks by a tool"
        for provider in ("openai", "gemini", "cohere")
    },
    **{
        ("litellm-gemini", provider, "structured output"):
            "for models that are not Google's the library says the schema in the prompt alone"
        for provider in ("openai", "cohere")
    },
    **{
        (library.name, "*", scenario): NO_CALL
        for library in LIBRARIES
        for scenario in ("structured output, streamed", "structured output by a tool")
        if issubclass(library, LiteLlm)
    },
    **{
        (library.name, "*", "batch"): NO_CALL
        for library in (OpenAiSdk, Instructor, PydanticAi, LlamaIndex)
    },
    ("llama-index", "*", "embeddings"): "its class for vectors is in another package",
}
