"""Files in buckets and batches as jobs over them, with OpenAI's client: S3 and Bedrock behind it."""

import collections
import json

import openai
import pytest
from harness import buckets, clouds, stored
from harness.buckets import s3  # noqa: F401
from harness.callers import moto, served  # noqa: F401
from harness.config import Config, Key
from test_bounds import rss

MIB = 1 << 20
ENDS = {"completed", "failed", "cancelled", "expired"}
WITH = {"extra_body": {"provider": "bedrock"}}


def upload(client, content: bytes = b"", **more):
    return stored.upload(client, content or buckets.lines("one"), **more)


def objects(sim, key: Key, name: str = buckets.BUCKET) -> dict[str, int]:
    """The objects of a bucket, as Amazon's own client sees them, and their lengths."""
    found = buckets.client("s3", sim.url, key).list_objects_v2(Bucket=name)
    return {one["Key"]: one["Size"] for one in found.get("Contents", [])}


def ended(client, batch):
    return stored.finished(lambda: client.batches.retrieve(batch.id), lambda b: b.status in ENDS)


def results(client, batch) -> list[dict]:
    return [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]


@pytest.mark.parametrize("path", ["/v1", "", "/openai/v1"])
def test_the_life_of_a_file(start, sim, sdk, path):
    key = buckets.key("a")
    client = sdk(start(buckets.config(sim.url, key)), path)
    more = {"extra_query": {"provider": "bedrock"}}
    content = b"some text\n" * 10
    made = client.files.create(file=("notes ä.txt", content), purpose="user_data", **more)
    assert made.id.startswith("file-weir") and made.bytes == len(content)
    assert (made.filename, made.purpose, made.status) == ("notes__.txt", "user_data", "processed")
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == content
    assert [one.id for one in client.files.list(**more)] == [made.id]
    [(name, size)] = objects(sim, key).items()
    assert name.startswith("p/q/user_data/") and name.endswith("/notes__.txt") and size == 100
    assert client.files.delete(made.id).deleted and not objects(sim, key)
    with pytest.raises(openai.NotFoundError) as gone:
        client.files.retrieve(made.id)
    assert "no such file" in gone.value.message
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.files.content(made.id)


def test_the_life_of_a_batch(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url)))
    file = upload(client, buckets.lines("one", "two") + b"\n", **WITH)
    batch = buckets.create(client, file)
    assert batch.id.startswith("batch_weir") and batch.input_file_id == file.id
    assert (batch.endpoint, batch.completion_window) == (stored.CHAT, "24h")
    done = ended(client, batch)
    assert (done.status, done.input_file_id) == ("completed", file.id)
    assert (done.request_counts.total, done.request_counts.completed) == (2, 2)
    first, second = results(client, done)
    assert (first["custom_id"], second["custom_id"]) == ("one", "two")
    answer = first["response"]["body"]
    assert first["response"]["status_code"] == 200 and answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"].endswith("You said: hi")
    assert answer["model"] == buckets.MODEL and answer["usage"]["total_tokens"] > 0
    assert [one.id for one in client.batches.list(limit=1, extra_query={"provider": "bedrock"})] == [
        batch.id
    ]
    # The requests that were sent are those of Bedrock's own batches.
    [made] = [one for one in sim.requests() if one["path"] == "/model-invocation-job"]
    assert made["status"] == 200


def test_lines_for_responses_are_answered_as_responses(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url)))
    body = {"model": buckets.MODEL, "input": "hi", "instructions": "Be brief."}
    line = {"custom_id": "r", "method": "POST", "url": "/v1/responses", "body": body}
    file = upload(client, json.dumps(line).encode(), **WITH)
    done = ended(client, buckets.create(client, file, endpoint="/v1/responses"))
    [result] = results(client, done)
    answer = openai.types.responses.Response.model_validate(result["response"]["body"])
    assert answer.output_text.endswith("You said: hi") and answer.status == "completed"


def test_a_line_that_fails_says_so_in_the_results(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url)))
    # The result of a call that nobody made.
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "tool", "tool_call_id": "call_1", "content": "x"},
    ]
    body = {"model": buckets.MODEL, "messages": messages}
    line = {"custom_id": "bad", "method": "POST", "url": stored.CHAT, "body": body}
    content = buckets.lines("good") + json.dumps(line).encode()
    done = ended(client, buckets.create(client, upload(client, content, **WITH)))
    assert (done.request_counts.completed, done.request_counts.failed) == (1, 1)
    good, failed = results(client, done)
    assert good["response"]["status_code"] == 200
    assert failed["custom_id"] == "bad" and failed["response"]["status_code"] == 400
    assert "tool" in failed["response"]["body"]["error"]["message"]


def test_a_batch_of_bedrocks_own_records(start, sim, sdk):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    client = sdk(gateway)
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    record = json.dumps({"recordId": "r1", "modelInput": asked}).encode() + b"\n"
    file = upload(client, record, **WITH)
    assert client.files.content(file.id).read() == record
    with pytest.raises(openai.BadRequestError, match="name no model") as refused:
        buckets.create(client, file)
    assert refused.value.param == "model"
    more = {"model": f"bedrock/{buckets.MODEL}", "model_invocation_type": "Converse"}
    batch = buckets.create(client, file, extra_body=more)
    done = ended(client, batch)
    [result] = results(client, done)
    assert result["recordId"] == "r1" and result["modelInput"] == asked
    [block] = result["modelOutput"]["output"]["message"]["content"]
    assert block["text"].endswith("You said: hi")


def test_a_batch_is_canceled(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url)))
    batch = buckets.create(client, upload(client, **WITH))
    canceled = client.batches.cancel(batch.id)
    assert (canceled.id, canceled.status) == (batch.id, "cancelling")
    assert ended(client, batch).status == "cancelled"


def test_a_restart_of_everything_in_the_middle(start, sim, sdk):
    config = buckets.config(sim.url, buckets.key("a"), buckets.key("b"))
    secret = stored.secret()
    first = start(config, env=secret)
    file = upload(sdk(first), **WITH)
    batch = buckets.create(sdk(first), file)
    first.stop()
    first.may_have_ended = True
    client = sdk(start(config, env=secret))
    done = ended(client, batch)
    assert (done.status, done.input_file_id) == ("completed", file.id)
    assert results(client, done)[0]["custom_id"] == "one"
    assert client.files.delete(file.id).deleted


def test_files_spread_by_weight_and_batches_follow_them(start, sim, sdk):
    a, b = buckets.key("a", 3.0), buckets.key("b", 1.0)
    chats = buckets.key("chats", 9.0)
    chats.extra["use_for_batch_api"] = False
    config = buckets.config(sim.url, a, b, chats)
    client = sdk(start(config))
    batches = [buckets.create(client, upload(client, **WITH)) for _ in range(24)]
    by_path = collections.defaultdict(collections.Counter)
    names = {buckets.access_key(key): key.name for key in (a, b, chats)}
    for one in sim.requests():
        kind = "jobs" if one["path"] == "/model-invocation-job" else one["method"]
        by_path[kind][names[one["key"]]] += 1
    assert by_path["jobs"] == by_path["PUT"] and set(by_path["PUT"]) == {"a", "b"}
    assert 14 <= by_path["PUT"]["a"] <= 22, by_path
    listed = client.batches.list(limit=5, extra_query={"provider": "bedrock"})
    assert sorted(one.id for one in listed) == sorted(one.id for one in batches)


def test_lists_go_on_page_by_page_over_buckets(start, sim, sdk):
    more = {"extra_query": {"provider": "bedrock"}}
    key = buckets.key("a", buckets=[buckets.bucket(prefix="x", is_default=True), buckets.bucket("other-one")])
    client = sdk(start(buckets.config(sim.url, key)))
    made = {upload(client, **WITH).id for _ in range(7)}
    other = buckets.client("s3", sim.url, key)
    other.put_object(Bucket="other-one", Key="some where/else+1.txt", Body=b"abc")
    other.put_object(Bucket=buckets.BUCKET, Key="outside/of/the/prefix", Body=b"abc")
    for limit in (1, 3, 8, 100):
        listed = [(one.id, one.filename) for one in client.files.list(limit=limit, **more)]
        assert len(listed) == 8 and {id for id, _ in listed} > made, limit
        assert listed[-1][1] == "else+1.txt"
    assert client.files.content(listed[-1][0]).read() == b"abc"
    only = client.files.list(purpose="batch", **more)
    assert {one.id for one in only} == made
    with pytest.raises(openai.BadRequestError, match="newest first"):
        client.files.list(order="asc", **more)


def test_a_purpose_may_stand_behind_a_short_file(start, sim):
    gateway = start(buckets.config(sim.url))
    file = b'name="file"; filename="in.jsonl"\r\n\r\n' + buckets.lines("one") + b"\r\n"
    purpose = b'name="purpose"\r\n\r\nbatch\r\n'
    begin = b"--b\r\nContent-Disposition: form-data; "
    form = begin + file + begin + purpose + b"--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = gateway.request("POST", "/v1/files?provider=bedrock", form, headers=headers)
    assert answer.status == 200 and answer.json()["purpose"] == "batch", answer.body


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no json", "line 1 of the file"),
        (b"\n\n", "no lines"),
        (b"{}", "custom_id: missing"),
        (buckets.lines("a", url="/v1/embeddings"), "expected /v1/chat/completions or /v1/responses"),
        (buckets.lines("a") + buckets.lines("b", model="other"), "line 2 of the file: body.model"),
        (buckets.lines("a") + b'{"recordId":"x","modelInput":{}}', "a record of the provider"),
    ],
)
def test_lines_that_make_no_sense_are_refused_and_leave_nothing(start, sim, sdk, content, why):
    key = buckets.key("a")
    client = sdk(start(buckets.config(sim.url, key)))
    with pytest.raises(openai.BadRequestError) as refused:
        upload(client, content, **WITH)
    assert why in refused.value.message, refused.value.message
    assert not objects(sim, key)


def test_requests_that_cannot_be_are_refused_with_the_member(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url)))
    file = upload(client, **WITH)
    for more, param in [
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"completion_window": "2h"}, "completion_window"),
        ({"extra_body": {"role_arn": None}}, "role_arn"),
        ({"extra_body": {"model": "bedrock/another"}}, "model"),
    ]:
        with pytest.raises(openai.BadRequestError) as refused:
            buckets.create(client, file, **more)
        assert refused.value.param == param, (more, refused.value.body)
    with pytest.raises(openai.BadRequestError, match="purpose: expected"):
        client.files.create(file=("x", b"x"), purpose="batch_output", **WITH)


def test_what_a_job_has_no_member_for_is_named(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url)))
    file = upload(client, **WITH)
    asked = {"endpoint": stored.CHAT, "completion_window": "24h", "metadata": {"a": "b"}}
    extra = {"role_arn": buckets.ROLE}
    made = client.batches.with_raw_response.create(input_file_id=file.id, extra_body=extra, **asked)
    assert made.headers["x-weir-losses"] == "metadata"


def test_only_the_keys_own_buckets_are_reached(start, sim, sdk):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    buckets.client("s3", sim.url, key).put_object(Bucket="others-bucket", Key="x", Body=b"secret")
    for place in ("s3://others-bucket/x", f"s3://{buckets.BUCKET}/outside", f"s3://{buckets.BUCKET}/p/q/../x"):
        for path in (f"/v1/files/{place}", f"/v1/files/{place}/content"):
            answer = gateway.request("GET", f"{path}?provider=bedrock")
            assert answer.status == 404 and b"secret" not in answer.body, (place, answer.body)
    # An address of its own is as good as an id where one key can be meant.
    made = buckets.client("s3", sim.url, key)
    made.put_object(Bucket=buckets.BUCKET, Key="p/q/mine.txt", Body=b"mine")
    answer = gateway.request("GET", f"/v1/files/s3://{buckets.BUCKET}/p/q/mine.txt/content")
    assert answer.body == b"mine"


def test_a_large_file_goes_in_parts_and_is_not_held(start, sim, sdk):
    size = 40 * MIB
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key), log_level="info")
    client = sdk(gateway, timeout=60.0)
    client.files.create(file=("x", b"x"), purpose="user_data", **WITH)
    before = [rss(process) for process in gateway.processes]
    content = b"0123456789abcde\n" * (size // 16)
    file = client.files.create(file=("x.bin", content), purpose="user_data", **WITH)
    with client.files.with_streaming_response.content(file.id) as answer:
        assert sum(len(chunk) for chunk in answer.iter_bytes()) == size
    grown = [rss(one) - was for one, was in zip(gateway.processes, before)]
    assert max(grown) < 40 * MIB, grown
    assert size in objects(sim, key).values()
    parts = [one for one in sim.requests() if one["method"] == "PUT" and one["body_bytes"] == 8 * MIB]
    assert len(parts) == 5


def test_an_upload_that_is_cut_is_taken_back(start, sim):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    head = stored.slow_upload(gateway, 20 * MIB, "/v1/files?provider=bedrock")
    with head as slow:
        slow.sendall(b'{"recordId":"a","modelInput":{}}\n' * (10 * MIB // 33))
        stored.finished(lambda: sim.requests(), lambda seen: any(one["method"] == "PUT" for one in seen))
    seen = stored.finished(
        lambda: sim.requests(), lambda seen: any(one["method"] == "DELETE" for one in seen)
    )
    (taken_back,) = [one for one in seen if one["method"] == "DELETE"]
    assert not objects(sim, key) and taken_back["status"] in (0, 204)


def test_errors_of_the_service_are_told_in_the_clients_words(start, sim, sdk):
    key = buckets.key("a", buckets=[buckets.bucket("missing-bucket")])
    client = sdk(start(buckets.config(sim.url, key, max_retries=0)))
    with pytest.raises(openai.NotFoundError, match="The specified bucket does not exist"):
        upload(client, **WITH)
    sim.rule("status=403", path="/missing-bucket/")
    with pytest.raises(openai.PermissionDeniedError, match="Access Denied"):
        client.files.list(extra_query={"provider": "bedrock"})


def test_a_bucket_in_another_region_says_so(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url, max_retries=0)))
    sim.rule("status=400", path=f"/{buckets.BUCKET}/", headers={"x-amz-bucket-region": "eu-west-9"})
    with pytest.raises(openai.APIStatusError, match="region eu-west-9"):
        client.files.list(extra_query={"provider": "bedrock"})


# --- Fields ------------------------------------------------------------------------------------


def test_field_buckets_bucket_name_and_prefix_and_is_default(start, sim, sdk):
    several = [
        buckets.bucket("first-one"),
        buckets.bucket("second-one", prefix="/deep/er/", is_default=True),
    ]
    key = buckets.key("a", buckets=several)
    client = sdk(start(buckets.config(sim.url, key)))
    upload(client, **WITH)
    assert not objects(sim, key, "first-one")
    [name] = objects(sim, key, "second-one")
    assert name.startswith("deep/er/batch/") and name.endswith("/in.jsonl")


def test_several_buckets_without_a_default_are_not_guessed(start, sim, sdk):
    key = buckets.key("a", buckets=[buckets.bucket("first-one"), buckets.bucket("second-one")])
    client = sdk(start(buckets.config(sim.url, key)))
    with pytest.raises(openai.BadRequestError, match="names 2 buckets and none has is_default"):
        upload(client, **WITH)
    assert not sim.requests()


def test_a_key_without_a_bucket_says_which_field_is_missing(start, sim, sdk):
    client = sdk(start(buckets.config(sim.url, buckets.key("a", buckets=[]))))
    with pytest.raises(openai.BadRequestError, match="batch_s3_config.buckets names none"):
        upload(client, **WITH)
    with pytest.raises(openai.BadRequestError, match="batch_s3_config.buckets names none"):
        client.files.list(extra_query={"provider": "bedrock"})
    assert not sim.requests()


def test_a_key_without_a_bucket_is_not_asked_where_another_has_one(start, sim, sdk):
    a, b = buckets.key("a", 9.0, buckets=[]), buckets.key("b", 1.0)
    client = sdk(start(buckets.config(sim.url, a, b)))
    made = [upload(client, **WITH).id for _ in range(5)]
    assert {one.id for one in client.files.list(extra_query={"provider": "bedrock"})} == set(made)
    assert {one["key"] for one in sim.requests()} == {buckets.access_key(b)}


def test_an_api_key_opens_no_bucket(start, sim, sdk):
    block = {"region": buckets.REGION, "batch_s3_config": {"buckets": [buckets.bucket()]}}
    key = Key("a", extra={"use_for_batch_api": True, "bedrock_key_config": block})
    client = sdk(start(Config().provider("bedrock", sim.url, [key])))
    with pytest.raises(openai.BadRequestError, match="opens no bucket"):
        upload(client, **WITH)


# Each worker is granted access keys of its own, by which the simulator tells accounts apart.
@pytest.mark.topologies("all-in-one-memory", "all-in-one-redis", "processes")
def test_the_keys_role_works_off_batches_whose_request_names_none(start, sim, sdk, moto):
    key = buckets.key("a", role_arn=clouds.ROLE)
    client = sdk(start(buckets.config(sim.url, key), env={"AWS_ENDPOINT_URL_STS": moto.url}))
    file = upload(client, **WITH)
    batch = client.batches.create(
        input_file_id=file.id, endpoint=stored.CHAT, completion_window="24h"
    )
    assert ended(client, batch).status == "completed"
    # Whoever signs is that role too.
    assert len({one["key"] for one in sim.requests()}) == 1
    assert sim.requests()[0]["key"] != buckets.access_key(key)


# --- A second opinion --------------------------------------------------------------------------


def test_files_live_in_motos_s3_as_well(start, s3, sdk):
    key = buckets.key("a")
    own = buckets.client("s3", s3, key)
    own.create_bucket(Bucket=buckets.BUCKET)
    client = sdk(start(buckets.config(s3, key)), timeout=60.0)
    more = {"extra_query": {"provider": "bedrock"}}
    long = b"0123456789abcde\n" * (20 * MIB // 16)
    contents = [b"a", b"", long, *(b"%d" % n for n in range(5))]
    made = [
        client.files.create(file=(f"f {n}+.bin", content), purpose="user_data", **more)
        for n, content in enumerate(contents)
    ]
    for file, content in zip(made, contents):
        assert client.files.content(file.id).read() == content
        assert client.files.retrieve(file.id).bytes == len(content)
    own.put_object(Bucket=buckets.BUCKET, Key="p/q/ä & <b>/c d+.txt", Body=b"x")
    for limit in (3, 100):
        listed = [one.filename for one in client.files.list(limit=limit, **more)]
        assert sorted(listed) == sorted([*(file.filename for file in made), "c d+.txt"])
    records = own.get_object(Bucket=buckets.BUCKET, Key=name_of(own, upload(client, **WITH)))
    record = json.loads(records["Body"].read())
    assert record["recordId"] == "one"
    assert record["modelInput"]["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
    assert client.files.delete(made[0].id).deleted
    with pytest.raises(openai.NotFoundError, match="no such file"):
        client.files.retrieve(made[0].id)
    assert not own.list_multipart_uploads(Bucket=buckets.BUCKET).get("Uploads")


def name_of(own, file) -> str:
    found = own.list_objects_v2(Bucket=buckets.BUCKET, Prefix=f"p/q/{file.purpose}/")
    [one] = found["Contents"]
    return one["Key"]


# --- Amazon's own client -----------------------------------------------------------------------


def job(own, gateway_url: str, key: Key, bucket: str = buckets.BUCKET, prefix: str = "p/q", **more):
    """A job over a record that stands in S3 already."""
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    record = json.dumps({"recordId": "CALL0000001", "modelInput": asked})
    own.put_object(Bucket=bucket, Key=f"{prefix}/in.jsonl", Body=record.encode())
    client = buckets.client("bedrock", gateway_url)
    made = client.create_model_invocation_job(
        jobName="my-job",
        roleArn=buckets.ROLE,
        modelId=buckets.MODEL,
        modelInvocationType="Converse",
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{bucket}/{prefix}/in.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{bucket}/{prefix}/out/"}},
        **more,
    )
    return client, made["jobArn"]


def test_the_life_of_a_job_with_amazons_client(start, sim):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    own = buckets.client("s3", sim.url, key)
    client, arn = job(own, gateway.url + "/bedrock", key)
    assert arn.startswith("weir")
    done = stored.finished(
        lambda: client.get_model_invocation_job(jobIdentifier=arn),
        lambda told: told["status"] == "Completed",
    )
    assert (done["jobArn"], done["jobName"], done["successRecordCount"]) == (arn, "my-job", 1)
    assert [one["jobArn"] for one in client.list_model_invocation_jobs()["invocationJobSummaries"]] == [arn]
    assert any("/out/" in name and name.endswith("in.jsonl.out") for name in objects(sim, key))
    _, second = job(own, gateway.url + "/bedrock", key)
    client.stop_model_invocation_job(jobIdentifier=second)
    assert client.get_model_invocation_job(jobIdentifier=second)["status"] in ("Stopping", "Stopped")
    pages = client.get_paginator("list_model_invocation_jobs").paginate(
        sortBy="CreationTime", sortOrder="Descending", PaginationConfig={"PageSize": 1}
    )
    found = [one["jobArn"] for page in pages for one in page["invocationJobSummaries"]]
    assert found == [second, arn]


def test_a_job_goes_to_the_key_that_has_its_bucket(start, sim):
    a = buckets.key("a", buckets=[buckets.bucket("bucket-a")])
    b = buckets.key("b", buckets=[buckets.bucket("bucket-b")])
    gateway = start(buckets.config(sim.url, a, b))
    for key, name in [(a, "bucket-a"), (b, "bucket-b")] * 3:
        own = buckets.client("s3", sim.url, key)
        client, arn = job(own, gateway.url + "/bedrock", key, bucket=name)
        assert client.get_model_invocation_job(jobIdentifier=arn)["jobArn"] == arn
    made = collections.Counter(
        one["key"] for one in sim.requests() if one["path"] == "/model-invocation-job"
    )
    assert made == {buckets.access_key(a): 3, buckets.access_key(b): 3}
    with pytest.raises(client.exceptions.AccessDeniedException, match="in none of the buckets"):
        job(own, gateway.url + "/bedrock", b, bucket="others-bucket")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_model_invocation_job(jobIdentifier="weirAAAA")
    # What Bedrock itself refuses is told in its own words.
    with pytest.raises(client.exceptions.ValidationException, match="clientRequestToken"):
        job(own, gateway.url + "/bedrock", b, bucket="bucket-b", clientRequestToken="-")
