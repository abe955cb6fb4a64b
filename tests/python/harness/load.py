"""Many requests at a time over few bytes of Python: raw HTTP/1.1 on asyncio streams."""

import asyncio
import itertools
import json
from dataclasses import dataclass

from . import http


@dataclass
class Result:
    status: int
    body: bytes
    headers: dict[str, str]


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    status = int(lines[0].split(" ")[1])
    pairs = (line.split(": ", 1) for line in lines[1:] if line)
    return status, {name.lower(): value for name, value in pairs}


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    parts = []
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        part = await reader.readexactly(size + 2)
        if size == 0:
            return b"".join(parts)
        parts.append(part[:-2])


def chat_request(body: dict, headers: dict[str, str] | None = None) -> bytes:
    raw = json.dumps(body).encode()
    lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += ["host: localhost", "content-type: application/json", f"content-length: {len(raw)}"]
    head = "POST /v1/chat/completions HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    return head.encode() + raw


async def _client(address, take, results: list[Result]) -> None:
    reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
    try:
        while (request := take()) is not None:
            writer.write(request)
            await writer.drain()
            status, headers = await read_head(reader)
            results.append(Result(status, await read_body(reader, headers), headers))
            if headers.get("connection") == "close":
                writer.close()
                reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
    finally:
        writer.close()


async def _run(addresses, requests, clients: int) -> list[Result]:
    queue = iter(requests)
    results: list[Result] = []
    turns = itertools.islice(itertools.cycle(addresses), clients)
    tasks = [_client(address, lambda: next(queue, None), results) for address in turns]
    await asyncio.gather(*tasks)
    return results


def run(addresses, requests, clients: int, seconds_max: float = 120) -> list[Result]:
    """Sends every request over `clients` connections, spread over the addresses; an answer that is
    lost is an error."""
    results = asyncio.run(asyncio.wait_for(_run(addresses, requests, clients), seconds_max))
    for result in results:
        http.keep(result.headers, result.body)
    return results
