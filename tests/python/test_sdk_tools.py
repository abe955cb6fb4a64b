"""Every SDK on every provider: tools."""

from sdks.families import BY_NAME
from sdks.matrix import Seat, scenario
from sdks.talk import Ask, Call, Reply, Results, Tool, User, ask

WEATHER = Tool(
    "get_weather",
    "The weather in a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
TIME = Tool(
    "get_time",
    "The time in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
# It takes no arguments.
LEVEL = Tool("river_level", "The river's level here.", {"type": "object", "properties": {}})

SUNNY = {"city": "sample city", "days": 7}
# How each format says that the answer is a call.
CALLED = {"tool_calls", "completed", "tool_use", "STOP", "TOOL_CALL"}


def only(reply: Reply) -> Call:
    (call,) = reply.calls
    return call


@scenario("one tool")
def test_one_tool(seat: Seat):
    asked = ask("call get_weather", tools=[WEATHER, TIME])
    reply = seat.driver.ask(seat.family.model("chat"), asked)
    assert (only(reply).name, only(reply).arguments) == ("get_weather", SUNNY)
    assert reply.stop in CALLED


@scenario("one tool, streamed")
def test_one_tool_streamed(seat: Seat):
    asked = ask("call get_weather", tools=[WEATHER, TIME])
    reply = seat.driver.stream(seat.family.model("chat"), asked)
    assert (only(reply).name, only(reply).arguments) == ("get_weather", SUNNY)
    assert reply.stop in CALLED


@scenario("parallel tools")
def test_parallel_tools(seat: Seat):
    asked = ask("call get_weather and get_time", tools=[WEATHER, TIME])
    model = seat.family.model("chat")
    for reply in (seat.driver.ask(model, asked), seat.driver.stream(model, asked)):
        called = [(call.name, call.arguments) for call in reply.calls]
        assert called == [("get_weather", SUNNY), ("get_time", {"city": "sample city"})]
        ids = {call.id for call in reply.calls}
        assert len(ids) == 2 or ids == {None}
        turns = [*asked.turns, reply, Results(reply.calls, ["rain, 12 degrees", "noon"])]
        answer = seat.driver.ask(model, Ask(turns, tools=asked.tools))
        assert answer.text and not answer.calls
        body = seat.sent()["body"]
        assert 0 < body.index("rain, 12 degrees") < body.index("noon")


@scenario("zero-argument tool")
def test_zero_argument_tool(seat: Seat):
    asked = ask("call river_level", tools=[LEVEL])
    model = seat.family.model("chat")
    for reply in (seat.driver.ask(model, asked), seat.driver.stream(model, asked)):
        assert (only(reply).name, only(reply).arguments) == ("river_level", {})
        turns = [*asked.turns, reply, Results(reply.calls, ["two metres"])]
        answer = seat.driver.ask(model, Ask(turns, tools=asked.tools))
        assert answer.text and not answer.calls


@scenario("tool round trip")
def test_tool_round_trip(seat: Seat):
    """Whole and streamed: the reply as the SDK has it, given back with the tool's result."""
    model = seat.family.model("chat")
    asked = ask("call get_weather", tools=[WEATHER, TIME])
    for answer in (seat.driver.ask, seat.driver.stream):
        reply = answer(model, asked)
        turns = [*asked.turns, reply, Results(reply.calls, ["rain, 12 degrees"])]
        last = answer(model, Ask(turns, tools=asked.tools))
        assert last.text and not last.calls
        assert "rain, 12 degrees" in seat.sent()["body"]
        again = answer(model, Ask([*turns, last, User("call get_time")], tools=asked.tools))
        assert only(again).name == "get_time"


@scenario("tool called elsewhere")
def test_a_tool_that_another_provider_called(seat: Seat):
    """What a fallback, or a change of the model in a conversation, makes of a history."""
    other = "gemini" if seat.family.name == "anthropic" else "anthropic"
    asked = ask("call get_weather", tools=[WEATHER, TIME])
    reply = seat.driver.ask(BY_NAME[other].model("chat"), asked)
    turns = [*asked.turns, reply, Results([only(reply)], ["rain, 12 degrees"])]
    last = seat.driver.ask(seat.family.model("chat"), Ask(turns, tools=asked.tools))
    assert last.text and not last.calls
    assert "rain, 12 degrees" in seat.sent()["body"]


@scenario("forced tool")
def test_forced_tool(seat: Seat):
    asked = ask("Hello, Weir!", tools=[WEATHER, TIME], choice="any")
    assert only(seat.driver.ask(seat.family.model("chat"), asked)).name == "get_weather"


@scenario("named tool")
def test_named_tool(seat: Seat):
    asked = ask("Hello, Weir!", tools=[WEATHER, TIME], choice="get_time")
    assert only(seat.driver.ask(seat.family.model("chat"), asked)).name == "get_time"


@scenario("forbidden tool")
def test_forbidden_tool(seat: Seat):
    asked = ask("call get_weather", tools=[WEATHER, TIME], choice="none")
    reply = seat.driver.ask(seat.family.model("chat"), asked)
    assert reply.text and not reply.calls
