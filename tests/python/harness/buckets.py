"""Keys of Bedrock's that keep files in buckets, and what a test asks of them."""

import re
import urllib.request

import boto3
import botocore.config
import pytest
from moto.server import ThreadedMotoServer

from . import secrets, stored
from .config import Config, Key

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/batches"
BUCKET = "weir-batches"
MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"


def bucket(name: str = BUCKET, **more) -> dict:
    return {"bucket_name": name, **more}


def key(name: str, weight: float = 1.0, buckets: list | None = None, **block) -> Key:
    """A key that signs with an access key id of its own, which is how simulators tell keys apart."""
    id = re.sub(r"\W", "", f"AK{secrets.make()}").upper()[:20]
    block = {"region": REGION, "access_key": id, "secret_key": secrets.make(), **block}
    # What there is for batches without a role of their own; nobody is asked to assume it.
    if buckets is None:
        buckets = [bucket(prefix="p/q")]
    if buckets:
        block["batch_s3_config"] = {"buckets": buckets}
    extra = {"use_for_batch_api": True, "bedrock_key_config": block, "value": ""}
    return Key(name, weight, extra=extra)


def config(sim_url: str, *keys: Key, **network) -> Config:
    return Config().provider("bedrock", sim_url, list(keys) or [key("a")], **network)


def access_key(key: Key) -> str:
    return key.extra["bedrock_key_config"]["access_key"]


def client(service: str, url: str, key: Key | None = None, **more):
    """Amazon's own client, whose credential is that of `key`."""
    block = key.extra["bedrock_key_config"] if key else {}
    settings = botocore.config.Config(
        retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=20
    )
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=block.get("access_key", "AKCLIENT"),
        aws_secret_access_key=block.get("secret_key", "secret"),
        config=settings,
        **more,
    )


def lines(*ids: str, model: str = f"bedrock/{MODEL}", **more) -> bytes:
    return stored.lines(*ids, model=model, **more)


def create(client, file, **more):
    """A batch of `file`, as OpenAI's client makes one."""
    extra = {"role_arn": ROLE, **more.pop("extra_body", {})}
    asked = {"endpoint": stored.CHAT, "completion_window": "24h", **more}
    return client.batches.create(input_file_id=file.id, extra_body=extra, **asked)


@pytest.fixture
def s3():
    """moto's S3: its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # What it keeps belongs to the process, not to the server.
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    yield url
    server.stop()
