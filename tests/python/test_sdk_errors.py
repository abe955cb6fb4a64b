"""Every SDK on every provider: failures are the exceptions that the SDK's users know."""

import pytest
from sdks.matrix import Seat, scenario
from sdks.talk import ask


def fails(seat: Seat, behaviour: str, status: int) -> None:
    with pytest.raises(seat.driver.exceptions[status]) as caught:
        seat.driver.ask(seat.fault(behaviour), ask("hi"))
    assert seat.driver.status(caught.value) == status


@scenario("error 400")
def test_bad_request(seat: Seat):
    fails(seat, "status=400", 400)


@scenario("error 401")
def test_refused_key(seat: Seat):
    """The gateway's key was refused, not the caller's: to the caller that is a 502."""
    fails(seat, "status=401", 502)


@scenario("error 404")
def test_not_found(seat: Seat):
    fails(seat, "status=404", 404)


@scenario("error 429")
def test_rate_limited(seat: Seat):
    fails(seat, "status=429", 429)


@scenario("error 500")
def test_server_error(seat: Seat):
    fails(seat, "status=500", 500)


@scenario("error in a stream")
def test_error_in_a_stream(seat: Seat):
    """After the first words: what came is not taken for a whole answer."""
    with pytest.raises(seat.driver.broken):
        seat.driver.stream(seat.fault("error=3"), ask("hi"))
    assert seat.asked()["stream"] is True
