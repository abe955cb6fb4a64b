"""OpenAI's files and batches with OpenAI's client, at vendors that have batches in words of their own."""

import collections
import json

import anthropic
import openai
import pytest
from harness import stored, vertex
from harness.config import Config
from test_bounds import rss
from test_jobs import batch_file, google

ENDS = {"completed", "failed", "cancelled", "expired"}
MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "vertex": "gemini-2.5-flash",
}
VENDORS = sorted(MODELS)
ACCOUNTS: list[vertex.Accounts] = []


@pytest.fixture(autouse=True, scope="module")
def accounts():
    """What grants tokens to keys of Vertex AI's."""
    ACCOUNTS.append(vertex.Accounts())
    yield ACCOUNTS[-1]
    ACCOUNTS.pop().stop()


def config(sim, provider: str, **weights: float) -> Config:
    weights = weights or {"a": 1.0}
    if provider == "vertex":
        return ACCOUNTS[-1].config(sim, **weights)
    return stored.config(sim, *stored.keys(**weights), provider=provider)


def lines(provider: str, *ids: str, **more) -> bytes:
    return stored.lines(*ids, **{"model": f"{provider}/{MODELS[provider]}", **more})


def line(provider: str, id: str, path: str = stored.CHAT, **body) -> bytes:
    asked = {"model": MODELS[provider], **body}
    return json.dumps({"custom_id": id, "method": "POST", "url": path, "body": asked}).encode() + b"\n"


def upload(client, provider: str, content: bytes = b"", **more):
    extra = {"extra_body": {"provider": provider}}
    return stored.upload(client, content or lines(provider, "one"), **extra, **more)


def create(client, file, **more):
    asked = {"endpoint": stored.CHAT, "completion_window": "24h", **more}
    return client.batches.create(input_file_id=file.id, **asked)


def ended(client, batch):
    return stored.finished(lambda: client.batches.retrieve(batch.id), lambda b: b.status in ENDS)


def results(client, batch) -> list[dict]:
    told = client.files.content(batch.output_file_id).text.splitlines()
    return [json.loads(one) for one in told]


def in_order(provider: str, told: list[dict]) -> list[dict]:
    """Vertex AI has results in any order; in the simulator the last comes first."""
    return told[::-1] if provider == "vertex" else told


@pytest.mark.parametrize("path", ["/v1", "/openai"])
@pytest.mark.parametrize("provider", VENDORS)
def test_the_life_of_a_batch(start, sim, sdk, provider, path):
    client = sdk(start(config(sim, provider)), path)
    content = lines(provider, "one", "two") + b"\n"
    file = upload(client, provider, content)
    assert file.id.startswith("file-weir") and file.filename == "in.jsonl"
    assert (file.purpose, file.bytes > 0) == ("batch", True)
    assert client.files.retrieve(file.id).id == file.id
    batch = create(client, file)
    assert batch.id.startswith("batch_weir") and batch.input_file_id == file.id
    assert (batch.endpoint, batch.completion_window) == (stored.CHAT, "24h")
    done = ended(client, batch)
    assert (done.id, done.status, done.input_file_id) == (batch.id, "completed", file.id)
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (2, 2, 0)
    first, second = in_order(provider, results(client, done))
    assert (first["custom_id"], second["custom_id"]) == ("one", "two")
    answer = openai.types.chat.ChatCompletion.model_validate(first["response"]["body"])
    assert answer.choices[0].message.content.endswith("You said: hi")
    assert answer.object == "chat.completion" and answer.usage.total_tokens > 0
    query = {"extra_query": {"provider": provider}}
    assert [one.id for one in client.batches.list(**query)] == [batch.id]
    found = {one.id: one.purpose for one in client.files.list(**query)}
    assert found == {file.id: "batch", done.output_file_id: "batch_output"}
    assert client.files.delete(done.output_file_id).deleted
    with pytest.raises(openai.NotFoundError if provider == "anthropic" else openai.APIStatusError):
        client.files.content(done.output_file_id)


@pytest.mark.parametrize("provider", VENDORS)
def test_lines_for_responses_are_answered_as_responses(start, sim, sdk, provider):
    client = sdk(start(config(sim, provider)))
    content = line(provider, "one", "/v1/responses", input="hi", instructions="Be brief.")
    file = upload(client, provider, content)
    done = ended(client, create(client, file, endpoint="/v1/responses"))
    [result] = results(client, done)
    assert result["custom_id"] == "one"
    answer = openai.types.responses.Response.model_validate(result["response"]["body"])
    assert answer.output_text.endswith("You said: hi") and answer.status == "completed"


@pytest.mark.parametrize("provider", VENDORS)
def test_a_line_that_fails_says_so_and_losses_are_named(start, sim, sdk, provider):
    client = sdk(start(config(sim, provider)))
    user = [{"role": "user", "content": "hi"}]
    # The result of a call that nobody made.
    bad = [*user, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]
    content = line(provider, "good", messages=user, seed=7, logit_bias={"50256": -100})
    content += line(provider, "bad", messages=bad)
    extra = {"provider": provider}
    made = client.files.with_raw_response.create(
        file=("in.jsonl", content), purpose="batch", extra_body=extra
    )
    assert "logit_bias" in made.headers["x-weir-losses"]
    done = ended(client, create(client, made.parse()))
    assert (done.request_counts.completed, done.request_counts.failed) == (1, 1)
    good, failed = in_order(provider, results(client, done))
    assert good["response"]["status_code"] == 200
    assert failed["custom_id"] == "bad" and failed["response"]["status_code"] == 400
    assert failed["response"]["body"]["error"]["message"]


@pytest.mark.parametrize("provider", VENDORS)
def test_a_batch_is_canceled(start, sim, sdk, provider):
    client = sdk(start(config(sim, provider)))
    batch = create(client, upload(client, provider))
    canceled = client.batches.cancel(batch.id)
    assert canceled.id == batch.id and canceled.status in ("cancelling", "cancelled")
    assert ended(client, batch).status == "cancelled"


@pytest.mark.parametrize("provider", VENDORS)
def test_a_restart_of_everything_in_the_middle(start, sim, sdk, provider):
    settings, secret = config(sim, provider, a=1.0, b=1.0), stored.secret()
    first = start(settings, env=secret)
    file = upload(sdk(first), provider)
    batch = create(sdk(first), file)
    first.stop()
    first.may_have_ended = True
    client = sdk(start(settings, env=secret))
    done = ended(client, batch)
    assert (done.status, done.input_file_id) == ("completed", file.id)
    assert results(client, done)[0]["custom_id"] == "one"


@pytest.mark.parametrize("provider", VENDORS)
def test_files_spread_by_weight_and_batches_follow_them(start, sim, sdk, provider):
    settings = config(sim, provider, a=3.0, b=1.0)
    client = sdk(start(settings))
    batches = [create(client, upload(client, provider)) for _ in range(8)]
    names = {key.secret: name for name, key in settings.keys.items()}
    posted = [one for one in sim.requests() if one["method"] == "POST"]
    by_path = collections.defaultdict(collections.Counter)
    for one in posted:
        by_path[one["path"].split("?")[0]][names[one["key"]]] += 1
    made = [counts for path, counts in by_path.items() if "atch" in path]
    assert made == [collections.Counter(a=6, b=2)], by_path
    query = {"extra_query": {"provider": provider}}
    for limit in (1, 3, 100):
        listed = [one.id for one in client.batches.list(limit=limit, **query)]
        assert sorted(listed) == sorted(one.id for one in batches), limit
    for batch in batches:
        ended(client, batch)
    files = [one.id for one in client.files.list(limit=3, **query)]
    assert len(files) == len(set(files)) == 16
    inputs = {one.id for one in client.files.list(purpose="batch", **query)}
    assert inputs == {one.input_file_id for one in batches}


@pytest.mark.parametrize("provider", VENDORS)
def test_ids_that_are_forged_are_of_nothing(start, sim, sdk, provider):
    client = sdk(start(config(sim, provider)))
    file = upload(client, provider)
    batch = create(client, file)
    seen = len(sim.requests())
    for id in (file.id[:-1] + ("A" if file.id[-1] != "A" else "B"), "file-weirAAAA"):
        for call in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError):
                call(id)
        with pytest.raises(openai.NotFoundError):
            client.batches.create(input_file_id=id, endpoint=stored.CHAT, completion_window="24h")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id[:-2] + "AA")
    assert len(sim.requests()) == seen


@pytest.mark.parametrize("provider", VENDORS)
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no json", "line 1 of the file"),
        (b"\n\n", "no lines"),
        (b'{"recordId":"x","modelInput":{}}', "custom_id: missing"),
        (stored.lines("a", url="/v1/embeddings"), "expected /v1/chat/completions or /v1/responses"),
    ],
    ids=["json", "empty", "record", "url"],
)
def test_lines_that_make_no_sense_are_refused_and_begin_nothing(
    start, sim, sdk, provider, content, why
):
    client = sdk(start(config(sim, provider)))
    good = lines(provider, *(f"line-{n}" for n in range(3))) if content.strip() else b""
    for before in (b"", good):
        with pytest.raises(openai.BadRequestError) as refused:
            upload(client, provider, before + content)
        expected = why.replace("line 1", "line 4") if before else why
        assert expected in refused.value.message, refused.value.message
    assert [*client.batches.list(extra_query={"provider": provider})] == []


@pytest.mark.parametrize("provider", VENDORS)
def test_requests_that_cannot_be_are_refused_with_the_member(start, sim, sdk, provider):
    client = sdk(start(config(sim, provider)))
    file = upload(client, provider)
    for more, param in [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "48h"}, "completion_window"),
    ]:
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, file, **more)
        assert refused.value.param == param, (more, refused.value.body)
    extra = {"extra_body": {"provider": provider}}
    if provider != "vertex":
        with pytest.raises(openai.BadRequestError, match="purpose: .*expected `batch`"):
            client.files.create(file=("x", b"x"), purpose="user_data", **extra)
    made = client.batches.with_raw_response.create(
        input_file_id=file.id, endpoint=stored.CHAT, completion_window="24h", metadata={"a": "b"}
    )
    assert made.headers["x-weir-losses"] == "metadata"


@pytest.mark.parametrize("provider", VENDORS)
def test_names_of_requests_may_be_any(start, sim, sdk, provider):
    client = sdk(start(config(sim, provider)))
    ids = ["a/b c", "ä-1", "weir-c-1", "x" * 60]
    done = ended(client, create(client, upload(client, provider, lines(provider, *ids))))
    assert [one["custom_id"] for one in in_order(provider, results(client, done))] == ids


@pytest.mark.parametrize("provider", VENDORS)
def test_a_long_file_is_not_held(start, sim, sdk, provider):
    patient = config(sim, provider)
    network = patient.document["providers"][provider].setdefault("network_config", {})
    # An unoptimised simulator on a busy machine needs its time for 32 MiB.
    network["default_request_timeout_in_seconds"] = 300
    gateway = start(patient, log_level="info")
    client = sdk(gateway, timeout=300.0)
    upload(client, provider)
    before = [rss(process) for process in gateway.processes]
    text = "0123456789abcdef" * 4096
    content = b"".join(
        line(provider, f"n-{n}", messages=[{"role": "user", "content": text}]) for n in range(512)
    )
    assert len(content) > 32 << 20
    done = ended(client, create(client, upload(client, provider, content)))
    with client.files.with_streaming_response.content(done.output_file_id) as answer:
        assert sum(1 for _ in answer.iter_lines()) == 512
    grown = [rss(one) - was for one, was in zip(gateway.processes, before)]
    assert max(grown) < 32 << 20, grown


# --- Anthropic ---------------------------------------------------------------------------------


def test_a_file_is_a_message_batch_from_its_upload_on(start, sim, sdk):
    gateway = start(config(sim, "anthropic"))
    client = sdk(gateway)
    file = upload(client, "anthropic", lines("anthropic", "one", "two"))
    [made] = [one for one in sim.requests() if one["method"] == "POST"]
    assert made["path"] == "/v1/messages/batches" and made["status"] == 200
    own = anthropic.Anthropic(base_url=gateway.url + "/anthropic", api_key="k", max_retries=0)
    [batch] = own.messages.batches.list()
    stored.finished(
        lambda: own.messages.batches.retrieve(batch.id), lambda b: b.processing_status == "ended"
    )
    done = ended(client, create(client, file))
    assert [one["custom_id"] for one in results(client, done)] == ["one", "two"]
    # Two batches of one file are one.
    assert create(client, file).id == done.id
    with pytest.raises(openai.BadRequestError, match="given back by the provider to nobody"):
        client.files.content(file.id)
    assert client.files.delete(file.id).deleted is False
    assert client.files.delete(done.output_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(done.id)


def test_deleting_a_file_of_requests_stops_its_message_batch(start, sim, sdk):
    client = sdk(start(config(sim, "anthropic")))
    file = upload(client, "anthropic")
    assert client.files.delete(file.id).deleted
    done = ended(client, create(client, file))
    assert done.status == "cancelled"
    [result] = results(client, done)
    assert result["response"] is None and result["error"]["code"] == "batch_cancelled"


def test_lines_may_name_several_of_claudes_models(start, sim, sdk):
    client = sdk(start(config(sim, "anthropic")))
    content = lines("anthropic", "a") + lines("anthropic", "b", model="claude-haiku-4-5")
    done = ended(client, create(client, upload(client, "anthropic", content)))
    models = [one["response"]["body"]["model"] for one in results(client, done)]
    assert models == ["claude-sonnet-4-5", "claude-haiku-4-5"]


def test_an_upload_that_is_cut_begins_no_message_batch(start, sim):
    gateway = start(config(sim, "anthropic"))
    with stored.slow_upload(gateway, 20 << 20, "/v1/files?provider=anthropic") as slow:
        for n in range(50):
            slow.sendall(lines("anthropic", f"n-{n}"))
    client = openai.OpenAI(base_url=gateway.url + "/v1", api_key="k", max_retries=0)
    assert [*client.batches.list(extra_query={"provider": "anthropic"})] == []
    made = [one for one in sim.requests() if one["method"] == "POST"]
    assert all(one["status"] != 200 for one in made), made


def test_what_anthropic_refuses_is_told_in_the_clients_words(start, sim, sdk):
    client = sdk(start(config(sim, "anthropic")))
    with pytest.raises(openai.BadRequestError, match="Custom ids must be unique"):
        upload(client, "anthropic", lines("anthropic", "one", "one"))
    sim.rule("status=403", path="/v1/messages/batches")
    with pytest.raises(openai.PermissionDeniedError) as refused:
        upload(client, "anthropic")
    assert refused.value.body["message"] and refused.value.body["type"]


# --- Gemini ------------------------------------------------------------------------------------


def test_all_lines_of_a_google_batch_are_for_one_model(start, sim, sdk):
    client = sdk(start(config(sim, "gemini")))
    content = lines("gemini", "a") + lines("gemini", "b", model="gemini-2.5-pro")
    with pytest.raises(openai.BadRequestError, match="line 2 of the file: body.model: expected"):
        upload(client, "gemini", content)
    file = upload(client, "gemini")
    with pytest.raises(openai.BadRequestError, match="the lines of the file are for"):
        create(client, file, endpoint="/v1/responses")
    create(client, file)
    [made] = [one for one in sim.requests() if "batchGenerateContent" in one["path"]]
    assert made["path"] == "/v1beta/models/gemini-2.5-flash:batchGenerateContent"


def test_a_file_of_googles_own_is_no_batch_of_openais(start, sim, sdk):
    gateway = start(config(sim, "gemini"))
    batch_file(google(gateway), "one")
    client = sdk(gateway)
    [file] = client.files.list(extra_query={"provider": "gemini"})
    with pytest.raises(openai.BadRequestError, match="not uploaded here") as refused:
        create(client, file)
    assert refused.value.param == "input_file_id"
    assert client.files.delete(file.id).deleted


# --- Vertex AI ---------------------------------------------------------------------------------


def test_a_job_of_vertex_is_over_objects_in_the_keys_bucket(start, sim, sdk):
    client = sdk(start(config(sim, "vertex")))
    asked = {"input": "hi", "metadata": {"a": "b"}}
    file = upload(client, "vertex", line("vertex", "Eins", "/v1/responses", **asked))
    batch = create(client, file, endpoint="/v1/responses")
    [result] = results(client, ended(client, batch))
    # The name went along in the request's labels, and is told as nothing else.
    assert result["custom_id"] == "Eins"
    assert "weir_id" not in json.dumps(result)
    made = {one["path"] for one in sim.requests() if one["method"] in ("POST", "PUT")}
    assert made == {f"/upload/storage/v1/b/{vertex.BUCKET}/o", vertex.JOBS}
    jobs = [one for one in sim.requests() if one["path"] == vertex.JOBS]
    assert jobs and all(one["status"] == 200 for one in jobs)


def test_files_for_other_purposes_are_objects_too(start, sim, sdk, accounts):
    buckets = [{"bucket_name": "first-b"}, {"bucket_name": "second-b", "is_default": True}]
    keys = [accounts.key("a", buckets=buckets)]
    client = sdk(start(Config().provider("vertex", sim.url, keys)))
    extra = {"extra_body": {"provider": "vertex"}}
    query = {"extra_query": {"provider": "vertex"}}
    content = b"0123456789" * (1 << 20)
    files = [
        client.files.create(file=(f"{n}.bin", content[: n * 9 << 20]), purpose="user_data", **extra)
        for n in range(2)
    ]
    assert client.files.content(files[1].id).content == content[: 9 << 20]
    assert client.files.content(files[0].id).content == b""
    assert client.files.retrieve(files[1].id).bytes == 9 << 20
    assert {one["path"].split("/")[5] for one in sim.requests() if one["method"] == "PUT"} == {
        "second-b"
    }
    for limit in (1, 2, 100):
        listed = [one.id for one in client.files.list(limit=limit, **query)]
        assert sorted(listed) == sorted(one.id for one in files), limit
    assert client.files.delete(files[0].id).deleted
    assert [one.id for one in client.files.list(**query)] == [files[1].id]


def test_models_that_have_no_batches_at_vertex_are_refused(start, sim, sdk):
    client = sdk(start(config(sim, "vertex")))
    content = lines("vertex", "a", model="vertex/claude-sonnet-4-5")
    with pytest.raises(openai.APIStatusError, match="no batches for `claude-sonnet-4-5`"):
        upload(client, "vertex", content)
    assert not [one for one in sim.requests() if one["method"] == "PUT"]


def test_a_key_of_vertex_without_a_bucket_names_the_field(start, sim, sdk, accounts):
    keys = [accounts.key("a", buckets=[])]
    client = sdk(start(Config().provider("vertex", sim.url, keys)))
    with pytest.raises(openai.APIStatusError, match="vertex_key_config.batch_gcs_config.buckets"):
        upload(client, "vertex")


def test_what_vertex_says_of_a_job_that_fails_is_told(start, sim, sdk):
    client = sdk(start(config(sim, "vertex")))
    file = upload(client, "vertex")
    batch = create(client, file)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    assert ended(client, batch).status == "completed"
    sim.rule("status=403", path=vertex.JOBS)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        create(client, upload(client, "vertex"))
    assert refused.value.body["message"]


def test_an_upload_that_is_cut_leaves_nothing_at_vertex(start, sim, accounts):
    gateway = start(config(sim, "vertex"))
    head = stored.slow_upload(gateway, 20 << 20, "/v1/files?provider=vertex")
    with head as slow:
        record = {"request": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}}
        one = json.dumps(record).encode() + b"\n"
        slow.sendall(one * ((10 << 20) // len(one)))
        # A part has come and the session is open.
        stored.finished(
            lambda: sim.requests(),
            lambda seen: any((one["method"], one["status"]) == ("PUT", 308) for one in seen),
        )
    seen = stored.finished(
        lambda: sim.requests(), lambda seen: any(one["method"] == "DELETE" for one in seen)
    )
    (given_up,) = [one for one in seen if one["method"] == "DELETE"]
    (part,) = [one for one in seen if one["method"] == "PUT"]
    assert given_up["path"] == part["path"] and given_up["status"] == 499
    sim.wait_in_flight(0, timeout=30.0)
    client = openai.OpenAI(base_url=gateway.url + "/v1", api_key="k", max_retries=0)
    assert [*client.files.list(extra_query={"provider": "vertex"})] == []
