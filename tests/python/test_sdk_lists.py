"""Every SDK on every provider: what is neither an answer nor a stream."""

import pytest
from sdks.matrix import Seat, scenario
from sdks.talk import ask


@scenario("token counting")
def test_token_counting(seat: Seat):
    model = seat.family.model("chat")
    few = seat.driver.count(model, ask("Hello, Weir!"))
    many = seat.driver.count(model, ask("Hello, Weir!" * 50))
    assert 0 < few < many


@scenario("embeddings")
def test_embeddings(seat: Seat):
    first, second = seat.driver.embed(seat.family.model("embedder"), ["weir", "sluice"])
    assert len(first) == len(second) > 10
    assert sum(number * number for number in first) == pytest.approx(1, abs=1e-3)
    assert first != second


@scenario("list of models")
def test_list_of_models(seat: Seat):
    listed = seat.driver.models(seat.family.provider)
    assert listed
    assert all(name.startswith(f"{seat.family.provider}/") for name in listed)
