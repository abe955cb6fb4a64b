"""Token services of the clouds: moto's for AWS, and fake ones that check what they are asked."""

import base64
import json
import re
import threading
import time
from dataclasses import dataclass, field

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from moto.server import ThreadedMotoServer

from . import fake, http, secrets

ROLE = "arn:aws:iam::123456789012:role/weir"


def assert_signed(asked: fake.Asked, credentials: Credentials, service: str, region: str) -> None:
    """The signature is the one that botocore would have made of this request."""
    found = asked.headers["authorization"]
    assert f"Credential={credentials.access_key}/" in found, found
    assert f"/{region}/{service}/aws4_request" in found, found
    assert asked.headers.get("x-amz-security-token") == credentials.token
    signed = found.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {name: asked.headers[name] for name in signed if name != "host"}
    url = f"http://{asked.headers['host']}{asked.target}"
    request = AWSRequest(asked.method, url, data=asked.body, headers=headers)
    request.context["timestamp"] = asked.headers["x-amz-date"]
    signer = SigV4Auth(credentials, service, region)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert found.endswith(f"Signature={signature}"), canonical


class Moto:
    """moto's server, behind one that remembers what it was asked and what it answered."""

    def __init__(self):
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self._url = f"http://{host}:{port}"
        self.answers: list[str] = []
        self.front = fake.Fake(self._forward)
        self.url = self.front.url

    def _forward(self, asked: fake.Asked) -> fake.Answer:
        headers = {
            name: value
            for name, value in asked.headers.items()
            if name not in ("host", "content-length", "connection")
        }
        headers["host"] = "sts.us-east-1.amazonaws.com" if asked.method == "POST" else "x"
        if asked.method != "POST":
            del headers["host"]
        answer = http.request(asked.method, self._url + asked.target, asked.body, headers)
        text = answer.body.decode()
        self.answers.append(text)
        return answer.status, text

    def granted(self, shown: fake.Asked) -> Credentials:
        """What the token service granted to whoever signed this request."""
        names = ["AccessKeyId", "SecretAccessKey", "SessionToken"]
        token = shown.headers["x-amz-security-token"]
        for text in self.answers:
            found = [re.search(f"<{name}>(.*?)</{name}>", text) for name in names]
            if all(found) and found[-1].group(1) == token:
                return Credentials(*(one.group(1) for one in found))
        raise AssertionError("nothing that was granted is shown")

    def stop(self) -> None:
        self.front.stop()
        self._moto.stop()


@dataclass
class Tokens:
    """A server that grants tokens, each good for so many seconds, and knows which are."""

    lifetime: float = 3600
    check: object = lambda asked: None
    # While it is set, nothing is granted; while it is not set, answers wait.
    refuses: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.open.set()
        self.granted: dict[str, float] = {}
        self.faults: list[str] = []
        self.server = fake.Fake(self._answer)
        self.url, self.host = self.server.url, self.server.host

    def _answer(self, asked: fake.Asked) -> fake.Answer:
        assert self.open.wait(30)
        if self.refuses.is_set():
            return 503, {"error": "temporarily_unavailable"}
        try:
            self.check(asked)
        except Exception as fault:  # noqa: BLE001
            self.faults.append(repr(fault))
            return 400, {"error": "invalid_request", "error_description": repr(fault)}
        token = secrets.make("ey-token-")
        self.granted[token] = time.monotonic() + self.lifetime
        return 200, {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}

    def asked(self) -> list[fake.Asked]:
        return self.server.asked()

    def is_good(self, authorization: str | None) -> bool:
        scheme, _, token = (authorization or "").partition(" ")
        return scheme == "Bearer" and time.monotonic() < self.granted.get(token, 0)

    def stop(self) -> None:
        self.open.set()
        self.server.stop()


class Account:
    """A Google service account with a key of its own."""

    def __init__(self, token_uri: str):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.email = "weir@my-p.iam.gserviceaccount.com"
        self.document = {
            "type": "service_account",
            "client_email": self.email,
            "private_key_id": "key-1",
            "private_key": pem.decode(),
            "token_uri": token_uri,
        }
        self.json = secrets.Hidden(json.dumps(self.document))

    def check(self, asked: fake.Asked) -> None:
        """The assertion of a request for a token is signed with the key, and says what it must."""
        form = asked.form
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        head, claims, signature = form["assertion"].split(".")
        signed = f"{head}.{claims}".encode()
        self.key.public_key().verify(
            _decoded(signature), signed, padding.PKCS1v15(), hashes.SHA256()
        )
        assert json.loads(_decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
        claims = json.loads(_decoded(claims))
        now = time.time()
        assert claims["iss"] == self.email and claims["aud"] == self.document["token_uri"]
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        assert now - 60 < claims["iat"] <= now + 1 and 0 < claims["exp"] - claims["iat"] <= 3600


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
