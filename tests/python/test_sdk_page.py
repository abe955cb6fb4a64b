"""docs/compatibility.md says what the tests do."""

import itertools
import re

import compatibility
from sdks import table
from sdks.drivers import NAMES
from sdks.families import BY_NAME, FAMILIES


def test_the_page_is_up_to_date():
    """If it is not: `python tests/python/compatibility.py`."""
    page = compatibility.PAGE.read_text()
    assert page == compatibility.page(page)


def sdks_by_provider() -> dict[str, str]:
    """What the readme's table says of each provider: with which SDKs."""
    readme = (compatibility.PAGE.parents[1] / "README.md").read_text()
    table = readme.split("| provider | operations | SDKs | how it signs in |")[1]
    rows = itertools.takewhile(lambda line: line.startswith("|"), table.split("\n")[1:])
    cells = [row.strip("|").split(" | ") for row in list(rows)[1:]]
    return {
        name: said.strip()
        for providers, _, said, _ in cells
        for name in re.findall(r"`([^`]+)`", providers)
    }


def test_the_readme_says_with_which_sdks_a_provider_is_served():
    """All of them, as the columns in brackets say."""
    labels = {family.label: family for family in FAMILIES}
    own = {}
    for family in FAMILIES:
        own.setdefault(family.provider, []).append(family.label)
    for provider, said in sdks_by_provider().items():
        named = re.fullmatch(r"all(, without tools)? \((.+)\)", said)
        assert named, f"{provider}: {said}"
        columns = named.group(2).split(", ")
        assert columns == own.pop(provider, columns), provider
        for column, sdk in itertools.product(columns, NAMES):
            has = {
                scenario: table.reason(sdk, labels[column].name, scenario) is None
                for scenario in ("chat", "stream", "one tool", "one tool, streamed", "image")
            }
            assert has["chat"] and has["stream"], (column, sdk)
            full = len(set(has.values())) == 1
            assert full if named.group(1) is None else not has["one tool"], (column, sdk)
    assert not own, f"the readme does not have {own}"


def test_every_reason_is_about_something_that_exists():
    scenarios = compatibility.scenarios()
    for sdk, family, scenario in table.NOT:
        assert sdk in ("*", *NAMES), sdk
        assert family in ("*", *BY_NAME), family
        assert scenario in scenarios, scenario
