"""Writes docs/compatibility.md: which SDK does what on which provider.

    python compatibility.py

The tests are the source. A cell is full if a test runs that combination, and empty if the table of
`sdks/table.py` lists it; the tests see to it that a full one works and an empty one is refused.
"""

import importlib
from pathlib import Path

from sdks import matrix, table
from sdks.drivers import DRIVERS
from sdks.families import FAMILIES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
HERE = Path(__file__).resolve().parent

# The table stands between these; the rest of the page is written by hand.
BEGIN = "<!-- tests/python/compatibility.py writes from here ... -->"
END = "<!-- ... to here -->"

HEAD = """# Compatibility

What the official Python SDKs do through Weir, per provider. Every cell is a test
(`tests/python/test_sdk_*.py`) against the [simulated provider](simulator.md); Groq, vLLM,
Databricks, and Bedrock Mantle and Vertex where they speak OpenAI's format, are simulated by
OpenAI's rules. Other hosts of that format are as Groq, or, with Messages or Responses of their own,
as vLLM. The versions are those of `tests/python/requirements.txt`. What a cell without a "yes"
stands for is tried as well, and refused with the reason below the table.
"""


def scenarios() -> list[str]:
    """All of them, in the order of their modules."""
    for path in sorted(HERE.glob("test_sdk_*.py")):
        importlib.import_module(path.stem)
    return list(dict.fromkeys(sorted(matrix.SCENARIOS, key=_place)))


# Modules in the order in which people read.
MODULES = ("words", "tools", "content", "thinking", "errors", "lists")


def _place(name: str) -> int:
    module = matrix.MODULES[name].removeprefix("test_sdk_")
    return MODULES.index(module)


def tables() -> str:
    """One table per SDK; numbers in its cells refer to the reasons below it."""
    parts = []
    for driver in DRIVERS:
        reasons: list[str] = []
        heads = " | ".join(family.label for family in FAMILIES)
        lines = [f"## {driver.label}", "", f"| | {heads} |", "|---|" + ":-:|" * len(FAMILIES)]
        for scenario in scenarios():
            cells = [_cell(driver.name, family.name, scenario, reasons) for family in FAMILIES]
            lines.append(f"| {scenario} | {' | '.join(cells)} |")
        notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
        more = ["", *notes] if notes else []
        parts.append("\n".join([*lines, *more]))
    return "\n\n".join(parts)


def _cell(sdk: str, family: str, scenario: str, reasons: list[str]) -> str:
    why = table.reason(sdk, family, scenario)
    note = why or table.remark(sdk, family, scenario)
    if note is None:
        return "yes"
    if note not in reasons:
        reasons.append(note)
    number = f"({reasons.index(note) + 1})"
    return number if why else f"yes {number}"


def page(old: str) -> str:
    """The page with the tables as they are now; what else stands in `old` stays."""
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head or HEAD + chr(10)}{BEGIN}\n\n{tables()}\n\n{END}{tail or chr(10)}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text() if PAGE.exists() else ""))
