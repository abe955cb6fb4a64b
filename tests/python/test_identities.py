"""Identities that have to be exchanged before they are good for a provider: what a container service
lends, a person's login that is renewed, somebody else's identity that Google trusts."""

import base64
import contextlib
import hashlib
import json
import re
import subprocess
import time

import pytest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from harness import clouds, fake, secrets
from harness.callers import ask, profile, run, served, until, upstream  # noqa: F401

pytestmark = pytest.mark.topologies("all-in-one-memory", "processes")

REGION = "us-east-1"
BEDROCK = {"bedrock_key_config": {"region": REGION}}


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


# Containers of AWS

# Where a container service listens for its tasks.
TASK_SERVER = "169.254.170.2"


@contextlib.contextmanager
def task_server(answer):
    """It listens on an address that this machine gets for as long; only root can do that."""
    command = ["ip", "address", "add", f"{TASK_SERVER}/32", "dev", "lo"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        server = fake.Fake(answer, (TASK_SERVER, 80))
        try:
            yield server
        finally:
            server.stop()
    finally:
        command[2] = "delete"
        subprocess.run(command, check=True)


def test_a_task_of_aws_is_lent_a_role_again_and_again(run, upstream):
    granted: dict[str, Credentials] = {}

    def answer(asked: fake.Asked) -> fake.Answer:
        secret, token = secrets.make(""), secrets.make("")
        name = f"AKIATASK{len(granted)}"
        granted[name] = Credentials(name, secret, token)
        keys = {"AccessKeyId": name, "SecretAccessKey": secret, "Token": token}
        return 200, {**keys, "Expiration": moment(4)}

    with task_server(answer) as server:
        path = "/v2/credentials/7d9b?a=b"
        gateway = run("bedrock", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": path}, **BEDROCK)
        until(lambda: ask(gateway) and len(server.asked()) > 2)
        assert {asked.target for asked in server.asked()} == {path}
        for asked in upstream.asked():
            key = asked.headers["authorization"].partition("Credential=")[2].partition("/")[0]
            clouds.assert_signed(asked, granted[key], "bedrock", REGION)


# Logins of AWS

PROFILE = """[profile p]
sso_session = work
sso_account_id = 123456789012
sso_role_name = dev
[sso-session work]
sso_region = us-east-1
sso_start_url = https://x.test/start
"""


@pytest.fixture
def portal(served):
    """Lends a role to who shows a token that is good here."""
    good: set[str] = set()
    secret, session = secrets.make(""), secrets.make("")
    keys = {"accessKeyId": "AKIASSO", "secretAccessKey": secret, "sessionToken": session}

    def answer(asked: fake.Asked) -> fake.Answer:
        if asked.headers["x-amz-sso_bearer_token"] not in good:
            return 401, {"message": "Session token not found or invalid"}
        # Milliseconds; soon, so that it is asked for again.
        return 200, {"roleCredentials": {**keys, "expiration": int((time.time() + 4) * 1000)}}

    server = served(fake.Fake(answer))
    server.good, server.credentials = good, Credentials("AKIASSO", secret, session)
    return server


@pytest.fixture
def signed_in(run, portal, tmp_path):
    """Starts a gateway with a login's file of these fields."""

    def signed_in(renewal_url: str = "http://127.0.0.1:1", **login):
        logins = tmp_path / ".aws" / "sso" / "cache"
        logins.mkdir(parents=True)
        file = logins / f"{hashlib.sha1(b'work').hexdigest()}.json"
        file.write_text(json.dumps(login))
        env = {**profile(tmp_path, PROFILE, name="p"), "HOME": str(tmp_path)}
        env |= {"AWS_ENDPOINT_URL_SSO": portal.url, "AWS_ENDPOINT_URL_SSO_OIDC": renewal_url}
        gateway = run("bedrock", env, **BEDROCK)
        gateway.login = file
        return gateway

    return signed_in


def test_a_login_of_aws_lends_a_role(signed_in, portal, upstream):
    token = secrets.make("")
    portal.good.add(token)
    ask(signed_in(accessToken=token, expiresAt=moment(3600)))
    asked = portal.asked()[0]
    assert asked.path == "/federation/credentials"
    assert asked.query == {"role_name": ["dev"], "account_id": ["123456789012"]}
    clouds.assert_signed(upstream.asked()[0], portal.credentials, "bedrock", REGION)


def renewable(**more) -> dict:
    """A login that has ended, as AWS's tool keeps it."""
    return {
        "accessToken": secrets.make(""),
        "expiresAt": moment(-5),
        "clientId": "client-1",
        "clientSecret": secrets.make(""),
        "registrationExpiresAt": moment(3600),
        "refreshToken": secrets.make(""),
        **more,
    }


def test_a_login_that_has_ended_is_renewed_with_the_newest_refresh_token(
    signed_in, portal, upstream, served
):
    login = renewable()
    refresh = [login["refreshToken"]]

    def renew(asked: fake.Asked) -> fake.Answer:
        assert asked.path == "/token" and asked.headers["content-type"] == "application/json"
        expected = {
            "grantType": "refresh_token",
            "clientId": "client-1",
            "clientSecret": login["clientSecret"],
            "refreshToken": refresh[-1],
        }
        if asked.json() != expected:
            return 400, {"error": "invalid_grant", "error_description": "not this one"}
        token = secrets.make("")
        portal.good.add(token)
        refresh.append(secrets.make(""))
        answer = {"accessToken": token, "expiresIn": 2, "refreshToken": refresh[-1]}
        return 200, {**answer, "tokenType": "Bearer"}

    oidc = served(fake.Fake(renew))
    gateway = signed_in(oidc.url, **login)
    before = gateway.login.read_text()
    # Again and again, as it ends; the file stays as it was.
    until(lambda: ask(gateway) and len(oidc.asked()) > 2)
    assert gateway.login.read_text() == before
    clouds.assert_signed(upstream.asked()[-1], portal.credentials, "bedrock", REGION)
    # A new login counts.
    token = secrets.make("")
    portal.good.add(token)
    gateway.login.write_text(json.dumps({"accessToken": token, "expiresAt": moment(3600)}))
    until(
        lambda: ask(gateway) and portal.asked()[-1].headers["x-amz-sso_bearer_token"] == token
    )


@pytest.mark.parametrize(
    "lacks",
    [{"refreshToken": None}, {"registrationExpiresAt": moment(-1)}, {"refreshToken": "unknown-to-it"}],
)
def test_a_login_that_cannot_be_renewed_says_what_to_do(signed_in, served, lacks):
    refusal = {"error": "invalid_grant", "error_description": "Invalid refresh token provided"}
    oidc = served(fake.Fake(lambda _: (400, refusal)))
    gateway = signed_in(oidc.url, **renewable(**lacks))
    answer = gateway.chat(gateway.model)
    assert answer.status == 502 and b"credential" in answer.body, answer.body
    # Whoever runs the gateway can help, and is told how.
    is_asked = lacks.get("refreshToken") == "unknown-to-it"
    assert len(oidc.asked()) == is_asked
    why = "Invalid refresh token provided" if is_asked else "cannot be renewed"
    advice = re.compile(f"{why}.*: run `aws sso login` again")
    until(lambda: any(advice.search(process.output) for process in gateway.processes))


# Other identities that Google trusts


class Foreigner:
    """Somebody else's issuer of tokens, Google's exchange for them, and its accounts."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p"
        self.issued, self.exchanged, self.granted = set(), set(), {}
        self.faults: list[str] = []
        self.server = fake.Fake(self._answer)

    def token(self) -> str:
        """A signed token of the issuer's, good for some time."""
        claims = {"iss": "https://issuer.test", "exp": time.time() + 600, "n": len(self.issued)}
        encoded = [_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims)]
        signed = ".".join(encoded)
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        token = secrets.Hidden(f"{signed}.{_encoded(signature)}")
        self.issued.add(token)
        return token

    def _answer(self, asked: fake.Asked) -> fake.Answer:
        try:
            return 200, self._granted(asked)
        except Exception as fault:  # noqa: BLE001
            self.faults.append(repr(fault))
            return 400, {"error": "invalid_grant", "error_description": "no"}

    def _granted(self, asked: fake.Asked) -> dict:
        if asked.path == "/issuer":
            assert asked.headers["x-who"] == "me"
            return {"id_token": self.token()}
        if asked.path == "/v1/token":
            self._check(asked.form)
            token = secrets.make("ya29.d.")
            self.exchanged.add(token)
            kind = "urn:ietf:params:oauth:token-type:access_token"
            more = {"token_type": "Bearer", "expires_in": 3600, "issued_token_type": kind}
            return {"access_token": token, **more}
        assert asked.path == "/v1/projects/-/serviceAccounts/a@b.test:generateAccessToken"
        assert asked.headers["authorization"].removeprefix("Bearer ") in self.exchanged
        assert asked.json() == {"scope": [SCOPE], "lifetime": "3600s"}
        token = secrets.make("ya29.c.")
        self.granted[token] = time.time() + 4
        return {"accessToken": token, "expireTime": moment(4)}

    def _check(self, form: dict) -> None:
        token = form.pop("subject_token")
        signed, _, signature = token.rpartition(".")
        decoded = base64.urlsafe_b64decode(signature + "==")
        self.key.public_key().verify(decoded, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        assert token in self.issued
        assert form == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": self.audience,
            "scope": SCOPE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }

    def stop(self) -> None:
        self.server.stop()


SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("source", ["file", "json-file", "server"])
def test_an_identity_that_google_trusts_acts_as_a_service_account(
    run, upstream, served, tmp_path, source
):
    foreigner = served(Foreigner())
    url, subject = foreigner.server.url, tmp_path / "subject"
    kind = {"type": "json", "subject_token_field_name": "id_token"}
    credential_source = {
        "file": {"file": str(subject)},
        "json-file": {"file": str(subject), "format": kind},
        "server": {"url": f"{url}/issuer", "headers": {"x-who": "me"}, "format": kind},
    }[source]

    def put_token():
        token = foreigner.token()
        subject.write_text(json.dumps({"id_token": token}) if source == "json-file" else token)

    put_token()
    account = "projects/-/serviceAccounts/a@b.test:generateAccessToken"
    document = {
        "type": "external_account",
        "audience": foreigner.audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/v1/token",
        "service_account_impersonation_url": f"{url}/v1/{account}",
        "credential_source": credential_source,
    }
    (tmp_path / "adc.json").write_text(json.dumps(document))
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "adc.json")}
    block = {"project_id": "my-p", "region": "us-east5"}
    gateway = run("vertex", env, vertex_key_config=block)
    ask(gateway)
    # What was read once is not good for ever.
    foreigner.issued.clear()
    put_token()
    until(lambda: ask(gateway) and len(foreigner.granted) > 2)
    assert not foreigner.faults, foreigner.faults
    for asked in upstream.asked():
        assert asked.headers["authorization"].removeprefix("Bearer ") in foreigner.granted
