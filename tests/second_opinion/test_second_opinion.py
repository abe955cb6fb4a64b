"""LiteLLM's own transformations as a second opinion on ours: every difference has a reason."""

import collections
import functools

import page
import pytest
from asks import asks
from compare import ABSENT, Difference, differences
from listed import LISTED, Case
from opinions import TARGETS, ours, theirs

COUNT = 220
FORMATS = list(dict.fromkeys(target.format for target in TARGETS))


@functools.cache
def compared() -> dict[str, list[tuple[int, Case]]]:
    """Per format, every difference with the request's number; models take turns."""
    requests, found = asks(COUNT), collections.defaultdict(list)
    for format in FORMATS:
        models = [target for target in TARGETS if target.format == format]
        for turn, target in enumerate(models):
            mine = list(enumerate(requests))[turn::len(models)]
            said = ours(target, [request for _, request in mine])
            for (number, request), one in zip(mine, said):
                for difference in judged(target.format, one, theirs(target, request)):
                    found[format].append((number, Case(request, target.model, difference)))
    return found


def judged(format, one, other) -> list[Difference]:
    if one.body is None or other.body is None:
        if one.body is other.body:
            return []
        return [Difference("", one.refused or ABSENT, other.refused or ABSENT)]
    return differences(format, one.body, other.body)


def unexplained(format: str) -> list[str]:
    return [
        f"{number} for {case.model}: {case.found}"
        for number, case in compared()[format]
        if not any(entry.explains(format, case) for entry in LISTED)
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_every_difference_has_a_reason(format):
    found = unexplained(format)
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:40])


def test_every_entry_of_the_list_is_needed():
    unneeded = [
        (format, entry.weir)
        for entry in LISTED
        for format in entry.formats
        if not any(entry.explains(format, case) for _, case in compared()[format])
    ]
    assert not unneeded


def test_both_have_an_opinion_on_most_requests():
    """Were all refused, there would be nothing to differ about."""
    requests = asks(COUNT)
    assert len({str(request) for request in requests}) >= 200
    for format in FORMATS:
        refused = {number for number, case in compared()[format] if case.found.path == ""}
        assert len(refused) < COUNT / 4, format


def test_the_page_lists_them():
    """If it does not: `python tests/second_opinion/page.py`."""
    text = page.PAGE.read_text()
    assert text == page.page(text)
