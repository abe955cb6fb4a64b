"""Gateways whose keys store files and batches, and what a test asks of them."""

import json
import socket
import time

from . import secrets
from .config import Config, Key

CHAT = "/v1/chat/completions"
BATCH = {"use_for_batch_api": True}


def keys(**weights: float) -> list[Key]:
    """Keys that store things, by name and weight."""
    return [Key(name, weight, extra=BATCH) for name, weight in weights.items()]


def config(sim, *provider_keys: Key, provider: str = "openai") -> Config:
    return Config().provider(provider, sim.url, list(provider_keys) or keys(a=1.0))


def secret() -> dict[str, str]:
    """What a gateway needs to know ids after a restart, and what others need to know them too."""
    return {"WEIR_ID_SECRET": secrets.make()}


def lines(*ids: str, model: str = "gpt-4o", url: str = CHAT) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    one = {"method": "POST", "url": url, "body": body}
    return b"".join(json.dumps({"custom_id": id, **one}).encode() + b"\n" for id in ids)


def upload(client, content: bytes = b"", **more):
    return client.files.create(
        file=("in.jsonl", content or lines("one")), purpose="batch", **more
    )


def finished(retrieve, is_done, seconds: float = 45.0):
    """Asks until it is done, as applications do."""
    deadline = time.monotonic() + seconds
    while True:
        state = retrieve()
        if is_done(state):
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


# What follows the file of such an upload.
END = b"\r\n--b--\r\n"


def slow_upload(gateway, size: int, path: str = "/v1/files") -> socket.socket:
    """The connection of an upload whose file, of `size` bytes, is still to be sent, and `END`."""
    head = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
    )
    length = len(head) + size + len(END)
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {length}"]
    lines += ["content-type: multipart/form-data; boundary=b", "authorization: Bearer x"]
    connection = socket.create_connection(gateway.address, timeout=30)
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + head)
    return connection
