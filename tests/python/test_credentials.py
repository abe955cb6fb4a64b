"""Who calls: the clouds' credentials, from real and fake token services, through the gateway."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote_plus

import pytest
from botocore.credentials import Credentials
from harness import clouds, fake, secrets
from harness.callers import ask, assert_kept, moto, profile, run, served  # noqa: F401
from harness.callers import until, upstream  # noqa: F401
from harness.config import Config, Key

REGION = "us-east-1"
VERTEX = {"project_id": "my-p", "region": "us-east5"}
MACHINE_IN_AWS = Credentials("test-key", "test-secret-key", "test-session-token")


def bedrock(**block) -> dict:
    return {"bedrock_key_config": {"region": REGION, **block}}


def own_keys() -> tuple[dict, Credentials]:
    secret = secrets.make("")
    return {"access_key": "AKIAOWN", "secret_key": secret}, Credentials("AKIAOWN", secret)


# AWS


def test_field_session_token(run, upstream):
    block, _ = own_keys()
    token = secrets.make("")
    ask(run("bedrock", **bedrock(**block, session_token=token)))
    credentials = Credentials("AKIAOWN", block["secret_key"], token)
    clouds.assert_signed(upstream.asked()[0], credentials, "bedrock", REGION)


def test_field_role_arn_external_id_session_name(run, upstream, moto):
    block, own = own_keys()
    role = {"role_arn": clouds.ROLE, "external_id": "ext 1&2", "session_name": "night"}
    gateway = run("bedrock", {"AWS_ENDPOINT_URL_STS": moto.url}, **bedrock(**block, **role))
    ask(gateway)
    ask(gateway)
    assert_kept(gateway, moto.front)
    for sts in moto.front.asked():
        assert {name: sts.form[name] for name in sts.form if name != "Version"} == {
            "Action": "AssumeRole",
            "RoleArn": clouds.ROLE,
            "ExternalId": "ext 1&2",
            "RoleSessionName": "night",
        }
        clouds.assert_signed(sts, own, "sts", REGION)
    for asked in upstream.asked():
        clouds.assert_signed(asked, moto.granted(asked), "bedrock", REGION)


@pytest.mark.topologies("all-in-one-memory")
def test_field_session_name_is_weir_if_not_given(run, moto):
    block, _ = own_keys()
    env = {"AWS_ENDPOINT_URL_STS": moto.url}
    ask(run("bedrock", env, **bedrock(**block, role_arn=clouds.ROLE)))
    assert moto.front.asked()[0].form["RoleSessionName"] == "weir"


def chain_environment(moto, tmp_path):
    secret, token = secrets.make(""), secrets.make("")
    env = {
        "AWS_ACCESS_KEY_ID": "AKIAENV",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
        # What comes later in the chain does not count.
        "AWS_PROFILE": "no-such",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url,
    }
    return env, lambda _: Credentials("AKIAENV", secret, token)


def chain_profile_keys(moto, tmp_path):
    secret = secrets.make("")
    text = f"[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = {secret}\n"
    env = profile(tmp_path, "[default]\nregion = eu-west-1\n", text)
    return env, lambda _: Credentials("AKIAFILE", secret)


def chain_profile_role(moto, tmp_path):
    secret = secrets.make("")
    config = f"""[profile top]
role_arn = {clouds.ROLE}
source_profile = base
external_id = e-1
duration_seconds = 1800
[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = {secret}
"""

    def granted(asked):
        for sts in moto.front.asked():
            assert (sts.form["ExternalId"], sts.form["DurationSeconds"]) == ("e-1", "1800")
            clouds.assert_signed(sts, Credentials("AKIABASE", secret), "sts", REGION)
        return moto.granted(asked)

    env = profile(tmp_path, config, name="top")
    return {**env, "AWS_ENDPOINT_URL_STS": moto.url}, granted


def chain_profile_process(moto, tmp_path):
    secret, argument = secrets.make(""), secrets.make("")
    answer = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": secret}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    program = tmp_path / "tool"
    program.write_text(f'#!/bin/sh\n[ "$1" = "{argument}" ] && cat "{tmp_path}/answer.json"\n')
    program.chmod(0o755)
    config = f'[profile p]\ncredential_process = "{program}" {argument}\n'
    return profile(tmp_path, config, name="p"), lambda _: Credentials("AKIAPROCESS", secret)


def chain_profile_web_identity(moto, tmp_path):
    (tmp_path / "token").write_text(secrets.make(""))
    config = f"""[profile w]
role_arn = {clouds.ROLE}
web_identity_token_file = {tmp_path / "token"}
"""
    env = profile(tmp_path, config, name="w")
    return {**env, "AWS_ENDPOINT_URL_STS": moto.url}, moto.granted


def chain_web_identity(moto, tmp_path):
    token = secrets.make("")
    (tmp_path / "token").write_text(f"{token}\n")
    env = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": clouds.ROLE,
        "AWS_ROLE_SESSION_NAME": "pod",
        "AWS_ENDPOINT_URL_STS": moto.url,
    }

    def granted(asked):
        for sts in moto.front.asked():
            form = sts.form
            assert form["Action"] == "AssumeRoleWithWebIdentity"
            assert (form["WebIdentityToken"], form["RoleSessionName"]) == (token, "pod")
            assert "authorization" not in sts.headers
        return moto.granted(asked)

    return env, granted


def chain_machine(moto, tmp_path):
    def granted(_):
        every = moto.front.asked()
        for n in range(0, len(every), 3):
            token, roles, role = every[n : n + 3]
            assert token.method == "PUT" and token.path == "/latest/api/token"
            assert token.headers["x-aws-ec2-metadata-token-ttl-seconds"]
            for one in (roles, role):
                assert one.headers["x-aws-ec2-metadata-token"] == moto.answers[n]
        return MACHINE_IN_AWS

    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url}, granted


CHAIN = {
    name.removeprefix("chain_"): made
    for name, made in list(globals().items())
    if name.startswith("chain_")
}


@pytest.mark.parametrize("kind", CHAIN)
def test_the_default_chain_of_aws(run, upstream, moto, tmp_path, kind):
    env, granted = CHAIN[kind](moto, tmp_path)
    gateway = run("bedrock", {"HOME": str(tmp_path), **env}, **bedrock())
    ask(gateway)
    ask(gateway)
    if moto.front.asked():
        assert_kept(gateway, moto.front, requests=3 if kind == "machine" else 1)
    for asked in upstream.asked():
        clouds.assert_signed(asked, granted(asked), "bedrock", REGION)


@pytest.mark.topologies("all-in-one-memory", "processes")
def test_a_container_of_aws_and_a_proxy_that_must_not_answer_for_it(start, served, tmp_path):
    token, secret = secrets.make(""), secrets.make("")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    keys = {"AccessKeyId": "AKIATASK", "SecretAccessKey": secret, "Expiration": moment}
    task = served(fake.Fake(lambda _: (200, {**keys, "Token": "task-token"})))
    proxy = served(fake.Fake(fake.provider))
    config = Config().provider(
        "bedrock", "http://bedrock.test", [Key("main", extra={"value": "", **bedrock()})]
    )
    config.document["providers"]["bedrock"]["proxy_config"] = {"type": "http", "url": proxy.url}
    (tmp_path / "token").write_text(token)
    env = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{task.url}/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    gateway = start(config, env)
    assert gateway.chat("bedrock/m-1").status == 200
    assert [one.headers["authorization"] for one in task.asked()] == [token]
    [asked] = proxy.asked()
    assert asked.target.startswith("http://bedrock.test/model/m-1/")
    asked.target = asked.path
    clouds.assert_signed(asked, Credentials("AKIATASK", secret, "task-token"), "bedrock", REGION)


# Azure


def azure(upstream, **block) -> dict:
    return {"azure_key_config": {"endpoint": upstream.url, **block}}


COGNITIVE = "https://cognitiveservices.azure.com/.default"


def assert_shown(upstream, tokens) -> None:
    assert not tokens.faults, tokens.faults
    asked = upstream.asked()
    assert asked and all(tokens.is_good(one.headers.get("authorization")) for one in asked)
    assert not any("api-key" in one.headers for one in asked)


@pytest.mark.parametrize("scopes", [None, ["https://a.test/.default", "https://b.test/x"]])
def test_field_client_id_client_secret_tenant_id_scopes(run, upstream, served, scopes):
    secret = secrets.make("")

    def check(asked):
        assert asked.path == "/ten-1/oauth2/v2.0/token"
        assert asked.form == {
            "grant_type": "client_credentials",
            "client_id": "app-1",
            "client_secret": secret,
            "scope": " ".join(scopes or [COGNITIVE]),
        }

    entra = served(clouds.Tokens(check=check))
    block = {"client_id": "app-1", "client_secret": secret, "tenant_id": "ten-1"}
    block |= {"scopes": scopes} if scopes else {}
    gateway = run("azure", {"AZURE_AUTHORITY_HOST": entra.url}, **azure(upstream, **block))
    ask(gateway)
    ask(gateway)
    assert_shown(upstream, entra)
    assert_kept(gateway, entra)


def test_a_workload_of_azure_reads_its_token_anew(run, upstream, served, tmp_path):
    file = tmp_path / "federated"
    file.write_text(secrets.make(""))

    def check(asked):
        form = asked.form
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert form["client_assertion_type"] == kind
        assert form["client_assertion"] == file.read_text()

    entra = served(clouds.Tokens(lifetime=2, check=check))
    env = {
        "AZURE_AUTHORITY_HOST": entra.url,
        "AZURE_TENANT_ID": "ten-1",
        "AZURE_CLIENT_ID": "app-1",
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
    }
    gateway = run("azure", env, **azure(upstream))
    ask(gateway)
    file.write_text(secrets.make(""))
    until(lambda: ask(gateway) and len(entra.asked()) > 1)
    assert_shown_all(upstream, entra)


def assert_shown_all(upstream, tokens) -> None:
    """Every call had a token that was granted, whether it is good by now or not."""
    assert not tokens.faults, tokens.faults
    shown = {one.headers["authorization"].removeprefix("Bearer ") for one in upstream.asked()}
    assert shown <= set(tokens.granted)


def test_the_machine_in_azure(run, upstream, served):
    def check(asked):
        assert asked.path == "/metadata/identity/oauth2/token"
        assert asked.headers["metadata"] == "true"
        assert asked.query["resource"] == ["https://cognitiveservices.azure.com"]

    machine = served(clouds.Tokens(check=check))
    env = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.url}
    ask(run("azure", env, **azure(upstream)))
    assert_shown(upstream, machine)


def test_an_app_service_of_azure(run, upstream, served):
    secret = secrets.make("")

    def check(asked):
        assert asked.headers["x-identity-header"] == secret
        assert asked.query["resource"] == ["https://cognitiveservices.azure.com"]
        assert asked.query["client_id"] == ["app-1"]

    service = served(clouds.Tokens(check=check))
    env = {
        "IDENTITY_ENDPOINT": f"{service.url}/msi/token",
        "IDENTITY_HEADER": secret,
        "AZURE_CLIENT_ID": "app-1",
    }
    ask(run("azure", env, **azure(upstream)))
    assert_shown(upstream, service)


# Google


@pytest.mark.parametrize("form", ["json", "base64", "file"])
def test_field_auth_credentials(run, upstream, served, tmp_path, form):
    tokens = served(clouds.Tokens())
    account = clouds.Account(f"{tokens.url}/token")
    tokens.check = account.check
    encoded = secrets.Hidden(base64.b64encode(account.json.encode()).decode())
    text = {"json": account.json, "base64": encoded, "file": ""}[form]
    (tmp_path / "account.json").write_text(account.json)
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json")}
    block = {**VERTEX, "auth_credentials": text} if text else VERTEX
    gateway = run("vertex", env if form == "file" else None, vertex_key_config=block)
    ask(gateway)
    ask(gateway)
    assert_shown(upstream, tokens)
    assert_kept(gateway, tokens)


def test_the_machine_in_google(run, upstream, served, tmp_path):
    def check(asked):
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        assert asked.path == path and asked.headers["metadata-flavor"] == "Google"

    machine = served(clouds.Tokens(check=check))
    env = {"GCE_METADATA_HOST": machine.host, "HOME": str(tmp_path)}
    ask(run("vertex", env, vertex_key_config=VERTEX))
    assert_shown(upstream, machine)


# Databricks


def test_field_databricks_key_config_client_id_and_client_secret(run, served):
    secret = secrets.make("s %")
    basic = base64.b64encode(f"app%3A1:{quote_plus(secret)}".encode()).decode()

    def check(asked):
        assert asked.path == "/oidc/v1/token"
        assert asked.headers["authorization"] == f"Basic {basic}"
        assert asked.form == {"grant_type": "client_credentials", "scope": "all-apis"}

    tokens = clouds.Tokens(check=check)
    grant = tokens.server.answer
    served(tokens)
    workspace = tokens.server
    workspace.answer = lambda asked: (
        grant(asked) if asked.path.startswith("/oidc/") else fake.provider(asked)
    )
    block = {"workspace_url": workspace.url, "client_id": "app:1", "client_secret": secret}
    gateway = run("databricks", databricks_key_config=block)
    ask(gateway)
    ask(gateway)
    assert not tokens.faults, tokens.faults
    asked = workspace.asked()
    logins = [one for one in asked if one.path == "/oidc/v1/token"]
    calls = [one for one in asked if one not in logins]
    # Each of two workers has a token of its own.
    assert asked[0] in logins and len(logins) <= 2 and len(calls) == 2
    assert all(tokens.is_good(one.headers["authorization"]) for one in calls)


# What holds for all of them


@pytest.fixture
def principal(run, upstream, served):
    """A gateway that calls as a service principal of Azure, and its token server."""

    def principal(**tokens):
        entra = served(clouds.Tokens(**tokens))
        upstream.answer = lambda asked: (
            fake.provider(asked)
            if entra.is_good(asked.headers.get("authorization"))
            else (401, {"error": {"message": "who are you?", "code": "401"}})
        )
        block = {"client_id": "app", "client_secret": secrets.make(""), "tenant_id": "ten"}
        gateway = run("azure", {"AZURE_AUTHORITY_HOST": entra.url}, **azure(upstream, **block))
        return gateway, entra

    return principal


@pytest.mark.topologies("all-in-one-memory", "processes")
def test_two_hundred_cold_requests_fetch_one_token(principal):
    gateway, entra = principal()
    entra.open.clear()
    with ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(gateway.chat, gateway.model) for _ in range(200)]
        until(lambda: "weir_requests_in_flight 200" in gateway.metrics())
        entra.open.set()
        assert {answer.result().status for answer in answers} == {200}
    assert len(entra.asked()) == 1


@pytest.mark.topologies("all-in-one-memory", "processes")
def test_tokens_that_end_under_load_cost_no_request(principal):
    gateway, entra = principal(lifetime=2)
    stop = threading.Event()

    def load() -> list[int]:
        statuses = []
        while not stop.is_set():
            statuses.append(gateway.chat(gateway.model).status)
        return statuses

    with ThreadPoolExecutor(8) as pool:
        loads = [pool.submit(load) for _ in range(8)]
        try:
            until(lambda: len(entra.asked()) >= 4, 30)
        finally:
            stop.set()
        statuses = [status for one in loads for status in one.result()]
    assert set(statuses) == {200} and len(statuses) > 50


@pytest.mark.topologies("all-in-one-memory", "processes")
def test_a_refresh_that_fails_does_not_matter_while_the_token_lives(principal):
    gateway, entra = principal(lifetime=8)
    ask(gateway)
    [end] = entra.granted.values()
    entra.refuses.set()
    # It is renewed after three quarters of its life, and used for nine tenths.
    until(lambda: ask(gateway) and len(entra.asked()) > 1)
    assert time.monotonic() < end - 0.8
    ask(gateway)
    until(lambda: gateway.chat(gateway.model).status != 200)
    assert time.monotonic() > end - 1
    answer = gateway.chat(gateway.model)
    assert answer.status == 502 or answer.status == 503, answer.body
    message = answer.error["message"]
    assert "fetching an Azure token for app from 127.0.0.1" in message, message
    entra.refuses.clear()
    until(lambda: gateway.chat(gateway.model).status == 200)


@pytest.mark.topologies("all-in-one-memory", "processes")
def test_a_token_that_the_provider_refuses_early_is_replaced(principal):
    gateway, entra = principal()
    ask(gateway)
    entra.granted.clear()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: gateway.chat(gateway.model), range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len(entra.asked()) == 2


@pytest.mark.topologies("all-in-one-memory", "processes")
@pytest.mark.parametrize("name", ["bedrock", "azure", "vertex"])
def test_a_missing_reference_is_never_replaced_by_an_identity_of_the_process(
    run, upstream, served, moto, name
):
    tokens = served(clouds.Tokens())
    env = {
        "AWS_ACCESS_KEY_ID": "AKIAENV",
        "AWS_SECRET_ACCESS_KEY": secrets.make(""),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": tokens.url,
        "GCE_METADATA_HOST": tokens.host,
    }
    block = {
        "bedrock": bedrock(access_key="env.NOT_SET", secret_key="env.NOT_SET_EITHER"),
        "azure": azure(upstream, client_id="a", client_secret="env.NOT_SET", tenant_id="t"),
        "vertex": {"vertex_key_config": {**VERTEX, "auth_credentials": "env.NOT_SET"}},
    }[name]
    gateway = run(name, env, **block)
    assert gateway.chat(gateway.model).status >= 400
    gateway_said = "\n".join(process.output for process in gateway.processes)
    assert "NOT_SET is not set" in gateway_said
    assert not upstream.asked() and not tokens.asked() and not moto.front.asked()
