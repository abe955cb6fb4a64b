"""Files: their full life, whose they are, what a long upload takes, and what is refused."""

import collections

import openai
import pytest
from harness import stored
from harness.config import Config, Key
from test_bounds import rss

MIB = 1 << 20


def seen(config, sim) -> list[tuple[str, str, str]]:
    """Key, method and path of every call to the simulator."""
    names = {key.secret: name for name, key in config.keys.items()}
    return [(names[one["key"]], one["method"], one["path"]) for one in sim.requests()]


@pytest.mark.parametrize("path", ["/v1", "", "/openai/v1", "/openai"])
def test_the_life_of_a_file(start, sim, sdk, path):
    config = stored.config(sim)
    client = sdk(start(config), path)
    content = stored.lines("one", "two")
    file = stored.upload(client, content)
    assert file.id.startswith("file-weir") and file.bytes == len(content)
    assert (file.filename, file.purpose) == ("in.jsonl", "batch")
    assert client.files.wait_for_processing(file.id, poll_interval=0.05).id == file.id
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == content
    assert [one.id for one in client.files.list()] == [file.id]
    gone = client.files.delete(file.id)
    assert (gone.id, gone.deleted) == (file.id, True)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    # The provider hears its own id, and nothing of ours.
    paths = {one["path"] for one in sim.requests()}
    assert not any("weir" in path for path in paths), paths


def test_files_spread_by_weight_and_every_call_reaches_the_right_key(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=3.0, b=1.0), Key("chats", 100.0))
    client = sdk(start(config))
    files = [stored.upload(client, f"{{}}{n}".encode()) for n in range(80)]
    owners = collections.Counter(key for key, _, _ in seen(config, sim))
    assert set(owners) == {"a", "b"} and 45 <= owners["a"] <= 75, owners
    for number, file in enumerate(files):
        assert client.files.content(file.id).read() == f"{{}}{number}".encode()
    by_key = collections.Counter(key for key, method, _ in seen(config, sim) if method == "GET")
    assert by_key == owners


def test_a_list_goes_over_all_keys_page_by_page(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=1.0, b=1.0))
    gateway = start(config)
    client = sdk(gateway)
    files = {stored.upload(client, b"{}").id for _ in range(12)}
    assert len({key for key, _, _ in seen(config, sim)}) == 2
    for limit in (1, 5, 7, 100):
        listed = [file.id for file in client.files.list(limit=limit)]
        assert len(listed) == len(files) and set(listed) == files, limit
    assert {file.id for file in client.files.list()} == files
    page = gateway.request("GET", "/v1/files?limit=5").json()
    assert (len(page["data"]), page["has_more"]) == (5, True)
    assert page["last_id"] == page["data"][-1]["id"]
    assert client.files.list(purpose="vision").data == []


def test_a_list_says_which_key_did_not_answer(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=1.0, b=1.0))
    gateway = start(config)
    client = sdk(gateway)
    for _ in range(8):
        stored.upload(client)
    sim.rule("status=401", key=config.secret("a"), path="/v1/files")
    answer = gateway.request("GET", "/v1/files")
    assert answer.status == 200 and answer.headers["x-weir-left-out"] == "openai/a"
    assert 0 < len(answer.json()["data"]) < 8
    sim.rule("status=401", key=config.secret("b"), path="/v1/files")
    assert gateway.request("GET", "/v1/files").status >= 400


@pytest.mark.parametrize("how", ["query", "field", "header"])
def test_the_provider_is_chosen(start, sim, other_sim, sdk, how):
    config = stored.config(sim).provider("groq", other_sim.url, stored.keys(g=1.0))
    client = sdk(start(config))
    more = {
        "query": {"extra_query": {"provider": "groq"}},
        "field": {"extra_body": {"provider": "groq"}},
        "header": {"extra_headers": {"x-bf-list-models-provider": "groq"}},
    }[how]
    file = stored.upload(client, **more)
    assert [one["path"] for one in other_sim.requests()] == ["/v1/files"] and not sim.requests()
    assert client.files.content(file.id).read() == stored.lines("one")
    # Without a word it is the first one that can; lists are of all.
    stored.upload(client)
    assert len(sim.requests()) == 1
    assert len(client.files.list().data) == 2
    assert len(client.files.list(extra_query={"provider": "groq"}).data) == 1


def test_forged_foreign_and_removed(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=1.0, b=1.0))
    secret = stored.secret()
    gateway = start(config, env=secret)
    client = sdk(gateway)
    files = [stored.upload(client).id for _ in range(8)]
    damaged = [files[0][:-1] + ("A" if files[0][-1] != "A" else "B"), files[0] + "x", "file-weirAA"]
    for id in [*damaged, "file-of-nobody"]:
        for path in (f"/v1/files/{id}", f"/v1/files/{id}/content"):
            answer = gateway.request("GET", path)
            assert answer.status == 404 and answer.error["message"], (path, answer.body)
        assert gateway.request("DELETE", f"/v1/files/{id}").status == 404
    # Another deployment's.
    other = sdk(start(config, env=stored.secret()))
    with pytest.raises(openai.NotFoundError):
        other.files.retrieve(files[0])
    # The same deployment, where a key has gone.
    fewer = Config().provider("openai", sim.url, [config.keys["a"]])
    fewer = sdk(start(fewer, env=secret))
    outcomes = collections.Counter()
    for id in files:
        try:
            outcomes[fewer.files.retrieve(id).id == id] += 1
        except openai.NotFoundError as error:
            assert "key `b` of `openai`" in error.message and error.code == "key_removed"
            outcomes["removed"] += 1
    assert outcomes[True] and outcomes["removed"] and outcomes.total() == 8, outcomes


def test_a_providers_own_id_is_taken_where_one_key_can_have_it(start, sim, sdk):
    config = stored.config(sim)
    gateway = start(config)
    file = stored.upload(sdk(gateway))
    own = sdk_of(sim, config.secret("a")).files.list().data[0].id
    assert not own.startswith("file-weir")
    assert sdk(gateway).files.retrieve(own).id == file.id
    two = start(stored.config(sim, *stored.keys(a=1.0, b=1.0)))
    with pytest.raises(openai.NotFoundError, match="2 keys may have it"):
        sdk(two).files.retrieve(own)


def sdk_of(sim, secret: str) -> openai.OpenAI:
    """A client of the provider itself."""
    return openai.OpenAI(base_url=f"{sim.url}/v1", api_key=secret, max_retries=0)


def test_client_keys_see_only_their_own(start, sim, sdk):
    config = stored.config(sim, *stored.keys(a=1.0, b=1.0))
    clients = config.clients("one", "two", provider="openai", allowed_models=["*"])
    gateway = start(config)
    one, two = (sdk(gateway, api_key=secret) for secret in clients.values())
    file = stored.upload(one)
    assert one.files.retrieve(file.id).id == file.id
    with pytest.raises(openai.NotFoundError):
        two.files.retrieve(file.id)
    # Whoever lists what a key has stored would see what others have stored with it.
    with pytest.raises(openai.PermissionDeniedError, match="by its id"):
        one.files.list()
    listed = [sdk_of(sim, key.secret).files.list().data for key in config.keys.values()]
    own = [file.id for files in listed for file in files]
    with pytest.raises(openai.NotFoundError):
        one.files.retrieve(own[0])


def test_without_a_marked_key_the_error_names_the_field(start, sim, sdk):
    client = sdk(start(Config().provider("openai", sim.url)))
    with pytest.raises(openai.APIStatusError, match="use_for_batch_api") as refused:
        stored.upload(client)
    # A matter of the configuration: nothing that a client should try again.
    assert not sim.requests() and refused.value.status_code == 400
    assert refused.value.code == "no_batch_keys"


def test_a_slow_upload_holds_its_slot_and_nothing_else(start, sim):
    limits = {"concurrency": 2, "buffer": 4}
    gateway = start(Config().provider("openai", sim.url, stored.keys(a=1.0), **limits))
    with stored.slow_upload(gateway, 3 * MIB) as slow:
        slow.sendall(b"x" * MIB)
        sim.wait_in_flight(1)
        # One slot is left, and it serves one after the other.
        assert [gateway.chat("openai/gpt-4o").status for _ in range(5)] == [200] * 5
        slow.sendall(b"x" * 2 * MIB + stored.END)
        assert b"200 OK" in slow.recv(65536)


def test_an_upload_that_is_cut_closes_the_providers_side(start, sim):
    gateway = start(stored.config(sim))
    with stored.slow_upload(gateway, 8 * MIB) as slow:
        slow.sendall(b"x" * MIB)
        sim.wait_in_flight(1)
    sim.wait_in_flight(0)
    assert gateway.request("GET", "/v1/files").json()["data"] == []


def test_a_large_file_passes_and_is_not_held(start, sim, sdk):
    size = 64 * MIB
    gateway = start(stored.config(sim), log_level="info")
    client = sdk(gateway, timeout=60.0)
    stored.upload(client, b"{}")
    before = [rss(process) for process in gateway.processes]
    content = b"0123456789abcde\n" * (size // 16)
    file = stored.upload(client, content)
    grown = [rss(one) - was for one, was in zip(gateway.processes, before)]
    assert max(grown) < 24 * MIB, grown
    with client.files.with_streaming_response.content(file.id) as answer:
        length = sum(len(chunk) for chunk in answer.iter_bytes())
    assert length == size
    grown = [rss(one) - was for one, was in zip(gateway.processes, before)]
    assert max(grown) < 24 * MIB, grown


@pytest.mark.topologies("all-in-one-memory")
def test_ids_live_on_after_a_restart_without_a_flag(start, sim, sdk):
    config = stored.config(sim)
    first = start(config)
    file = stored.upload(sdk(first))
    first.stop()
    first.may_have_ended = True
    again = sdk(start(config))
    assert again.files.retrieve(file.id).id == file.id
