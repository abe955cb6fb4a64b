"""OpenAI's own SDK, and libraries that are built on it: instructor, pydantic-ai, LlamaIndex.

They speak OpenAI's format to the gateway, whoever the provider is.
"""

import asyncio
import json

import pytest
from library import STREAM, Asked, Library, Said, choices, dicts, has_text, said


class OpenAiSdk(Library):
    name = "openai"
    label = "`openai`"

    def __init__(self, url):
        super().__init__(url)
        from openai import AsyncOpenAI, OpenAI

        self.client = OpenAI(**self.options)
        self.later = AsyncOpenAI(**self.options)

    @property
    def options(self) -> dict:
        return {"base_url": f"{self.url}/v1", "api_key": "unused", "max_retries": 0}

    def ask(self, model, asked):
        return said(self.create(self.client, model, asked))

    def stream(self, model, asked):
        chunks = list(self.create(self.client, model, asked, **STREAM))
        return self._summed(chunks)

    async def ask_later(self, model, asked):
        return said(await self.create(self.later, model, asked))

    async def stream_later(self, model, asked):
        stream = await self.create(self.later, model, asked, **STREAM)
        return self._summed([chunk async for chunk in stream])

    def structured(self, model, text, form):
        answer = self.client.chat.completions.parse(
            model=model, messages=dicts(Asked([text])), response_format=form
        )
        return answer.choices[0].message.parsed

    def structured_stream(self, model, text, form):
        pieces = 0
        with self.client.chat.completions.stream(
            model=model, messages=dicts(Asked([text])), response_format=form
        ) as stream:
            for event in stream:
                pieces += event.type == "content.delta" and event.parsed is not None
            return stream.get_final_completion().choices[0].message.parsed, pieces

    def structured_by_tool(self, model, text, form):
        from openai import pydantic_function_tool

        answer = self.client.chat.completions.parse(
            model=model, messages=dicts(Asked([text])), tools=[pydantic_function_tool(form)]
        )
        return answer.choices[0].message.tool_calls[0].function.parsed_arguments

    def embed(self, model, texts):
        answer = self.client.embeddings.create(model=model, input=texts)
        return [one.embedding for one in answer.data]

    def create(self, client, model: str, asked: Asked, **more):
        return client.chat.completions.create(
            model=model, messages=dicts(asked), **choices(asked), **more
        )

    def _summed(self, chunks: list) -> Said:
        from openai.lib.streaming.chat import ChatCompletionStreamState

        state = ChatCompletionStreamState()
        for chunk in chunks:
            state.handle_chunk(chunk)
        return said(state.get_final_completion(), sum(map(has_text, chunks)))


class Instructor(OpenAiSdk):
    """Without a class for the answer it passes on what the SDK gives."""

    name = "instructor"
    label = "`instructor`"

    def __init__(self, url):
        super().__init__(url)
        import instructor

        clients, modes = (self.client, self.later), instructor.Mode
        self.client, self.later = [instructor.from_openai(one) for one in clients]
        self.by_schema = instructor.from_openai(clients[0], mode=modes.JSON_SCHEMA)
        self.by_tool = instructor.from_openai(clients[0], mode=modes.TOOLS)

    def create(self, client, model, asked, **more):
        return super().create(client, model, asked, response_model=None, **more)

    def structured(self, model, text, form):
        answer = self.by_schema.chat.completions.create(**self._formed(model, text, form))
        # It is of a class that is made of `form`.
        return form.model_validate(answer.model_dump())

    def structured_stream(self, model, text, form):
        partial = self.by_schema.chat.completions.create_partial
        seen = list(partial(**self._formed(model, text, form)))
        return form.model_validate(seen[-1].model_dump()), len(seen) - 1

    def structured_by_tool(self, model, text, form):
        return self.by_tool.chat.completions.create(**self._formed(model, text, form))

    def _formed(self, model: str, text: str, form: type) -> dict:
        return {
            "model": model, "messages": dicts(Asked([text])), "response_model": form,
            "max_retries": 0,
        }


class PydanticAi(Library):
    """Conversations by its direct calls, answers of a class by its agents."""

    name = "pydantic-ai"
    label = "`pydantic-ai`"

    def ask(self, model, asked):
        from pydantic_ai.direct import model_request_sync

        return _replied(model_request_sync(**self._request(model, asked)))

    def stream(self, model, asked):
        from pydantic_ai.direct import model_request_stream_sync

        with model_request_stream_sync(**self._request(model, asked)) as stream:
            pieces = sum(map(_is_text, stream))
            return _replied(stream.response, pieces)

    async def ask_later(self, model, asked):
        from pydantic_ai.direct import model_request

        return _replied(await model_request(**self._request(model, asked)))

    async def stream_later(self, model, asked):
        from pydantic_ai.direct import model_request_stream

        async with model_request_stream(**self._request(model, asked)) as stream:
            pieces = [event async for event in stream if _is_text(event)]
            return _replied(stream.get(), len(pieces))

    def structured(self, model, text, form):
        from pydantic_ai import NativeOutput

        return self._agent(model, NativeOutput(form)).run_sync(text).output

    def structured_stream(self, model, text, form):
        from pydantic_ai import NativeOutput

        async def run():
            async with self._agent(model, NativeOutput(form)).run_stream(text) as stream:
                seen = [output async for output in stream.stream_output(debounce_by=None)]
                return await stream.get_output(), len(seen) - 1

        return asyncio.run(run())

    def structured_by_tool(self, model, text, form):
        from pydantic_ai import ToolOutput

        return self._agent(model, ToolOutput(form, name="Answer")).run_sync(text).output

    def embed(self, model, texts):
        from pydantic_ai import Embedder
        from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

        embedder = Embedder(OpenAIEmbeddingModel(model, provider=self._provider()))
        return [list(one) for one in embedder.embed_documents_sync(texts).embeddings]

    def _provider(self):
        from openai import AsyncOpenAI
        from pydantic_ai.providers.openai import OpenAIProvider

        # A client belongs to the loop that it was first used in.
        client = AsyncOpenAI(base_url=f"{self.url}/v1", api_key="unused", max_retries=0)
        return OpenAIProvider(openai_client=client)

    def _chat(self, model: str):
        from pydantic_ai.models.openai import OpenAIChatModel

        return OpenAIChatModel(model, provider=self._provider())

    def _agent(self, model: str, output):
        from pydantic_ai import Agent

        return Agent(self._chat(model), output_type=output, retries=0)

    def _request(self, model: str, asked: Asked) -> dict:
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.tools import Tool

        tools = [Tool(tool).tool_def for tool in asked.tools]
        return {
            "model": self._chat(model),
            "messages": _requests(asked),
            "model_settings": {"tool_choice": "required"} if asked.choice == "any" else None,
            "model_request_parameters": ModelRequestParameters(function_tools=tools),
        }


def _requests(asked: Asked) -> list:
    from pydantic_ai.messages import ModelRequest, ToolReturnPart, UserPromptPart

    messages = []
    for turn in asked.turns:
        match turn:
            case str():
                messages.append(ModelRequest([UserPromptPart(turn)]))
            case (answer, results):
                calls = answer.native.tool_calls
                returns = [
                    ToolReturnPart(call.tool_name, result, call.tool_call_id)
                    for call, result in zip(calls, results, strict=True)
                ]
                messages += [answer.native, ModelRequest(returns)]
            case answer:
                messages.append(answer.native)
    return messages


def _replied(response, pieces: int = 1) -> Said:
    calls = [(call.tool_name, call.args_as_dict()) for call in response.tool_calls]
    usage = response.usage
    tokens = (usage.input_tokens, usage.output_tokens)
    return Said(response.text or "", calls, tokens, pieces, response)


def _is_text(event) -> bool:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    match event:
        case PartStartEvent(part=TextPart(content=text)):
            return bool(text)
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return bool(text)
    return False


class LlamaIndex(Library):
    marks = (pytest.mark.older_openai,)
    name = "llama-index"
    label = "`llama-index-llms-openai-like`"

    def ask(self, model, asked):
        return _answered(self._call(model, asked, "chat"))

    def stream(self, model, asked):
        return _ended(list(self._call(model, asked, "stream_chat")))

    async def ask_later(self, model, asked):
        return _answered(await self._call(model, asked, "achat"))

    async def stream_later(self, model, asked):
        stream = await self._call(model, asked, "astream_chat")
        return _ended([one async for one in stream])

    def structured(self, model, text, form):
        from llama_index.core.prompts import PromptTemplate

        return self._chat(model, True).structured_predict(form, PromptTemplate(text))

    def structured_stream(self, model, text, form):
        from llama_index.core.prompts import PromptTemplate

        seen = list(self._chat(model, True).stream_structured_predict(form, PromptTemplate(text)))
        return seen[-1], len(seen) - 1

    def structured_by_tool(self, model, text, form):
        from llama_index.core.program.function_program import get_function_tool

        tool = get_function_tool(form)
        answer = self._chat(model).chat_with_tools([tool], user_msg=text, tool_required=True)
        [call] = self._chat(model).get_tool_calls_from_response(answer)
        return form.model_validate(call.tool_kwargs)

    def _chat(self, model: str, forms: bool = False):
        from llama_index.llms.openai_like import OpenAILike

        return OpenAILike(
            model=model, api_base=f"{self.url}/v1", api_key="unused", max_retries=0,
            is_chat_model=True, is_function_calling_model=True,
            should_use_structured_outputs=forms,
        )

    def _call(self, model: str, asked: Asked, kind: str):
        from llama_index.core.tools import FunctionTool

        chat, messages = self._chat(model), _history(asked)
        more = STREAM["stream_options"] if "stream" in kind else None
        more = {"stream_options": more} if more else {}
        if not asked.tools:
            return getattr(chat, kind)(messages, **more)
        tools = [FunctionTool.from_defaults(tool) for tool in asked.tools]
        return getattr(chat, f"{kind}_with_tools")(
            tools, chat_history=messages, tool_required=asked.choice == "any",
            allow_parallel_tool_calls=True, **more,
        )


def _history(asked: Asked) -> list:
    from llama_index.core.llms import ChatMessage

    messages = []
    for turn in asked.turns:
        match turn:
            case str():
                messages.append(ChatMessage(role="user", content=turn))
            case (answer, results):
                messages.append(answer.native)
                calls = _calls(answer.native)
                messages += [
                    ChatMessage(
                        role="tool", content=result,
                        additional_kwargs={"tool_call_id": call.tool_call_id},
                    )
                    for call, result in zip(calls, results, strict=True)
                ]
            case answer:
                messages.append(answer.native)
    return messages


def _calls(message) -> list:
    from llama_index.core.base.llms.types import ToolCallBlock

    return [block for block in message.blocks if isinstance(block, ToolCallBlock)]


def _answered(response, pieces: int = 1, usage=None) -> Said:
    calls = []
    for call in _calls(response.message):
        arguments = call.tool_kwargs
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        calls.append((call.tool_name, arguments))
    usage = usage or response.raw.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return Said(response.message.content or "", calls, tokens, pieces, response.message)


def _ended(responses: list) -> Said:
    usage = next(one.raw.usage for one in reversed(responses) if one.raw and one.raw.usage)
    return _answered(responses[-1], sum(1 for one in responses if one.delta), usage)
