"""Load that goes on while something happens to the gateway, and what became of every request."""

import asyncio
import itertools
import json
import threading
import time
from dataclasses import dataclass, field

from . import http, load

# A client that was refused comes again after this.
PAUSE_SECONDS = 0.02
END_SECONDS = 30.0
_numbers = itertools.count(1)


@dataclass
class Call:
    """One request and its fate; times are those of the machine's clock, as in the sim's log."""

    # Sent as `user`, by which the simulator's log knows it again.
    name: str
    started: float
    ended: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # Why there is no whole answer.
    broken: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def served(self) -> bool:
        """A whole answer without an error in it."""
        if self.broken or self.status != 200:
            return False
        if self.headers["content-type"].startswith("text/event-stream"):
            return self.body.rstrip().endswith(b"data: [DONE]") and b'"error"' not in self.body
        return bool(json.loads(self.body)["choices"])

    def __str__(self) -> str:
        what = self.broken or f"{self.status} {self.body[-300:]!r}"
        return f"{self.name}, {self.seconds:.3f} s from {self.started:.3f}: {what}"


class Traffic:
    """`clients` connections over all edges, each with one request after the other.

    As a context it sends until its end; then `calls` has everything.
    """

    def __init__(self, addresses, bodies: list[dict], clients: int, headers=None):
        self._bodies, self._headers = itertools.cycle(bodies), headers
        self._addresses = list(itertools.islice(itertools.cycle(addresses), clients))
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.calls: list[Call] = []

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def no_more(self) -> None:
        """Sends no more; what is under way goes on."""
        self._over.set()

    def stop(self) -> None:
        """Sends no more, and waits for what is under way."""
        self.no_more()
        self._thread.join(END_SECONDS)
        assert not self._thread.is_alive(), f"requests without an end after {END_SECONDS} s"
        for call in self.calls:
            http.keep(call.headers, call.body)

    def assert_all_served(self) -> None:
        """Not one of them failed, and there were some; says what the first that failed got."""
        assert self.calls
        failed = [call for call in self.calls if not call.served]
        # As text of its own: pytest cuts what it shows of values.
        told = [f"{call.name}: {call.status} {call.broken} {call.body!r}" for call in failed[:5]]
        if failed:
            raise AssertionError("\n".join([f"{len(failed)} of {len(self.calls)} failed", *told]))

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(address) for address in self._addresses))

    async def _client(self, address) -> None:
        connection = None
        while not self._over.is_set():
            call = Call(f"call-{next(_numbers)}", time.time())
            try:
                connection = connection or await asyncio.open_connection(*address, limit=1 << 20)
                await self._ask(connection, call)
            except (OSError, EOFError, ValueError) as error:
                call.broken = repr(error)
            call.ended = time.time()
            self.calls.append(call)
            if call.broken or call.headers.get("connection") == "close":
                connection = _close(connection)
            if not call.served:
                await asyncio.sleep(PAUSE_SECONDS)
        _close(connection)

    async def _ask(self, connection, call: Call) -> None:
        reader, writer = connection
        body = {**next(self._bodies), "user": call.name}
        writer.write(load.chat_request(body, self._headers))
        call.status, call.headers = await load.read_head(reader)
        call.body = await load.read_body(reader, call.headers)


def _close(connection) -> None:
    if connection:
        connection[1].close()


def chats(*bodies: dict, model: str = "openai/gpt-4o") -> list[dict]:
    """Requests that differ from a plain one by these members."""
    messages = [{"role": "user", "content": "hi"}]
    return [{"model": model, "messages": messages, **body} for body in bodies or ({},)]
