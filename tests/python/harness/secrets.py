"""Made-up secrets for one run, and the search for what must not have leaked.

Every secret ends in 32 random hexadecimal digits. A leak is any 12 of them in a row, so that a
shortened or masked secret is found as well, and its base64 form.
"""

import base64
import re
import secrets
from pathlib import Path

WINDOW = 12
PREFIX = "sk-weirtest-"

_made: list[str] = []


def make(prefix: str = PREFIX) -> str:
    """A new secret, remembered for the search."""
    secret = prefix + secrets.token_hex(16)
    _made.append(secret)
    return secret


def made() -> list[str]:
    return list(_made)


class Search:
    """Looks for any part of any secret of this run."""

    def __init__(self, hidden: list[str]):
        digits = [secret[-32:] for secret in hidden]
        last = 32 - WINDOW + 1
        self._windows = {text[at : at + WINDOW] for text in digits for at in range(last)}
        # The three alignments that base64 can have, without the ends that depend on neighbours.
        encoded = set()
        for text in digits:
            for shift in range(3):
                whole = base64.b64encode(b"x" * shift + text.encode()).decode().rstrip("=")
                encoded.add(whole[4:-4])
        self._encoded = encoded
        self._runs = re.compile(r"[0-9a-fA-F]{%d,}" % WINDOW)

    def text(self, text: str) -> list[str]:
        """The leaks in a text."""
        found = []
        for run in self._runs.findall(text):
            run = run.lower()
            windows = (run[at : at + WINDOW] for at in range(len(run) - WINDOW + 1))
            found.extend(window for window in windows if window in self._windows)
        found.extend(encoded for encoded in self._encoded if encoded in text)
        return found

    def file(self, path: Path) -> list[str]:
        return self.text(path.read_bytes().decode("utf-8", "replace"))

    def directory(self, directory: Path) -> dict[str, list[str]]:
        """The leaks per file."""
        files = (path for path in sorted(directory.rglob("*")) if path.is_file())
        leaks = {str(path): self.file(path) for path in files}
        return {path: found for path, found in leaks.items() if found}
