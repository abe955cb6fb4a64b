"""Every SDK on every provider: images, documents, and answers in a given form."""

import base64
import json

from sdks.matrix import Seat, scenario
from sdks.samples import CITY, PLAN, PNG, encoded
from sdks.talk import Ask, User, ask


def url_safe(data: bytes) -> str:
    """As Google's SDK writes it."""
    return base64.urlsafe_b64encode(data).decode()


@scenario("image")
def test_image(seat: Seat):
    asked = Ask([User("What is this?", images=[PNG])])
    reply = seat.driver.ask(seat.family.model("seer"), asked)
    assert reply.text.endswith("You said: What is this?")
    assert encoded(PNG) in seat.sent()["body"]


@scenario("document")
def test_document(seat: Seat):
    asked = Ask([User("What does it say?", documents=[PLAN])])
    reply = seat.driver.ask(seat.family.model("seer"), asked)
    assert reply.text
    body = seat.sent()["body"]
    assert encoded(PLAN.pdf) in body or url_safe(PLAN.pdf) in body or PLAN.text in body


@scenario("structured output")
def test_structured_output(seat: Seat):
    """The provider is told the schema in its own words, not in a prompt and not as a tool, and its
    answer is of that form."""
    reply = seat.driver.ask(seat.family.model("chat"), ask("Munich", schema=CITY))
    assert json.loads(reply.text) == {"city": "sample city", "population": 7}
    assert not reply.calls
    body = seat.sent()["body"]
    assert "population" in body and "additionalProperties" in body
    assert '"tools"' not in body and "toolConfig" not in body
