"""Every SDK on the topologies that the full matrix leaves out: what crosses processes."""

import pytest
from sdks import table
from sdks.drivers import NAMES
from sdks.talk import Ask, Results, ask
from test_sdk_tools import WEATHER, only

pytestmark = [
    pytest.mark.topologies("all-in-one-redis", "processes", "processes-redis", "cluster"),
    pytest.mark.parametrize("family", ["openai", "bedrock"]),
    pytest.mark.parametrize("sdk", NAMES),
]


def test_chat_and_stream(seat):
    model = seat.family.model("chat")
    for reply in (seat.driver.ask(model, ask("hi")), seat.driver.stream(model, ask("hi"))):
        assert reply.text.endswith("You said: hi")


def test_a_tool_round_trip(seat):
    model = seat.family.model("chat")
    asked = ask("call get_weather", tools=[WEATHER])
    streams = table.reason(seat.driver.name, seat.family.name, "one tool, streamed") is None
    answer = seat.driver.stream if streams else seat.driver.ask
    reply = answer(model, asked)
    assert only(reply).name == "get_weather"
    turns = [*asked.turns, reply, Results(reply.calls, ["rain"])]
    assert seat.driver.ask(model, Ask(turns, tools=[WEATHER])).text
