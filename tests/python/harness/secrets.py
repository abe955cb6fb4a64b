"""Made-up secrets for one run, and the search for what must not have leaked.

Every secret ends in 32 random hexadecimal digits. A leak is any 12 of them in a row, so that a
shortened or masked secret is found as well, and its base64 form.
"""

import base64
import re
import secrets
from pathlib import Path
from typing import Iterator

WINDOW = 12
BASE64_WINDOW = 24
PREFIX = "sk-weirtest-"

_made: list[str] = []


def make(prefix: str = PREFIX) -> str:
    """A new secret, remembered for the search."""
    secret = prefix + secrets.token_hex(16)
    _made.append(secret)
    return secret


class Hidden(str):
    """A secret that was not made here."""


def is_one(text: str) -> bool:
    """Whether `text` is a secret, so that no file may hold it."""
    return isinstance(text, Hidden) or text in _made


def made() -> list[str]:
    return list(_made)


def _windows(text: str, length: int) -> Iterator[str]:
    return (text[at : at + length] for at in range(len(text) - length + 1))


class Search:
    """Looks for any part of any secret of this run."""

    def __init__(self, hidden: list[str]):
        digits = [secret[-32:] for secret in hidden]
        self._windows = {window for text in digits for window in _windows(text, WINDOW)}
        # The three alignments that base64 can have, without the ends that depend on neighbours.
        encoded = set()
        for text in digits:
            for shift in range(3):
                whole = base64.b64encode(b"x" * shift + text.encode()).decode().rstrip("=")
                encoded.update(_windows(whole[4:-4], BASE64_WINDOW))
        self._encoded = encoded
        self._runs = re.compile(r"[0-9a-fA-F]{%d,}" % WINDOW)
        self._encoded_runs = re.compile(r"[0-9a-zA-Z+/]{%d,}" % BASE64_WINDOW)

    def text(self, text: str) -> list[str]:
        """The leaks in a text."""
        found = []
        for run in self._runs.findall(text):
            windows = _windows(run.lower(), WINDOW)
            found.extend(window for window in windows if window in self._windows)
        for run in self._encoded_runs.findall(text):
            windows = _windows(run, BASE64_WINDOW)
            found.extend(window for window in windows if window in self._encoded)
        return found

    def file(self, path: Path) -> list[str]:
        return self.text(path.read_bytes().decode("utf-8", "replace"))

    def directory(self, directory: Path) -> dict[str, list[str]]:
        """The leaks per file."""
        files = (path for path in sorted(directory.rglob("*")) if path.is_file())
        leaks = {str(path): self.file(path) for path in files}
        return {path: found for path, found in leaks.items() if found}
