"""Files and batches in forms of their vendors' own: Mistral's jobs, Google's files and operations."""

import collections
import io
import json

import pytest
from google import genai
from google.genai import errors, types
from harness import stored
from harness.config import Config
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from test_bounds import rss

CHAT = "/v1/chat/completions"


def owners(config, sim, part: str) -> list[str]:
    """The keys of the calls to the simulator whose paths hold `part`."""
    names = {key.secret: name for name, key in config.keys.items()}
    return [names[one["key"]] for one in sim.requests() if part in one["path"]]


def nothing_of_ours(sim) -> bool:
    said = [one["path"] + (one["body"] or "") for one in sim.requests()]
    return bool(said) and not any("weir" in one for one in said)


# --- Mistral -----------------------------------------------------------------------------------


def mistral_config(sim, **weights: float) -> Config:
    keys = stored.keys(**(weights or {"a": 1.0, "b": 1.0}))
    return Config().provider("mistral", f"{sim.url}/mistral", keys)


def mistral(gateway) -> Mistral:
    return Mistral(server_url=f"{gateway.url}/mistral", api_key="k")


def line(custom_id: str, **more) -> dict:
    return {"custom_id": custom_id, "body": {"messages": [{"role": "user", "content": "hi"}], **more}}


def mistral_file(client, *ids: str):
    content = b"".join(json.dumps(line(id)).encode() + b"\n" for id in ids)
    return client.files.upload(
        file={"file_name": "in.jsonl", "content": content}, purpose="batch"
    )


def job_ended(client, job):
    running = {"QUEUED", "RUNNING", "CANCELLATION_REQUESTED"}
    return stored.finished(
        lambda: client.batch.jobs.get(job_id=job.id), lambda job: job.status not in running
    )


def test_the_life_of_a_job(start, sim):
    config = mistral_config(sim)
    client = mistral(start(config))
    file = mistral_file(client, "one", "two")
    assert "weir" in file.id and client.files.retrieve(file_id=file.id).id == file.id
    job = client.batch.jobs.create(
        endpoint=CHAT, input_files=[file.id], model="mistral-small-latest", metadata={"a": "b"}
    )
    assert (job.input_files, job.metadata) == ([file.id], {"a": "b"})
    done = job_ended(client, job)
    assert (done.id, done.status, done.succeeded_requests) == (job.id, "SUCCESS", 2)
    text = client.files.download(file_id=done.output_file).read().decode()
    results = [json.loads(one) for one in text.splitlines()]
    assert [one["custom_id"] for one in results] == ["one", "two"]
    said = results[0]["response"]["body"]["choices"][0]["message"]["content"]
    assert said.endswith("You said: hi")
    assert client.batch.jobs.delete(job_id=job.id).id == job.id
    with pytest.raises(SDKError) as refused:
        client.batch.jobs.get(job_id=job.id)
    assert refused.value.status_code == 404
    assert client.files.delete(file_id=file.id).deleted
    assert nothing_of_ours(sim)


def test_jobs_are_where_their_files_are_and_lists_are_of_all(start, sim):
    config = mistral_config(sim, a=3.0, b=1.0)
    client = mistral(start(config))
    files = [mistral_file(client, "one") for _ in range(16)]
    jobs = [
        client.batch.jobs.create(endpoint=CHAT, input_files=[one.id], model="m") for one in files
    ]
    uploads, made = owners(config, sim, "/v1/files"), owners(config, sim, "/v1/batch/jobs")
    assert uploads == made and set(made) == {"a", "b"}
    listed = client.batch.jobs.list(page_size=100)
    assert {one.id for one in listed.data} == {one.id for one in jobs} and listed.total == 16
    pages, page = [], 0
    while some := client.batch.jobs.list(page=page, page_size=3).data:
        pages += [one.id for one in some]
        page += 1
    assert sorted(pages) == sorted(one.id for one in jobs)
    assert {one.id for one in client.files.list(page_size=100).data} == {one.id for one in files}
    pair = [files[made.index(key)].id for key in ("a", "b")]
    with pytest.raises(SDKError, match="different keys"):
        client.batch.jobs.create(endpoint=CHAT, input_files=pair, model="m")


def test_requests_of_a_job_may_come_with_it_and_it_is_canceled(start, sim):
    client = mistral(start(mistral_config(sim)))
    job = client.batch.jobs.create(endpoint=CHAT, requests=[line("one")], model="m")
    canceled = client.batch.jobs.cancel(job_id=job.id)
    assert (canceled.id, canceled.status) == (job.id, "CANCELLATION_REQUESTED")
    assert job_ended(client, job).status == "CANCELLED"


def test_forged_ids_of_jobs(start, sim):
    client = mistral(start(mistral_config(sim)))
    job = client.batch.jobs.create(endpoint=CHAT, requests=[line("one")], model="m")
    for id in (job.id + "x", job.id[:-1] + ("A" if job.id[-1] != "A" else "B"), "weirAQAA"):
        with pytest.raises(SDKError) as refused:
            client.batch.jobs.get(job_id=id)
        assert refused.value.status_code == 404
        with pytest.raises(SDKError) as refused:
            client.batch.jobs.create(endpoint=CHAT, input_files=[id], model="m")
        assert refused.value.status_code == 404


# --- Google ------------------------------------------------------------------------------------


def google_config(sim, **weights: float) -> Config:
    keys = stored.keys(**(weights or {"a": 1.0, "b": 1.0}))
    return Config().provider("gemini", sim.url, keys)


def google(gateway, key: str = "k") -> genai.Client:
    options = types.HttpOptions(base_url=f"{gateway.url}/genai", timeout=20_000)
    return genai.Client(api_key=key, http_options=options)


def google_file(client, content: bytes = b"some words", kind: str = "text/plain", **more):
    config = types.UploadFileConfig(mime_type=kind, display_name="words", **more)
    return client.files.upload(file=io.BytesIO(content), config=config)


def batch_file(client, *ids: str):
    request = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    lines = [json.dumps({"key": id, "request": request}) for id in ids]
    return google_file(client, "\n".join(lines).encode(), "jsonl")


def operation_ended(client, batch):
    ends = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}
    return stored.finished(
        lambda: client.batches.get(name=batch.name), lambda batch: batch.state.name in ends
    )


def test_the_life_of_a_google_file(start, sim):
    config = google_config(sim)
    client = google(start(config))
    file = google_file(client)
    assert file.name.startswith("files/weir") and file.uri.endswith(f"/{file.name}")
    assert (file.display_name, file.mime_type, file.size_bytes) == ("words", "text/plain", 10)
    assert client.files.get(name=file.name) == file
    # The library cuts an address at what is no small letter or digit.
    assert client.files.get(name=file.uri).name == file.name
    assert [one.name for one in client.files.list()] == [file.name]
    with pytest.raises(errors.ClientError, match="generated"):
        client.files.download(file=file.name)
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError):
        client.files.get(name=file.name)
    assert nothing_of_ours(sim)


def test_a_google_file_comes_in_pieces_to_one_key(start, sim):
    config = google_config(sim)
    gateway = start(config)
    client = google(gateway)
    # More than the library sends at once.
    content = b"0123456789abcdef" * (1 << 20)
    files = [google_file(client, content) for _ in range(4)]
    assert {file.size_bytes for file in files} == {len(content)}
    calls = owners(config, sim, "/upload/")
    steps = [calls[at : at + 3] for at in range(0, len(calls), 3)]
    assert all(len(set(three)) == 1 for three in steps), calls
    # Whoever makes up an upload has none.
    forged = gateway.request("POST", "/genai/upload/v1beta/files?upload_id=AHmgid1", b"x")
    assert forged.status == 404


def test_a_large_google_file_passes_and_is_not_held(start, sim):
    gateway = start(google_config(sim), log_level="info")
    client = google(gateway)
    google_file(client)
    before = [rss(process) for process in gateway.processes]
    file = google_file(client, b"0123456789abcdef" * (4 << 20))
    assert file.size_bytes == 64 << 20
    grown = [rss(one) - was for one, was in zip(gateway.processes, before)]
    assert max(grown) < 24 << 20, grown


def test_google_files_are_their_clients(start, sim):
    config = google_config(sim)
    clients = config.clients("one", "two", provider="gemini", allowed_models=["*"])
    gateway = start(config)
    one, two = (google(gateway, secret) for secret in clients.values())
    file = google_file(one)
    assert one.files.get(name=file.name).name == file.name
    with pytest.raises(errors.ClientError) as refused:
        two.files.get(name=file.name)
    assert refused.value.code == 404
    with pytest.raises(errors.ClientError) as refused:
        two.models.generate_content(model="gemini-2.5-flash", contents=["what?", file])
    assert refused.value.code == 404
    with pytest.raises(errors.ClientError) as refused:
        one.files.list()
    assert refused.value.code == 403


def test_a_request_goes_where_its_file_is(start, sim):
    config = google_config(sim)
    client = google(start(config))
    files = [google_file(client, f"text {n}".encode()) for n in range(8)]
    uploads = owners(config, sim, "/upload/")[::2]
    for file in files:
        answer = client.models.generate_content(
            model="gemini/gemini-2.5-flash", contents=["what is it?", file]
        )
        assert answer.text
    assert owners(config, sim, ":generateContent") == uploads and len(set(uploads)) == 2
    assert nothing_of_ours(sim)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini/gemini-2.5-flash"])
def test_the_life_of_a_google_batch(start, sim, model):
    config = google_config(sim)
    client = google(start(config))
    files = [batch_file(client, "one", "two") for _ in range(6)]
    batches = [client.batches.create(model=model, src=file.name) for file in files]
    assert owners(config, sim, "/upload/")[::2] == owners(config, sim, ":batchGenerateContent")
    assert {one.name for one in client.batches.list()} == {one.name for one in batches}
    pages = client.batches.list(config={"page_size": 2})
    assert {one.name for one in pages} == {one.name for one in batches}
    for batch in batches[:3]:
        assert batch.name.startswith("batches/weir")
        done = operation_ended(client, batch)
        assert (done.name, done.state.name) == (batch.name, "JOB_STATE_SUCCEEDED")
        text = client.files.download(file=done.dest.file_name).decode()
        results = [json.loads(one) for one in text.splitlines()]
        assert [one["key"] for one in results] == ["one", "two"]
        assert "hi" in results[0]["response"]["candidates"][0]["content"]["parts"][0]["text"]
    client.batches.cancel(name=batches[3].name)
    client.batches.delete(name=batches[4].name)
    with pytest.raises(errors.ClientError):
        client.batches.get(name=batches[4].name)
    assert nothing_of_ours(sim)


def test_google_requests_may_come_with_their_batch(start, sim):
    client = google(start(google_config(sim)))
    requests = [{"contents": [{"role": "user", "parts": [{"text": f"hi {n}"}]}]} for n in range(2)]
    batch = client.batches.create(model="gemini-2.5-flash", src=requests)
    canceled = client.batches.create(model="gemini-2.5-flash", src=requests)
    client.batches.cancel(name=canceled.name)
    assert operation_ended(client, canceled).state.name == "JOB_STATE_CANCELLED"
    done = operation_ended(client, batch)
    said = [one.response.text for one in done.dest.inlined_responses]
    assert [text.endswith(f"hi {n}") for n, text in enumerate(said)] == [True, True]


def test_google_names_that_are_forged_or_whose_key_is_gone(start, sim):
    config, secret = google_config(sim), stored.secret()
    client = google(start(config, env=secret))
    files = [google_file(client, f"text {n}".encode()).name for n in range(8)]
    for name in (files[0] + "a", files[0][:-1] + ("a" if files[0][-1] != "a" else "b")):
        with pytest.raises(errors.ClientError) as refused:
            client.files.get(name=name)
        assert refused.value.code == 404
        part = types.Part.from_uri(file_uri=f"https://x/v1beta/{name}", mime_type="text/plain")
        with pytest.raises(errors.ClientError) as refused:
            client.models.generate_content(model="gemini-2.5-flash", contents=[part])
        assert refused.value.code == 404
    fewer = Config().provider("gemini", sim.url, [config.keys["a"]])
    fewer = google(start(fewer, env=secret))
    outcomes = collections.Counter()
    for name in files:
        try:
            outcomes[fewer.files.get(name=name).name == name] += 1
        except errors.ClientError as error:
            assert error.code == 404 and "key `b` of `gemini`" in error.message
            outcomes["removed"] += 1
    assert outcomes[True] and outcomes["removed"] and outcomes.total() == 8, outcomes
