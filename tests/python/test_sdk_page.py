"""docs/compatibility.md says what the tests do."""

import compatibility
from sdks import table
from sdks.drivers import NAMES
from sdks.families import BY_NAME


def test_the_page_is_up_to_date():
    """If it is not: `python tests/python/compatibility.py`."""
    page = compatibility.PAGE.read_text()
    assert page == compatibility.page(page)


def test_every_reason_is_about_something_that_exists():
    scenarios = compatibility.scenarios()
    for sdk, family, scenario in table.NOT:
        assert sdk in ("*", *NAMES), sdk
        assert family in ("*", *BY_NAME), family
        assert scenario in scenarios, scenario
