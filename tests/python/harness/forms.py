"""Finds a text in whatever form it was written: plain, escaped, as numbers, in hexadecimal, in base64."""

import base64
import re
from typing import Iterator

# So many characters in a row are no accident, if they were drawn at random.
PIECE = 8

_DECIMAL = re.compile(r"\d{1,3}")
_HEX_PAIRS = re.compile(r"(?:(?:\\x|\\u00|0x|%%)?[0-9a-fA-F]{2}[\s,:]*){%d,}" % PIECE)
_HEX_PAIR = re.compile(r"(?:\\x|\\u00|0x|%)?([0-9a-fA-F]{2})")
_RUN = re.compile(r"[0-9a-zA-Z+/_-]{%d,}" % PIECE)
_ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]+)\}|\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})")


def _views(text: str) -> Iterator[str]:
    """What a text could stand for."""
    yield text
    yield _ESCAPE.sub(lambda found: chr(int(next(filter(None, found.groups())), 16)), text)
    yield "".join(chr(int(digits)) for digits in _DECIMAL.findall(text) if int(digits) < 256)
    for run in _HEX_PAIRS.findall(text):
        for start in (0, 1):
            yield "".join(chr(int(pair, 16)) for pair in _HEX_PAIR.findall(run[start:]))
    for run in _RUN.findall(text):
        for start in range(4):
            part = run[start:].replace("-", "+").replace("_", "/")
            part = part[: len(part) // 4 * 4]
            yield base64.b64decode(part).decode("latin-1")


def found(text: str, hidden: list[str]) -> list[str]:
    """Those of `hidden` of which `text` holds a piece."""
    pieces = {
        secret[at : at + PIECE].lower(): secret
        for secret in hidden
        for at in range(len(secret) - PIECE + 1)
    }
    leaked = set()
    for view in map(str.lower, _views(text)):
        for at in range(len(view) - PIECE + 1):
            if (secret := pieces.get(view[at : at + PIECE])) is not None:
                leaked.add(secret)
    return sorted(leaked)
