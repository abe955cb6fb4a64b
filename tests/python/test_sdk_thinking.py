"""Every SDK on every provider: thoughts, over two turns with tools.

The simulator refuses thoughts that it did not sign, and the turns of models that must give their
thoughts back and do not: a lost or changed signature fails here.
"""

from sdks.matrix import Seat, scenario
from sdks.talk import Ask, Results, User, ask
from test_sdk_tools import TIME, WEATHER, only


def converse(seat: Seat, answer) -> None:
    model = seat.family.model("thinker")
    tools = [WEATHER, TIME]
    first = answer(model, ask("call get_weather", tools=tools, thinks=True))
    assert only(first).name == "get_weather"
    turns = [User("call get_weather"), first, Results(first.calls, ["rain"])]
    second = answer(model, Ask(turns, tools=tools, thinks=True))
    assert second.text and not second.calls
    third = answer(
        model, Ask([*turns, second, User("call get_time")], tools=tools, thinks=True)
    )
    assert only(third).name == "get_time"
    if seat.family.shows_thoughts and seat.driver.shows_thoughts:
        assert first.thoughts and third.thoughts


@scenario("thinking")
def test_thinking(seat: Seat):
    converse(seat, seat.driver.ask)


@scenario("thinking, streamed")
def test_thinking_streamed(seat: Seat):
    converse(seat, seat.driver.stream)
