"""Writes the part of docs/compatibility.md that says where Weir and LiteLLM differ.

    python page.py
"""

from pathlib import Path

from listed import LISTED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN = "<!-- tests/second_opinion/page.py writes from here ... -->"
END = "<!-- ... to here: second opinion -->"

NAMES = {
    "anthropic_messages": "Anthropic", "gemini_generate": "Gemini",
    "bedrock_converse": "Bedrock", "cohere_chat": "Cohere",
}


def table() -> str:
    lines = ["| for | Weir | LiteLLM | why |", "|---|---|---|---|"]
    for entry in LISTED:
        formats = ", ".join(NAMES[format] for format in entry.formats)
        lines.append(f"| {formats} | {entry.weir} | {entry.litellm} | {entry.why} |")
    return "\n".join(lines)


def page(old: str) -> str:
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    assert tail, f"{PAGE} has no place for the list"
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
