"""A gateway with a provider and another one to fall back to, and what a caller sees of an answer."""

import contextlib
import itertools
import time
from dataclasses import dataclass, field

from . import http
from .config import Config

MODEL = "gpt-4o"
FALLBACK = "llama-3"
COMPLETE = {"x-weir-commit": "complete"}
# Longer than any limit that is tried, those of soak too.
PATIENCE_SECONDS = 90


@dataclass
class Seen:
    """One answer as its caller sees it, whole or streamed."""

    status: int
    headers: dict[str, str]
    took: float
    text: str = ""
    # All of it has come, and says so.
    complete: bool = False
    model: str = ""
    usage: dict | None = None
    errors: list[dict] = field(default_factory=list)

    @property
    def tries(self) -> str:
        return http.tries_of(self.headers)

    @property
    def provider(self) -> str:
        return self.headers.get("x-weir-provider", "")


@dataclass
class Pair:
    """`openai` with a fallback, `groq`."""

    gateway: object
    primary: object
    fallback: object
    # What the primary is asked for; what one model teaches says nothing of another.
    model: str = MODEL

    def __post_init__(self):
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def case(self, do: str, *what):
        """A fault of the primary, for a model of its own; afterwards a request succeeds."""
        self.primary.reset()
        self.fallback.reset()
        self.model = f"{MODEL}-{next(self._numbers)}"
        self.primary.rule(do, model=self.model)
        try:
            yield
            self.is_healthy()
        except BaseException as error:
            error.add_note(f"with {do!r} {what}")
            raise

    def ask(self, stream=False, headers=None, falls_back=True, **body) -> Seen:
        body = {"messages": [{"role": "user", "content": "hi"}], **body}
        body.setdefault("model", f"openai/{self.model}")
        if falls_back:
            body.setdefault("fallbacks", [f"groq/{FALLBACK}"])
        began = time.monotonic()
        url = f"{self.gateway.url}/v1/chat/completions"
        if not stream:
            answer = http.request("POST", url, body, headers, timeout=PATIENCE_SECONDS)
            return _whole(answer, time.monotonic() - began)
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        opened = http.stream(url, body, headers, timeout=PATIENCE_SECONDS)
        if opened.status != 200:
            answer = http.Answer(opened.status, opened.headers, opened.body())
            opened.close()
            return _whole(answer, time.monotonic() - began)
        events = opened.read()
        return _streamed(events, time.monotonic() - began)

    def well(self, seen: Seen, provider: str) -> None:
        """A complete answer of this provider, with the model and the cost that it reported."""
        assert (seen.status, seen.errors) == (200, []), seen
        assert seen.complete and seen.text.endswith("You said: hi"), seen
        assert seen.provider == provider
        assert seen.model == {"openai": self.model, "groq": FALLBACK}[provider], seen
        assert seen.usage and seen.usage["completion_tokens"] > 0, seen

    def calls(self) -> tuple[int, int]:
        """How often each provider was asked."""
        return len(self.primary.requests()), len(self.fallback.requests())

    def is_healthy(self) -> None:
        """After whatever was, a request succeeds, and nothing is left of those before."""
        self.primary.wait_in_flight(0, 3)
        self.fallback.wait_in_flight(0, 3)
        self.primary.reset()
        self.fallback.reset()
        for stream in (False, True):
            seen = self.ask(stream=stream)
            assert (seen.status, seen.complete, seen.errors) == (200, True, []), seen


def start(start_gateway, primary, fallback, keys=None, client=None, **network) -> Pair:
    """Two retries with short backoffs, unless `network` says otherwise."""
    usual = {"max_retries": 2, "retry_backoff_initial": 100, "retry_backoff_max": 5000}
    config = Config().provider("openai", primary.url, keys, **{**usual, **network})
    config.provider("groq", fallback.url)
    if client:
        config.client(**client)
    return Pair(start_gateway(config), primary, fallback)


def _whole(answer: http.Answer, took: float) -> Seen:
    seen = Seen(answer.status, answer.headers, took)
    document = answer.json()
    if answer.status != 200:
        seen.errors = [document.get("error", document)]
        return seen
    (choice,) = document["choices"]
    seen.text, seen.model = choice["message"]["content"], document["model"]
    seen.complete, seen.usage = choice["finish_reason"] == "stop", document.get("usage")
    return seen


def _streamed(events: http.Events, took: float) -> Seen:
    seen = Seen(events.status, events.headers, took, text=events.text, errors=events.errors)
    parsed = [event for event in events.parsed if "choices" in event]
    finishes = [c.get("finish_reason") for event in parsed for c in event["choices"]]
    seen.complete = events.done and "stop" in finishes and events.ended == "complete"
    seen.model = parsed[0]["model"] if parsed else ""
    seen.usage = next((event["usage"] for event in parsed if event.get("usage")), None)
    return seen
