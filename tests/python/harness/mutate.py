"""Sound messages, and the same spoilt by chance: what anybody may send to anybody."""

import random
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[3] / "crates" / "dialect" / "fixtures"
# What readers tend to mistake, of JSON, of HTTP, of events.
WORDS = [
    b"null", b"true", b"-1", b"1e999", b"99999999999999999999", b"0.0000001", b"NaN", b'""', b"[]",
    b"{}", b"[[[[", b'{"a":' * 40, b'"\\ud800"', b"\\u0000", b'"\xff\xfe"', b"\0", b"\r\n", b"\r\n\r\n",
    b"\n\n", b"data: ", b"event: error\n", b"data: [DONE]\n\n", b": ", b"content-length: 7\r\n",
    b"transfer-encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"HTTP/1.1 200 OK\r\n",
    b"%00", b"%", b"../", b"//", b"?", b"#", "ä€𝄞\u2028".encode(), b"A" * 300,
]  # fmt: skip


def samples(part: str) -> list[bytes]:
    """The fixtures of all formats of one kind: requests, answers, streams, errors."""
    files = sorted(FIXTURES.glob(f"*/{part}/*"))
    found = [file.read_bytes() for file in files if file.is_file()]
    assert len(found) > 30, part
    return [sample for sample in found if len(sample) < 16_000]


def spoil(draw: random.Random, text: bytes, words: list[bytes] = WORDS) -> bytes:
    """`text` after one to four changes."""
    data = bytearray(text)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(7):
            case 0:
                data[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                data[at : at + draw.randrange(1, 20)] = b""
            case 2:
                data[at:at] = draw.choice(words)
            case 3:
                data[at : at + draw.randrange(1, 8)] = draw.choice(words)
            case 4:
                del data[at:]
            case 5:
                end = min(len(data), at + draw.randrange(1, 60))
                other = draw.randrange(len(data) + 1)
                data[other:other] = data[at:end]
            case 6:
                _swap_value(draw, data)
    return bytes(data)


def _swap_value(draw: random.Random, data: bytearray) -> None:
    """Puts a word in place of what stands behind some colon."""
    colons = [at for at, byte in enumerate(data) if byte == ord(":")]
    if not colons:
        return
    at = draw.choice(colons) + 1
    ends = [end for end in (data.find(mark, at) for mark in (b",", b"}", b"\n")) if end >= 0]
    data[at : min(ends, default=len(data))] = draw.choice(WORDS)
