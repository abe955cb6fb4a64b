"""Keys of Vertex AI's that keep files in buckets, and the service that grants their tokens."""

import base64
import json

from . import clouds, fake, secrets, stored
from .config import Config, Key

PROJECT, REGION, BUCKET = "my-p", "us-central1", "weir-files"
JOBS = f"/v1/projects/{PROJECT}/locations/{REGION}/batchPredictionJobs"


class Accounts:
    """Service accounts, each with the same token whenever it is asked for: simulators tell keys by it."""

    def __init__(self):
        self._tokens: dict[str, str] = {}
        self._server = fake.Fake(self._answer)
        self._account = clouds.Account(f"{self._server.url}/token")

    def _answer(self, asked: fake.Asked) -> fake.Answer:
        claims = asked.form["assertion"].split(".")[1]
        email = json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"]
        return 200, {"access_token": self._tokens[email], "expires_in": 3600, "token_type": "Bearer"}

    def key(self, name: str, weight: float = 1.0, buckets: list | None = None, **block) -> Key:
        """A key whose account has the token that is its secret."""
        email = f"{name}-{len(self._tokens)}@{PROJECT}.iam.gserviceaccount.com"
        key = Key(name, weight)
        self._tokens[email] = key.secret
        document = {**self._account.document, "client_email": email}
        account = secrets.Hidden(json.dumps(document))
        block = {"project_id": PROJECT, "region": REGION, "auth_credentials": account, **block}
        if buckets is None:
            buckets = [{"bucket_name": BUCKET, "prefix": f"p/{name}"}]
        if buckets:
            block["batch_gcs_config"] = {"buckets": buckets}
        key.extra = {**stored.BATCH, "vertex_key_config": block, "value": ""}
        return key

    def config(self, sim, **weights: float) -> Config:
        return Config().provider("vertex", sim.url, [self.key(*one) for one in weights.items()])

    def stop(self) -> None:
        self._server.stop()
