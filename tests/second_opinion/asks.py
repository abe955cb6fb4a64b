"""Chat requests in OpenAI's form, as many as are wanted: the same ones for the same seed.

Each is a conversation with a few of the members that clients send. What a vendor would refuse is
left out; what two translators may well read in two ways is what this is for.
"""

import base64
import json
import random

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 24).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"\0" * 24).decode()
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
WORDS = ["river", "level", "gate", "flood", "mill", "bank", "lock", "otter"]

SCHEMAS = {
    "plain": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
    "empty": {"type": "object", "properties": {}},
    "bare": {"type": "object"},
    "closed": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Where."}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "nullable": {
        "type": "object",
        "properties": {"unit": {"type": ["string", "null"], "enum": ["c", "f", None]}},
    },
    "choice": {
        "type": "object",
        "properties": {"at": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "required": ["at"],
    },
    "shared": {
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/place"}, "to": {"$ref": "#/$defs/place"}},
        "$defs": {"place": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "bounds": {
        "type": "object",
        "properties": {
            "depth": {"type": "number", "minimum": 0, "maximum": 10, "default": 1.5},
            "marks": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
        },
    },
    "map": {
        "type": "object",
        "properties": {"levels": {"type": "object", "additionalProperties": {"type": "number"}}},
    },
}
NAMES = ["get_weather", "river_level", "open_gate", "list.stations", "x" * 70]
EFFORTS = ["none", "minimal", "low", "medium", "high"]


class Maker:
    """One request in the making."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.calls = 0

    def few(self, chance: float) -> bool:
        return self.random.random() < chance

    def words(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 5)))

    def make(self) -> dict:
        tools = self.tools() if self.few(0.5) else []
        body = {"messages": self.conversation(tools)}
        if tools:
            body["tools"] = tools
            if self.few(0.5):
                body["tool_choice"] = self.choice(tools)
            if self.few(0.3):
                body["parallel_tool_calls"] = self.few(0.5)
        for member, value in self.options(bool(tools)).items():
            body[member] = value
        return body

    # --- Messages ---------------------------------------------------------------------------------

    def conversation(self, tools: list) -> list[dict]:
        messages = [self.instruction() for _ in range(self.random.choice([0, 0, 1, 1, 2]))]
        for _ in range(self.random.choice([0, 0, 1, 2])):
            messages.append(self.user())
            if tools and self.few(0.6):
                messages += self.called(tools)
                if self.few(0.3):
                    continue
            messages.append(self.assistant())
            if self.few(0.15):
                messages.append(self.instruction())
        if tools and self.few(0.4):
            messages += [self.user(), *self.called(tools)]
        else:
            messages.append(self.user())
        if self.few(0.1):
            messages.append(self.user())
        return messages

    def instruction(self) -> dict:
        role = self.random.choice(["system", "system", "developer"])
        if self.few(0.3):
            return {"role": role, "content": [self.text(0.4)]}
        return {"role": role, "content": self.words()}

    def text(self, marked: float = 0.1) -> dict:
        part = {"type": "text", "text": self.words()}
        if self.few(marked):
            part["cache_control"] = {"type": "ephemeral"}
        return part

    def user(self) -> dict:
        message = {"role": "user", "content": self.words()}
        if self.few(0.4):
            message["content"] = [self.text(), *self.attached()]
        if self.few(0.1):
            message["name"] = "ada"
        return message

    def attached(self) -> list[dict]:
        kinds = [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "image_url", "image_url": {
                "url": f"data:image/jpeg;base64,{JPEG}", "detail": "low",
            }},
            {"type": "image_url", "image_url": {"url": "https://example.com/river.png"}},
            {"type": "file", "file": {
                "filename": "levels.pdf", "file_data": f"data:application/pdf;base64,{PDF}",
            }},
            self.text(),
        ]
        return self.random.sample(kinds, k=self.random.choice([0, 1, 1, 2]))

    def assistant(self) -> dict:
        if self.few(0.2):
            return {"role": "assistant", "content": [self.text(0), self.text(0)]}
        return {"role": "assistant", "content": self.words(), **self.thought(0.2)}

    def thought(self, chance: float) -> dict:
        """What was thought before, in LiteLLM's words: OpenAI has none for it."""
        if not self.few(chance):
            return {}
        signature = base64.b64encode(self.words().encode()).decode()
        block = {"type": "thinking", "thinking": self.words(), "signature": signature}
        return {"thinking_blocks": [block]}

    def called(self, tools: list) -> list[dict]:
        """An assistant turn with calls, and their results."""
        calls = [self.call(self.random.choice(tools)) for _ in range(self.random.choice([1, 1, 2]))]
        says = self.random.choice([None, None, "", self.words()])
        turn = {"role": "assistant", "content": says, "tool_calls": calls, **self.thought(0.2)}
        return [turn, *(self.result(call) for call in calls)]

    def call(self, tool: dict) -> dict:
        self.calls += 1
        function = tool["function"]
        if function.get("parameters", {}).get("required"):
            arguments = json.dumps({"city": self.words(), "at": 3})
        else:
            arguments = self.random.choice(["{}", "{}", ""])
        called = {"name": function["name"], "arguments": arguments}
        return {"id": f"call_{self.calls}", "type": "function", "function": called}

    def result(self, call: dict) -> dict:
        said = self.random.choice([
            self.words(), json.dumps({"level": 2.5, "rising": True}), "[1, 2]", "",
            [{"type": "text", "text": self.words()}],
            [{"type": "text", "text": self.words()}, {"type": "text", "text": self.words()}],
        ])
        return {"role": "tool", "tool_call_id": call["id"], "content": said}

    # --- Members ----------------------------------------------------------------------------------

    def tools(self) -> list[dict]:
        names = self.random.sample(NAMES, k=self.random.randint(1, 3))
        return [self.tool(name) for name in names]

    def tool(self, name: str) -> dict:
        function = {"name": name}
        if self.few(0.8):
            function["description"] = self.words()
        if self.few(0.95):
            function["parameters"] = SCHEMAS[self.random.choice(list(SCHEMAS))]
        if self.few(0.15):
            function["strict"] = True
        tool = {"type": "function", "function": function}
        if self.few(0.08):
            tool["cache_control"] = {"type": "ephemeral"}
        return tool

    def choice(self, tools: list):
        name = self.random.choice(tools)["function"]["name"]
        named = {"type": "function", "function": {"name": name}}
        return self.random.choice(["auto", "none", "required", named])

    def options(self, with_tools: bool) -> dict:
        pick = self.random.choice
        candidates = {
            "temperature": lambda: pick([0, 0.3, 1, 1.0, 1.7]),
            "top_p": lambda: pick([0.1, 0.9, 1]),
            "max_tokens": lambda: pick([1, 64, 4096]),
            "max_completion_tokens": lambda: pick([1, 64, 4096]),
            "stop": lambda: pick(["END", ["END"], ["END", "\n\n"], ["a", "b", "c", "d"]]),
            "seed": lambda: pick([0, 7, 1234567]),
            "n": lambda: pick([1, 2]),
            "presence_penalty": lambda: pick([0, 0.5, -1]),
            "frequency_penalty": lambda: pick([0, 0.5, -1]),
            "logprobs": lambda: True,
            "user": lambda: "ada-7",
            "metadata": lambda: {"team": "hydrology"},
            "reasoning_effort": lambda: pick(EFFORTS),
            "response_format": self.form,
        }
        likely = self.random.sample(list(candidates), k=pick([0, 1, 2, 3, 4]))
        made = {name: candidates[name]() for name in likely}
        if "max_completion_tokens" in made:
            made.pop("max_tokens", None)
        if "logprobs" in made and self.few(0.5):
            made["top_logprobs"] = pick([1, 5])
        return made

    def form(self) -> dict:
        schema = SCHEMAS[self.random.choice(["plain", "closed", "nullable", "choice", "shared"])]
        described = {"name": "answer", "schema": schema}
        if self.few(0.5):
            described["strict"] = True
        return self.random.choice([
            {"type": "text"}, {"type": "json_object"},
            {"type": "json_schema", "json_schema": described},
            {"type": "json_schema", "json_schema": described},
        ])


def asks(count: int) -> list[dict]:
    return [Maker(seed).make() for seed in range(count)]
