"""Streams that say that they are alive, in the formats that have something for it."""

import pytest
from harness import http
from harness.config import Config


def raw(gateway, path, body) -> bytes:
    """All bytes of a stream's answer."""
    stream = http.stream(gateway.url + path, body)
    assert stream.status == 200
    data = stream.body()
    stream.close()
    return data


MESSAGES = [{"role": "user", "content": "hi"}]
# Route, body, and what a stream says there.
FORMATS = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES}, b": keep-alive\n\n"),
    "responses": ("/v1/responses", {"input": "hi"}, b": keep-alive\n\n"),
    "messages": ("/anthropic/v1/messages", {"messages": MESSAGES, "max_tokens": 99},
                 b'event: ping\ndata: {"type": "ping"}\n\n'),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_quiet_stream_says_that_it_is_alive(start, sim, name):
    gateway = start(Config().provider("openai", sim.url).client(stream_keep_alive_in_seconds=1))
    path, body, says = FORMATS[name]
    body = {"model": "openai/gpt-4o", "stream": True, **body}
    assert says not in raw(gateway, path, body)
    sim.rule("chunks=2,interval=2500")
    data = raw(gateway, path, body)
    assert data.count(says) == 2, data
    # What is said in between belongs to no event.
    rest = data.replace(says, b"")
    assert all(part.startswith((b"data:", b"event:")) for part in rest.split(b"\n\n") if part)


def test_nothing_is_said_before_the_answer_begins_nor_where_nobody_asked(start, sim):
    config = Config().provider("openai", sim.url).client(stream_keep_alive_in_seconds=1)
    gateway = start(config)
    sim.rule("first-chunk=1500")
    body = {"model": "openai/gpt-4o", "stream": True, "messages": MESSAGES}
    assert b": keep-alive" not in raw(gateway, "/v1/chat/completions", body)
    sim.reset()
    # While a stream is held back a failure can still become a status.
    sim.rule("chunks=2,interval=1500")
    stream = http.stream(f"{gateway.url}/v1/chat/completions", body, {"x-weir-commit": "complete"})
    assert b": keep-alive" not in stream.body()
    stream.close()


def test_the_sdk_reads_over_it(start, sim, sdk):
    config = Config().provider("openai", sim.url).client(stream_keep_alive_in_seconds=1)
    client = sdk(start(config))
    sim.rule("chunks=2,interval=1500")
    stream = client.chat.completions.create(
        model="openai/gpt-4o", messages=MESSAGES, stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text.endswith("You said: hi")
