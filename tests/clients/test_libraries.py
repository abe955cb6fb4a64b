"""Every library on every provider, as an application uses it."""

import asyncio

import pytest
from libraries import Asked
from pydantic import BaseModel, Field
from seat import Seat, scenario


def get_weather(city: str, days: int) -> str:
    """The weather in a city."""


def river_level() -> str:
    """The river's level here."""


class Answer(BaseModel):
    """The weather of a place."""

    city: str = Field(description="Which city.")
    days: int
    notes: list[str]


# What the simulated provider makes of it.
FORMED = Answer(city="sample city", days=7, notes=["sample notes"])

SUNNY = ("get_weather", {"city": "sample city", "days": 7})
TOOLS = [get_weather, river_level]


@scenario("chat")
def test_chat(seat: Seat):
    said = seat.library.ask(seat.model, Asked(["Hello, Weir!"]))
    assert "Hello, Weir!" in said.text and not said.calls
    assert all(count > 0 for count in said.tokens)


@scenario("stream")
def test_stream(seat: Seat):
    said = seat.library.stream(seat.model, Asked(["Hello, Weir! How are you today?"]))
    whole = seat.library.ask(seat.model, Asked(["Hello, Weir! How are you today?"]))
    assert said.text == whole.text and said.pieces > 1
    assert said.tokens == whole.tokens


@scenario("tool round trip")
def test_tool_round_trip(seat: Seat):
    asked = Asked(["call get_weather"], TOOLS)
    said = seat.library.ask(seat.model, asked)
    assert said.calls == [SUNNY]
    last = seat.library.ask(
        seat.model, Asked([*asked.turns, (said, ["rain, 12 degrees"])], TOOLS)
    )
    assert last.text and not last.calls
    assert "rain, 12 degrees" in seat.sent()["body"]


@scenario("tool round trip, streamed")
def test_tool_round_trip_streamed(seat: Seat):
    asked = Asked(["call get_weather and river_level"], TOOLS)
    said = seat.library.stream(seat.model, asked)
    assert said.calls == [SUNNY, ("river_level", {})]
    turns = [*asked.turns, (said, ["rain, 12 degrees", "two metres"])]
    last = seat.library.stream(seat.model, Asked(turns, TOOLS))
    assert last.text and not last.calls
    again = seat.library.stream(seat.model, Asked([*turns, last, "call river_level"], TOOLS))
    assert again.calls == [("river_level", {})]


@scenario("forced tool")
def test_forced_tool(seat: Seat):
    said = seat.library.ask(seat.model, Asked(["Hello, Weir!"], TOOLS, choice="any"))
    assert said.calls == [SUNNY]


@scenario("structured output")
def test_structured_output(seat: Seat):
    """By a schema that the provider is told in its own words, made an object of the application's
    class."""
    answer = seat.library.structured(seat.model, "How is it there?", Answer)
    assert answer == FORMED
    body = seat.sent()["body"]
    assert "Which city." in body and '"tools"' not in body and "toolConfig" not in body


@scenario("structured output, streamed")
def test_structured_output_streamed(seat: Seat):
    """The object grows, if the library shows it before it is whole."""
    answer, before = seat.library.structured_stream(seat.model, "How is it there?", Answer)
    assert answer == FORMED and before >= 0
    sent = seat.sent()
    is_streamed = '"stream":true' in sent["body"].replace(" ", "") or "stream" in sent["path"]
    assert "Which city." in sent["body"] and is_streamed


@scenario("structured output by a tool")
def test_structured_output_by_a_tool(seat: Seat):
    answer = seat.library.structured_by_tool(seat.model, "call Answer", Answer)
    # Of lists one of the libraries does not say what is in them.
    assert (answer.city, answer.days) == (FORMED.city, FORMED.days)
    body = seat.sent()["body"]
    assert '"tools"' in body or "toolConfig" in body


@pytest.fixture(scope="module")
def runner():
    """One loop for all: the libraries keep their connections, which belong to a loop."""
    with asyncio.Runner() as runner:
        yield runner


@scenario("async")
def test_async(seat: Seat, runner):
    async def both():
        asked = Asked(["call get_weather"], TOOLS)
        return await asyncio.gather(
            seat.library.ask_later(seat.model, asked),
            seat.library.stream_later(seat.model, asked),
            seat.library.stream_later(seat.model, Asked(["Hello, Weir!"])),
        )

    whole, streamed, words = runner.run(both())
    assert whole.calls == streamed.calls == [SUNNY]
    assert "Hello, Weir!" in words.text


@scenario("batch")
def test_batch(seat: Seat):
    texts = [f"Question {number}?" for number in range(8)]
    answers = seat.library.batch(seat.model, texts)
    assert all(text in answer for text, answer in zip(texts, answers, strict=True))


@scenario("embeddings")
def test_embeddings(seat: Seat):
    vectors = seat.library.embed(seat.provider.model("embedder"), ["a river", "a mill"])
    assert len(vectors) == 2 and vectors[0] != vectors[1]
    assert all(abs(sum(value * value for value in vector) - 1) < 0.01 for vector in vectors)
