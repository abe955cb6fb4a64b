"""What scenarios say to an SDK and hear from it, in no SDK's words."""

import json
from dataclasses import dataclass, field
from typing import Any, Iterator

from . import samples


class Absent(Exception):
    """The SDK itself has no way to say this; nothing was sent."""


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    # JSON Schema of an object; without properties for a tool without arguments.
    schema: dict


@dataclass
class Call:
    id: str | None
    name: str
    arguments: dict


@dataclass
class Reply:
    """An answer. `native` is the turn as the SDK wants it back."""

    text: str = ""
    thoughts: str = ""
    calls: list[Call] = field(default_factory=list)
    # In the format's own word.
    stop: str | None = None
    tokens: tuple[int, int] | None = None
    native: Any = None
    # How many pieces of text a stream came in.
    pieces: int = 0


@dataclass
class User:
    text: str
    images: list[bytes] = field(default_factory=list)
    documents: list[samples.Document] = field(default_factory=list)


@dataclass
class Results:
    """What the tools of a reply gave, in the order of the calls."""

    calls: list[Call]
    texts: list[str]

    def pairs(self) -> Iterator[tuple[Call, str]]:
        return zip(self.calls, self.texts, strict=True)


# An assistant's turn is a text, or the reply of an earlier question.
Turn = User | str | Reply | Results


@dataclass
class Ask:
    """A question with its history."""

    turns: list[Turn]
    system: str | None = None
    tools: list[Tool] = field(default_factory=list)
    # `any`, `none`, or a tool's name; `None`: the model chooses.
    choice: str | None = None
    stop: list[str] = field(default_factory=list)
    schema: dict | None = None
    thinks: bool = False


def ask(text: str, **more) -> Ask:
    return Ask([User(text)], **more)


class Driver:
    """An SDK. Verbs that it does not have stay as they are here."""

    name: str
    # How it is called for people, and the format that it speaks.
    label: str
    # What it raises for an HTTP status.
    exceptions: dict[int, type[Exception]]
    # What it raises when a stream ends with an error.
    broken: tuple[type[Exception], ...]
    # What it raises when it cannot read an answer.
    unreadable: tuple[type[Exception], ...] = ()
    # Whether its format has thoughts in answers.
    shows_thoughts = True
    # Whether its streams tell the tokens.
    counts_streams = True

    def ask(self, model: str, ask: Ask) -> Reply:
        raise NotImplementedError

    def stream(self, model: str, ask: Ask) -> Reply:
        """Asks with a stream and puts the pieces together."""
        raise NotImplementedError

    def count(self, model: str, ask: Ask) -> int:
        raise Absent("it has no call that counts tokens")

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        raise Absent("it has no call for embeddings")

    def models(self, provider: str) -> list[str]:
        raise Absent("it has no call that lists models")

    def status(self, error: Exception) -> int | None:
        """The HTTP status that an exception tells."""
        return getattr(error, "status_code", None)

    def close(self) -> None:
        pass


def arguments(text: str | None) -> dict:
    """Arguments of a call; every SDK's user parses them like this."""
    return json.loads(text or "{}")
