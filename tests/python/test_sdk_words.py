"""Every SDK on every provider: words, whole and streamed."""

from sdks.matrix import Seat, scenario
from sdks.talk import Ask, User, ask

ECHO = "You said: Hello, Weir!"
# How each format says that the answer came to its natural end.
ENDED = {"stop", "completed", "end_turn", "STOP", "COMPLETE"}


@scenario("chat")
def test_chat(seat: Seat):
    reply = seat.driver.ask(seat.family.model("chat"), ask("Hello, Weir!"))
    assert reply.text.endswith(ECHO)
    assert reply.stop in ENDED
    assert all(tokens > 0 for tokens in reply.tokens)


@scenario("multi-turn")
def test_multi_turn(seat: Seat):
    model = seat.family.model("chat")
    first = seat.driver.ask(model, ask("The river is called Isar."))
    turns = [User("The river is called Isar."), first, User("Another question."), "An answer.",
             User("Hello, Weir!")]  # fmt: skip
    reply = seat.driver.ask(model, Ask(turns))
    assert reply.text.endswith(ECHO)
    body = seat.sent()["body"]
    said = ["The river is called Isar.", first.text, "Another question.", "An answer.",
            "Hello, Weir!"]  # fmt: skip
    place = 0
    for text in said:
        place = body.index(text, place) + len(text)


@scenario("system")
def test_system(seat: Seat):
    asked = ask("Hello, Weir!", system="Answer like a lock keeper.")
    assert seat.driver.ask(seat.family.model("chat"), asked).text.endswith(ECHO)
    assert "Answer like a lock keeper." in seat.sent()["body"]


@scenario("stream")
def test_stream(seat: Seat):
    reply = seat.driver.stream(seat.family.model("chat"), ask("Hello, Weir!"))
    assert reply.text.endswith(ECHO)
    assert reply.pieces > 2
    assert reply.stop in ENDED
    if seat.driver.counts_streams:
        assert all(tokens > 0 for tokens in reply.tokens)
    assert seat.sent()["outcome"] == "completed"


@scenario("long stop sequence")
def test_long_stop_sequence(seat: Seat):
    stop = "the end of the " + "very " * 20 + "long story"
    reply = seat.driver.ask(seat.family.model("chat"), ask("Hello, Weir!", stop=[stop]))
    assert reply.text.endswith(ECHO)
    assert stop in seat.sent()["body"]
