"""Amazon's own client of S3 under /bedrock/s3: objects in the buckets that keys name."""

import io
import json
import socket

import botocore.exceptions
import pytest
from boto3.s3.transfer import TransferConfig
from harness import buckets, http, stored
from harness.buckets import s3  # noqa: F401
from test_bounds import rss
from test_buckets import objects

MIB = 1 << 20
AT = {"Bucket": buckets.BUCKET}
# A file over 1 MiB passes while it comes; what is longer than a part goes in parts.
PARTS = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB, max_concurrency=2)


def client(gateway, secret: str | None = None, **more):
    """Whoever uses it knows the gateway's address and, if there are any, a key of the gateway's."""
    own = buckets.client("s3", f"{gateway.url}/bedrock/s3", **more)
    if secret:
        own._request_signer._credentials.access_key = secret
    return own


def refused(call) -> tuple[str, int, str]:
    """S3's word, status and message of an error."""
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call()
    told = error.value.response
    status = told["ResponseMetadata"]["HTTPStatusCode"]
    return told["Error"]["Code"], status, told["Error"].get("Message", "")


def pattern(length: int) -> bytes:
    return (b"0123456789abcde\n" * (length // 16 + 1))[:length]


def life(own) -> None:
    """What applications do with files, whatever S3 is behind."""
    at = {**AT, "Key": "p/q/dir/notes ä+&.txt"}
    made = own.put_object(
        **at, Body=b"some text", ContentType="text/plain", Metadata={"a-key": "b"}
    )
    found = own.get_object(**at)
    assert found["Body"].read() == b"some text" and found["ETag"] == made["ETag"]
    assert (found["ContentType"], found["ContentLength"]) == ("text/plain", 9)
    assert found["Metadata"] == {"a-key": "b"} and found["LastModified"]
    part = own.get_object(**at, Range="bytes=5-7")
    assert part["Body"].read() == b"tex" and part["ContentRange"] == "bytes 5-7/9"
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = own.head_object(**at)
    assert (head["ContentLength"], head["ETag"]) == (9, made["ETag"])
    assert head["Metadata"] == {"a-key": "b"} and head["LastModified"] == found["LastModified"]
    empty = {**AT, "Key": "p/q/empty/"}
    own.put_object(**empty, Body=b"")
    assert own.get_object(**empty)["Body"].read() == b""
    # What is stored compressed comes as it was stored.
    packed = {**AT, "Key": "p/q/packed"}
    own.put_object(**packed, Body=b"no gzip at all", ContentEncoding="gzip")
    again = own.get_object(**packed)
    assert again["ContentEncoding"] == "gzip"
    assert again["Body"]._raw_stream.read(decode_content=False) == b"no gzip at all"
    # A page that somebody puts is none of the gateway's.
    page = {**AT, "Key": "p/q/page"}
    own.put_object(**page, Body=b"<script>", ContentType="text/html")
    headers = own.get_object(**page)["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    own.delete_object(**page)
    listed = own.get_paginator("list_objects_v2").paginate(
        **AT, Prefix="p/q/", PaginationConfig={"PageSize": 2}
    )
    found = [(one["Key"], one["Size"]) for page in listed for one in page.get("Contents", [])]
    assert found == [(at["Key"], 9), (empty["Key"], 0), (packed["Key"], 14)]
    assert refused(lambda: own.put_object(**at, Body=b"x", IfNoneMatch="*"))[:2] == (
        "PreconditionFailed",
        412,
    )
    for one in (at, empty, packed):
        own.delete_object(**one)
    code, status, _ = refused(lambda: own.get_object(**at))
    assert (code, status) == ("NoSuchKey", 404)
    assert refused(lambda: own.head_object(**at))[1] == 404


def long_files(own) -> None:
    """One that passes while it comes, and one in parts."""
    for length in (3 * MIB, 17 * MIB + 1):
        at = {**AT, "Key": f"p/q/long-{length}"}
        own.upload_fileobj(io.BytesIO(pattern(length)), **at, Config=PARTS)
        assert own.head_object(**at)["ContentLength"] == length
        got = io.BytesIO()
        own.download_fileobj(**at, Fileobj=got, Config=PARTS)
        assert got.getvalue() == pattern(length)


def test_the_life_of_objects(start, sim):
    key = buckets.key("a")
    own = client(start(buckets.config(sim.url, key)))
    life(own)
    assert not objects(sim, key)
    # The provider is asked with the key's own credential.
    assert {one["key"] for one in sim.requests()} == {buckets.access_key(key)}


def test_the_life_of_objects_in_motos_s3(start, s3):
    key = buckets.key("a")
    buckets.client("s3", s3, key).create_bucket(**AT)
    own = client(start(buckets.config(s3, key)))
    life(own)
    long_files(own)
    theirs = buckets.client("s3", s3, key)
    assert not theirs.list_multipart_uploads(**AT).get("Uploads")


def test_long_files_and_files_on_disk(start, sim, tmp_path):
    own = client(start(buckets.config(sim.url)))
    long_files(own)
    (tmp_path / "in.jsonl").write_bytes(pattern(7 * MIB))
    own.upload_file(str(tmp_path / "in.jsonl"), buckets.BUCKET, "p/q/in.jsonl", Config=PARTS)
    own.download_file(buckets.BUCKET, "p/q/in.jsonl", str(tmp_path / "out.jsonl"), Config=PARTS)
    assert (tmp_path / "out.jsonl").read_bytes() == pattern(7 * MIB)
    begun = own.create_multipart_upload(**AT, Key="p/q/none")["UploadId"]
    own.abort_multipart_upload(**AT, Key="p/q/none", UploadId=begun)
    gone = refused(lambda: own.abort_multipart_upload(**AT, Key="p/q/none", UploadId=begun))
    assert gone[:2] == ("NoSuchUpload", 404)


@pytest.fixture
def secure(start, authority, tmp_path):
    """A gateway with TLS, over which clients send checksums behind bodies in chunks."""
    certificate, private = authority.certificate("localhost", "127.0.0.1")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(private)
    env = {
        "WEIR_TLS_CERT": str(tmp_path / "cert.pem"),
        "WEIR_TLS_KEY": str(tmp_path / "key.pem"),
    }
    return lambda config: start(config, env=env)


def test_checksums_behind_bodies_in_chunks_are_kept(secure, sim, authority):
    key = buckets.key("a")
    own = client(secure(buckets.config(sim.url, key)), verify=str(authority.file))
    life(own)
    long_files(own)
    seen = [one for one in sim.requests() if one["method"] == "PUT"]
    of = [{name.lower(): value for name, value in one["headers"]} for one in seen]
    # Short ones have it in a header, as they are held; long ones behind them.
    assert any("x-amz-checksum-crc32" in headers for headers in of)
    assert any(headers.get("x-amz-trailer") == "x-amz-checksum-crc32" for headers in of)
    assert all("x-amz-checksum-crc32" in str(headers) for headers in of)


def chunked(gateway, content: bytes, crc: str, length: int | None = None) -> http.Answer:
    """An upload in chunks, whatever stands behind it."""
    trailer = f"0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()
    body = b"%x\r\n" % len(content) + content + b"\r\n" + trailer
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(content) if length is None else length),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    return gateway.request("PUT", f"/bedrock/s3/{buckets.BUCKET}/p/q/x", body, headers)


@pytest.mark.parametrize("length", [5, 2 * MIB])
def test_what_is_not_what_it_says_is_not_stored(start, sim, length):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key, max_retries=0))
    for answer, word in [
        (chunked(gateway, b"x" * length, "AAAAAA=="), "BadDigest"),
        (chunked(gateway, b"x" * length, "AAAAAA==", length + 1), "IncompleteBody"),
    ]:
        assert answer.status == 400 and f"<Code>{word}</Code>" in str(answer.body), str(answer.body)
    assert not objects(sim, key)


def test_a_bucket_goes_to_the_keys_that_name_it(start, sim):
    a = buckets.key("a", 3.0, buckets=[buckets.bucket("bucket-a", prefix="one")])
    b = buckets.key("b", 1.0, buckets=[buckets.bucket("bucket-b"), buckets.bucket("bucket-c")])
    c = buckets.key("c", 1.0, buckets=[buckets.bucket("bucket-c")])
    own = client(start(buckets.config(sim.url, a, b, c)))
    for _ in range(4):
        own.put_object(Bucket="bucket-a", Key="one/x", Body=b"a")
        own.put_object(Bucket="bucket-b", Key="x", Body=b"b")
        own.put_object(Bucket="bucket-c", Key="x", Body=b"c")
    seen = [(one["path"].split("/")[1], one["key"]) for one in sim.requests()]
    keys = {bucket: {key for at, key in seen if at == bucket} for bucket, _ in seen}
    assert keys["bucket-a"] == {buckets.access_key(a)}
    assert keys["bucket-b"] == {buckets.access_key(b)}
    assert keys["bucket-c"] == {buckets.access_key(b), buckets.access_key(c)}
    code, status, said = refused(lambda: own.get_object(Bucket="others", Key="x"))
    assert (code, status) == ("NoSuchBucket", 404)
    assert "batch_s3_config" in said and "`bucket-a`" in said and "others" in said
    for call in (
        lambda: own.get_object(Bucket="bucket-a", Key="two/x"),
        lambda: own.put_object(Bucket="bucket-a", Key="two/x", Body=b"x" * 2 * MIB),
        lambda: own.list_objects_v2(Bucket="bucket-a"),
    ):
        code, status, said = refused(call)
        assert (code, status) == ("AccessDenied", 403) and "`one/`" in said
    assert own.list_objects_v2(Bucket="bucket-a", Prefix="one/x")["KeyCount"] == 1


def test_who_waits_to_be_asked_for_a_body_is_not_waited_for(start, sim):
    gateway = start(buckets.config(sim.url))
    head = [
        "PUT /bedrock/s3/others/x HTTP/1.1",
        "host: localhost",
        f"content-length: {2 * MIB}",
        "expect: 100-continue",
    ]
    with socket.create_connection(gateway.address, timeout=5) as waiting:
        waiting.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        answer = b""
        while b"</Error>" not in answer:
            answer += waiting.recv(65536)
        # Whoever was not asked for the body sends another request next: not on this connection.
        if b"100 Continue" not in answer:
            assert waiting.recv(65536) == b""
    assert b" 404 " in answer and b"NoSuchBucket" in answer


def test_names_lead_nowhere_else(start, sim):
    key = buckets.key("a", buckets=[buckets.bucket(prefix="p")])
    gateway = start(buckets.config(sim.url, key))
    for name in ("p/../secret", "p/%2e%2e/secret", "p/./x"):
        answer = gateway.request("GET", f"/bedrock/s3/{buckets.BUCKET}/{name}")
        assert answer.status == 403 and "AccessDenied" in str(answer.body), str(answer.body)
    assert not sim.requests()


def test_what_is_not_served_says_so_and_does_nothing(start, sim):
    key = buckets.key("a")
    own = client(start(buckets.config(sim.url, key)))
    at = {**AT, "Key": "p/q/x"}
    for call, named in [
        (lambda: own.put_object(**at, Body=b"x", ACL="public-read"), "x-amz-acl"),
        (lambda: own.copy_object(**at, CopySource=f"{buckets.BUCKET}/p/q/y"), "x-amz-copy-source"),
        (lambda: own.get_object_acl(**at), "`acl`"),
        (lambda: own.delete_objects(**AT, Delete={"Objects": [{"Key": "p/q/x"}]}), "S3"),
        (lambda: own.create_bucket(**AT), "buckets"),
        (lambda: own.list_buckets(), "buckets"),
        (lambda: own.get_bucket_location(**AT), "`location`"),
    ]:
        code, status, said = refused(call)
        assert (code, status) == ("NotImplemented", 501) and named in said, said
    assert not sim.requests()


def test_clients_reach_the_buckets_that_are_theirs_alone(start, sim):
    a = buckets.key("a", buckets=[buckets.bucket("bucket-a")])
    b = buckets.key("b", buckets=[buckets.bucket("bucket-b")])
    config = buckets.config(sim.url, a, b)
    more = {"provider": "bedrock", "allowed_models": ["*"]}
    secrets = config.clients("one", "two", **more)
    first, _ = config.document["governance"]["virtual_keys"]
    first["provider_configs"] = [{**more, "key_ids": ["a"]}]
    gateway = start(config)
    one, two = (client(gateway, secrets[name]) for name in ("one", "two"))
    code, status, said = refused(lambda: one.get_object(Bucket="bucket-b", Key="x"))
    assert (code, status) == ("NoSuchBucket", 404), said
    # A name is no secret: what both could reach neither does.
    code, status, said = refused(lambda: one.put_object(Bucket="bucket-a", Key="x", Body=b"x"))
    assert (code, status) == ("AccessDenied", 403) and "/v1/files" in said
    two.put_object(Bucket="bucket-b", Key="x", Body=b"two's")
    assert two.get_object(Bucket="bucket-b", Key="x")["Body"].read() == b"two's"
    code, status, said = refused(lambda: client(gateway).list_objects_v2(Bucket="bucket-b"))
    assert (code, status) == ("InvalidAccessKeyId", 401) and "client key" in said


def test_what_passes_is_not_held(start, sim):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key), log_level="info")
    own = client(gateway)
    size = 48 * MIB
    at = {**AT, "Key": "p/q/large"}
    own.put_object(**at, Body=b"x")
    before = [rss(process) for process in gateway.processes]
    own.put_object(**at, Body=pattern(size))
    body = own.get_object(**at)["Body"]
    length = 0
    while piece := body.read(MIB):
        length += len(piece)
    assert length == size
    grown = [rss(one) - was for one, was in zip(gateway.processes, before)]
    assert max(grown) < 24 * MIB, grown


def test_an_upload_that_is_cut_leaves_nothing(start, sim):
    key = buckets.key("a")
    gateway = start(buckets.config(sim.url, key))
    head = [
        f"PUT /bedrock/s3/{buckets.BUCKET}/p/q/cut HTTP/1.1",
        "host: localhost",
        f"content-length: {8 * MIB}",
    ]
    with socket.create_connection(gateway.address, timeout=30) as slow:
        slow.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + b"x" * MIB)
        sim.wait_in_flight(1)
    sim.wait_in_flight(0)
    assert not objects(sim, key)


def test_an_error_of_s3s_is_told_as_it_is(start, sim):
    own = client(start(buckets.config(sim.url, max_retries=0)))
    at = {**AT, "Key": "p/q/x"}
    sim.rule("status=403", path=f"/{buckets.BUCKET}/p/q/x")
    code, status, said = refused(lambda: own.put_object(**at, Body=b"x"))
    assert (code, "Access Denied" in said) == ("AccessDenied", True), (status, said)
    sim.reset()
    code, status, _ = refused(lambda: own.get_object(**at, Range="bytes=5-"))
    assert (code, status) == ("NoSuchKey", 404)
    own.put_object(**at, Body=b"x")
    code, status, _ = refused(lambda: own.get_object(**at, Range="bytes=5-"))
    assert (code, status) == ("InvalidRange", 416)


def test_a_whole_life_with_amazons_client_alone(start, sim):
    gateway = start(buckets.config(sim.url))
    own, jobs = client(gateway), buckets.client("bedrock", f"{gateway.url}/bedrock")
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    record = json.dumps({"recordId": "CALL0000001", "modelInput": asked})
    own.upload_fileobj(io.BytesIO(record.encode()), buckets.BUCKET, "p/q/in.jsonl")
    arn = jobs.create_model_invocation_job(
        jobName="my-job",
        roleArn=buckets.ROLE,
        modelId=buckets.MODEL,
        modelInvocationType="Converse",
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{buckets.BUCKET}/p/q/in.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{buckets.BUCKET}/p/q/out/"}},
    )["jobArn"]
    stored.finished(
        lambda: jobs.get_model_invocation_job(jobIdentifier=arn),
        lambda told: told["status"] == "Completed",
    )
    found = own.list_objects_v2(**AT, Prefix="p/q/out/")["Contents"]
    [name] = [one["Key"] for one in found if one["Key"].endswith("in.jsonl.out")]
    result = json.loads(own.get_object(**AT, Key=name)["Body"].read())
    assert result["recordId"] == "CALL0000001"
    [block] = result["modelOutput"]["output"]["message"]["content"]
    assert block["text"].endswith("You said: hi")


@pytest.mark.parametrize("path", ["/bedrock", ""])
def test_who_asks_in_the_wrong_place_is_told_the_right_one(start, sim, path):
    gateway = start(buckets.config(sim.url))
    own = buckets.client("s3", gateway.url + path)
    at = {**AT, "Key": "p/q/x"}
    for call in (
        lambda: own.put_object(**at, Body=b"x"),
        lambda: own.get_object(**at),
        lambda: own.list_objects_v2(**AT),
        lambda: own.delete_object(**at),
    ):
        code, status, said = refused(call)
        assert status in (404, 405) and "/bedrock/s3" in said, (code, status, said)
    assert not sim.requests()
