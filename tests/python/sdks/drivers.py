"""All drivers, in the order of the compatibility page."""

from .anthropic_messages import AnthropicMessages
from .bedrock_runtime import BedrockRuntime
from .cohere_v2 import CohereV2
from .google_genai import GoogleGenAi
from .mistral import MistralAi
from .openai_chat import OpenAiChat
from .openai_responses import OpenAiResponses
from .talk import Driver

DRIVERS: list[type[Driver]] = [
    OpenAiChat,
    OpenAiResponses,
    AnthropicMessages,
    GoogleGenAi,
    BedrockRuntime,
    CohereV2,
    MistralAi,
]
NAMES = [driver.name for driver in DRIVERS]
