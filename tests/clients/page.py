"""Writes the part of docs/compatibility.md about the libraries.

    python page.py
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))

import seat  # noqa: E402
from libraries import LIBRARIES  # noqa: E402
from providers import PROVIDERS  # noqa: E402

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN = "<!-- tests/clients/page.py writes from here ... -->"
END = "<!-- ... to here: libraries -->"


def table() -> str:
    """A row per library, with what it does on every provider, and the exceptions below."""
    import test_libraries  # noqa: F401 (it fills the list of scenarios)

    reasons: list[str] = []
    heads = " | ".join(seat.SCENARIOS)
    lines = [f"| | {heads} |", "|---|" + ":-:|" * len(seat.SCENARIOS)]
    for library in LIBRARIES:
        cells = [_cell(library.name, scenario, reasons) for scenario in seat.SCENARIOS]
        lines.append(f"| {library.label} | {' | '.join(cells)} |")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", *notes]).rstrip()


def _cell(library: str, scenario: str, reasons: list[str]) -> str:
    lacking: dict[str, list[str]] = {}
    for provider in PROVIDERS:
        why = seat.reason(library, provider.name, scenario)
        if why:
            lacking.setdefault(why, []).append(provider.label)
    marks = []
    for why, providers in lacking.items():
        whole = len(providers) == len(PROVIDERS)
        text = why if whole else f"not with {', '.join(providers)}: {why}"
        if text not in reasons:
            reasons.append(text)
        marks.append(f"({reasons.index(text) + 1})")
    is_none = sum(map(len, lacking.values())) == len(PROVIDERS)
    return " ".join([*([] if is_none else ["yes"]), *marks])


def page(old: str) -> str:
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    assert tail, f"{PAGE} has no place for the table"
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
