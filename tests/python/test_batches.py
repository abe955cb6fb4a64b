"""Batches: their full life with the vendors' own libraries, on several services, with a restart of
everything in the middle."""

import collections
import json

import anthropic
import openai
import pytest
from harness import stored
from harness.config import Config, Key

ENDS = {"completed", "failed", "cancelled"}


def create(client, content: bytes = b"", **more):
    file = stored.upload(client, content, **more)
    batch = client.batches.create(
        input_file_id=file.id, endpoint=stored.CHAT, completion_window="24h", metadata={"a": "b"}
    )
    return file, batch


def ended(client, batch):
    return stored.finished(lambda: client.batches.retrieve(batch.id), lambda b: b.status in ENDS)


def results(client, file_id: str) -> list[dict]:
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def test_lines_name_models_as_requests_do(start, sim, sdk):
    keys = [Key("a", extra={**stored.BATCH, "aliases": {"fast": "gpt-4o-mini"}})]
    client = sdk(start(Config().provider("openai", sim.url, keys)), timeout=60.0)
    asked = ["openai/gpt-4o", "OpenAI/fast", "fast", "gpt-4o", "meta-llama/Llama-3", ""]
    lines = [stored.lines(f"{n}", model=model) for n, model in enumerate(asked)]
    # Longer than what comes at a time, blank, and no request at all: what is not changed stays.
    long = stored.lines("x" * 300_000, model="openai/gpt-4o")
    content = b"".join(lines) + b"\r\n" + long + b'"openai/gpt-4o"\n' + lines[0].rstrip(b"\n")
    file = stored.upload(client, content)
    names = ["gpt-4o", "gpt-4o-mini", "gpt-4o-mini", "gpt-4o", "meta-llama/Llama-3", ""]
    expected = [stored.lines(f"{n}", model=model) for n, model in enumerate(names)]
    long = long.replace(b"openai/gpt-4o", b"gpt-4o")
    expected = b"".join(expected) + b"\r\n" + long + b'"openai/gpt-4o"\n' + expected[0].rstrip(b"\n")
    assert client.files.content(file.id).read() == expected
    # Files for anything else are nobody's to read.
    other = client.files.create(file=("x.jsonl", content), purpose="user_data")
    assert client.files.content(other.id).read() == content
    _, batch = create(client, b"".join(lines[:4]))
    found = [
        one["response"]["body"]["model"]
        for one in results(client, ended(client, batch).output_file_id)
    ]
    assert found == names[:4]


@pytest.mark.parametrize("path", ["/v1", "/openai"])
def test_the_life_of_a_batch(start, sim, sdk, path):
    client = sdk(start(stored.config(sim, *stored.keys(a=1.0, b=1.0))), path)
    content = stored.lines("one") + stored.lines("two", model="")
    file, batch = create(client, content)
    assert batch.id.startswith("batch_weir") and batch.input_file_id == file.id
    assert batch.metadata == {"a": "b"}
    done = ended(client, batch)
    assert (done.status, done.input_file_id) == ("completed", file.id)
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (2, 1, 1)
    [well] = results(client, done.output_file_id)
    assert well["custom_id"] == "one"
    assert well["response"]["body"]["choices"][0]["message"]["content"].endswith("You said: hi")
    [failed] = results(client, done.error_file_id)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("two", 400)
    assert [one.id for one in client.batches.list(limit=1)] == [batch.id]


def test_a_batch_is_canceled(start, sim, sdk):
    client = sdk(start(stored.config(sim)))
    _, batch = create(client)
    canceled = client.batches.cancel(batch.id)
    assert (canceled.id, canceled.status) == (batch.id, "cancelling")
    assert ended(client, batch).status == "cancelled"


def test_a_file_that_makes_no_sense_fails_its_batch(start, sim, sdk):
    client = sdk(start(stored.config(sim)))
    _, batch = create(client, b"no json\n")
    done = ended(client, batch)
    assert done.status == "failed" and done.errors.data[0].code == "invalid_json_line"


def test_a_batch_is_made_where_its_file_is(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=3.0, b=1.0), Key("chats", 9.0))
    client = sdk(start(config))
    pairs = [create(client) for _ in range(24)]
    names = {key.secret: name for name, key in config.keys.items()}
    by_path = collections.defaultdict(collections.Counter)
    for one in sim.requests():
        by_path[one["path"]][names[one["key"]]] += 1
    assert by_path["/v1/files"] == by_path["/v1/batches"]
    assert set(by_path["/v1/files"]) == {"a", "b"}, by_path
    for file, batch in pairs:
        assert ended(client, batch).input_file_id == file.id
    listed = [one.id for one in client.batches.list(limit=5)]
    assert sorted(listed) == sorted(batch.id for _, batch in pairs)


def test_a_restart_of_everything_in_the_middle(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=1.0, b=1.0))
    secret = stored.secret()
    first = start(config, env=secret)
    file, batch = create(sdk(first))
    first.stop()
    first.may_have_ended = True
    client = sdk(start(config, env=secret))
    done = ended(client, batch)
    assert (done.status, done.input_file_id) == ("completed", file.id)
    assert results(client, done.output_file_id)[0]["custom_id"] == "one"
    assert client.files.delete(file.id).deleted


def test_a_batch_of_an_unknown_file(start, sim, sdk):
    client = sdk(start(stored.config(sim)))
    for id in ("file-weirAAAA", "file-unknown"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.batches.create(
                input_file_id=id, endpoint=stored.CHAT, completion_window="24h"
            )
    assert refused.value.status_code == 404
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_weirAAAA")


# --- Anthropic ---------------------------------------------------------------------------------


def claude(gateway, path: str = "/anthropic") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url + path, api_key="k", max_retries=0, timeout=20)


def asked(*ids: str, **more) -> list[dict]:
    params = {"model": "claude-sonnet-4-5", "max_tokens": 64, **more}
    params["messages"] = [{"role": "user", "content": "hi"}]
    return [{"custom_id": id, "params": params} for id in ids]


@pytest.mark.parametrize("path", ["/anthropic", ""])
def test_the_life_of_a_message_batch(start, sim, path):
    keys = stored.keys(a=1.0, b=1.0)
    client = claude(start(stored.config(sim, *keys, provider="anthropic")), path)
    batches = client.messages.batches
    made = [batches.create(requests=asked("one", "two")) for _ in range(6)]
    assert all(one.id.startswith("msgbatch_weir") for one in made)
    assert {one.id for one in batches.list(limit=2)} == {one.id for one in made}
    for one in made:
        done = stored.finished(
            lambda: batches.retrieve(one.id), lambda b: b.processing_status == "ended"
        )
        assert done.request_counts.succeeded == 2
    lines = list(batches.results(made[0].id))
    assert [line.custom_id for line in lines] == ["one", "two"]
    assert lines[0].result.message.content[0].text.endswith("You said: hi")
    assert batches.delete(made[0].id).id == made[0].id
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(made[0].id)
    assert len({one["key"] for one in sim.requests()}) == 2


def test_a_message_batch_is_canceled_and_strangers_are_told_nothing(start, sim):
    config = stored.config(sim, provider="anthropic").provider("openai", sim.url)
    client = claude(start(config))
    batch = client.messages.batches.create(requests=asked("one"))
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.batches.retrieve("msgbatch_weirAAAA")
    assert refused.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("trial", [True, False], ids=["in-trial", "usual"])
def test_the_life_of_a_claude_file(start, sim, trial):
    keys = stored.keys(a=1.0, b=1.0)
    client = claude(start(stored.config(sim, *keys, provider="anthropic")))
    files = client.beta.files if trial else client.files
    made = [files.upload(file=(f"made-{n}.txt", b"text", "text/plain")) for n in range(6)]
    assert all(one.id.startswith("file_weir") for one in made)
    for limit in (1, 2, 4, 100):
        listed = [one.id for one in files.list(limit=limit)]
        assert sorted(listed) == sorted(one.id for one in made), limit
    assert files.retrieve_metadata(made[0].id).filename == "made-0.txt"
    assert files.download(made[0].id).read() == b"text"
    assert files.delete(made[0].id).id == made[0].id
    with pytest.raises(anthropic.NotFoundError):
        files.retrieve_metadata(made[0].id)


def test_each_format_finds_its_own_provider(start, sim, sdk):
    config = Config().provider("anthropic", sim.url, stored.keys(c=1.0))
    config.provider("openai", sim.url, stored.keys(o=1.0))
    gateway = start(config)
    # The first provider that is configured has files in another format than this path.
    assert stored.upload(sdk(gateway)).id.startswith("file-weir")
    refused = gateway.request("POST", "/v1/batches?provider=anthropic", {"input_file_id": "x"})
    assert refused.status >= 400
    keys = {one["key"] for one in sim.requests()}
    assert keys == {config.secret("o")}
