"""docs/compatibility.md says what the tests do."""

import page
import seat
from libraries import NAMES, NOT
from providers import PROVIDERS


def test_the_page_is_up_to_date():
    """If it is not: `python tests/clients/page.py`."""
    text = page.PAGE.read_text()
    assert text == page.page(text)


def test_every_reason_is_about_something_that_exists():
    for library, provider, scenario in NOT:
        assert library in ("*", *NAMES), library
        assert provider in ("*", *(one.name for one in PROVIDERS)), provider
        assert scenario in seat.SCENARIOS, scenario
