"""Keys and their blocks: each field acts. A test is named after its field and fails when that is
ignored. What aliases and keys say of places is in `test_places.py`."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from harness import fake, proxies, secrets
from harness.config import Config, Key

pytestmark = pytest.mark.topologies("all-in-one-memory")


@pytest.fixture
def upstream():
    server = fake.Fake(fake.provider)
    yield server
    server.stop()


def assume_role(asked: fake.Asked) -> str:
    return f"""<AssumeRoleResponse><AssumeRoleResult><Credentials>
        <AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>{SECRET_OF_ROLE}</SecretAccessKey>
        <SessionToken>{SESSION_OF_ROLE}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
        </Credentials></AssumeRoleResult></AssumeRoleResponse>"""


SECRET_OF_ROLE, SESSION_OF_ROLE, TOKEN = secrets.make(), secrets.make(), secrets.make()


@pytest.fixture
def tokens():
    """A server that gives tokens in the words of Entra, Google and AWS."""

    def answer(asked: fake.Asked) -> fake.Answer:
        if asked.form.get("Action") == "AssumeRole":
            return 200, assume_role(asked)
        return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}

    server = fake.Fake(answer)
    yield server
    server.stop()


@pytest.fixture
def ask(start, upstream, tokens):
    """Sends one chat to a provider with one key, and returns what arrived there."""

    def ask(provider: str, model: str, key: Key, proxy=None, **env) -> fake.Asked:
        answer = ask.start(provider, key, proxy, **env).chat(f"{provider}/{model}")
        assert answer.status == 200, answer.body
        return upstream.asked()[-1]

    def start_one(provider: str, key: Key, proxy=None, **env):
        config = Config().provider(provider, upstream.url, [key])
        entry = config.document["providers"][provider]
        if provider == "azure":
            # Its keys say where it is.
            del entry["network_config"]["base_url"]
        if proxy:
            entry["proxy_config"] = proxy
        config.env.update(env)
        return start(config)

    ask.start = start_one
    return ask


def test_field_keys_name_and_value(start, sim):
    config = Config().provider("openai", sim.url, [Key("first"), Key("second")])
    gateway = start(config)
    for name in ("second", "first"):
        answer = gateway.chat("openai/m", headers={"x-bf-api-key": name})
        assert answer.status == 200, answer.body
        assert answer.headers["x-weir-key"] == name
        assert sim.keys_seen()[-1] == config.secret(name)


def test_field_keys_weight(start, sim):
    keys = [Key("light", weight=1.0), Key("heavy", weight=3.0), Key("spare", weight=0)]
    config = Config().provider("openai", sim.url, keys)
    gateway = start(config)
    for _ in range(8):
        assert gateway.chat("openai/m").status == 200
    seen = sim.keys_seen()
    counts = [seen.count(config.secret(name)) for name in ("light", "heavy", "spare")]
    assert counts == [2, 6, 0]


def test_field_keys_models_and_blacklisted_models_and_enabled(start, sim):
    keys = [
        Key("only", models=["one", "two"], extra={"blacklisted_models": ["two"]}),
        Key("rest", extra={"blacklisted_models": ["one"]}),
        Key("off", extra={"enabled": False}),
    ]
    gateway = start(Config().provider("openai", sim.url, keys))
    for model, name in (("one", "only"), ("two", "rest"), ("three", "rest")):
        for _ in range(3):
            assert gateway.chat(f"openai/{model}").headers["x-weir-key"] == name


def test_field_keys_aliases(start, sim):
    aliases = {"fast": "gpt-4o-mini", "long": {"model_id": "gpt-4o"}}
    gateway = start(Config().provider("openai", sim.url, [Key("a", extra={"aliases": aliases})]))
    for model in ("fast", "FAST", "long", "plain"):
        assert gateway.chat(f"openai/{model}").status == 200
    models = [entry["model"] for entry in sim.requests()]
    assert models == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o", "plain"]


def test_field_azure_key_config_endpoint_and_deployments(ask, upstream):
    block = {"endpoint": "env.AZURE_AT", "deployments": {"m": "m-prod"}}
    key = Key("a", extra={"azure_key_config": block})
    asked = ask("azure", "m", key, AZURE_AT=upstream.url)
    assert asked.path == "/openai/v1/chat/completions" and asked.json()["model"] == "m-prod"
    assert asked.headers["api-key"] == key.secret


def test_field_azure_key_config_api_version(ask, upstream):
    block = {"endpoint": upstream.url, "api_version": "2024-10-21"}
    asked = ask("azure", "m", Key("a", extra={"azure_key_config": block}))
    assert asked.target == "/openai/deployments/m/chat/completions?api-version=2024-10-21"


def azure_principal(upstream) -> tuple[dict, str]:
    secret = secrets.make()
    block = {"endpoint": upstream.url, "client_id": "client-1", "tenant_id": "tenant-1"}
    return {**block, "client_secret": "env.CLIENT_SECRET"}, secret


def test_field_azure_key_config_client_id_and_client_secret_and_tenant_id(ask, upstream, tokens):
    block, secret = azure_principal(upstream)
    key = Key("a", extra={"value": "", "azure_key_config": block})
    environment = {"CLIENT_SECRET": secret, "AZURE_AUTHORITY_HOST": tokens.url}
    asked = ask("azure", "m", key, **environment)
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    (call,) = tokens.asked()
    assert call.path == "/tenant-1/oauth2/v2.0/token"
    assert (call.form["client_id"], call.form["client_secret"]) == ("client-1", secret)


def test_field_azure_key_config_scopes(ask, upstream, tokens):
    block, secret = azure_principal(upstream)
    block["scopes"] = ["https://one.example/.default", "https://two.example/.default"]
    key = Key("a", extra={"value": "", "azure_key_config": block})
    ask("azure", "m", key, CLIENT_SECRET=secret, AZURE_AUTHORITY_HOST=tokens.url)
    assert tokens.asked()[0].form["scope"] == " ".join(block["scopes"])


def bedrock(name="bedrock", **block) -> Key:
    return Key("b", extra={"value": "", f"{name}_key_config": {"region": "eu-west-3", **block}})


KEYS = {"access_key": "env.AK", "secret_key": "env.SK"}


def test_field_bedrock_key_config_region_and_access_key_and_secret_key(ask):
    asked = ask("bedrock", "m", bedrock(**KEYS), AK="AKIATEST", SK=secrets.make())
    assert "Credential=AKIATEST/" in asked.headers["authorization"]
    assert "/eu-west-3/bedrock/aws4_request" in asked.headers["authorization"]


def assert_session_token_acts(ask, name: str, model: str) -> None:
    session = secrets.make()
    key = bedrock(name, **KEYS, session_token="env.ST")
    asked = ask(name, model, key, AK="AKIATEST", SK=secrets.make(), ST=session)
    assert asked.headers["x-amz-security-token"] == session


def test_field_bedrock_key_config_session_token(ask):
    assert_session_token_acts(ask, "bedrock", "m")


def test_field_bedrock_mantle_key_config_session_token(ask):
    assert_session_token_acts(ask, "bedrock_mantle", "openai.gpt-x")


def test_field_bedrock_key_config_role_arn_and_external_id_and_session_name(ask, tokens):
    assert_role_acts(ask, tokens, "bedrock", "m")


def test_field_bedrock_mantle_key_config_role_arn_and_external_id_and_session_name(ask, tokens):
    assert_role_acts(ask, tokens, "bedrock_mantle", "openai.gpt-x")


def assert_role_acts(ask, tokens, name: str, model: str) -> None:
    role = {"role_arn": "arn:aws:iam::1:role/r", "external_id": "ext-1", "session_name": "me"}
    key = bedrock(name, **KEYS, **role)
    environment = {"AK": "AKIATEST", "SK": secrets.make(), "AWS_ENDPOINT_URL_STS": tokens.url}
    asked = ask(name, model, key, **environment)
    assert "Credential=ASIAROLE/" in asked.headers["authorization"]
    assert asked.headers["x-amz-security-token"] == SESSION_OF_ROLE
    form = tokens.asked()[0].form
    assert form["RoleArn"] == "arn:aws:iam::1:role/r"
    assert (form["ExternalId"], form["RoleSessionName"]) == ("ext-1", "me")


def test_field_bedrock_key_config_deployments(ask):
    key = bedrock(**KEYS, deployments={"m": "nova-x"})
    asked = ask("bedrock", "m", key, AK="AKIATEST", SK=secrets.make())
    assert asked.path == "/model/nova-x/converse"


def service_account(tokens) -> str:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    document = {"type": "service_account", "client_email": "me@p.example", "private_key_id": "k1"}
    return json.dumps({**document, "private_key": pem.decode(), "token_uri": f"{tokens.url}/t"})


def vertex(**block) -> Key:
    block = {"project_id": "my-p", "region": "us-east5", "auth_credentials": "env.SA", **block}
    return Key("v", extra={"value": "", "vertex_key_config": block})


def test_field_vertex_key_config_project_id_and_region_and_auth_credentials(ask, tokens):
    asked = ask("vertex", "gemini-2.5-x", vertex(), SA=service_account(tokens))
    place = "/projects/my-p/locations/us-east5/publishers/google/models/gemini-2.5-x"
    assert place in asked.path
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert tokens.asked()[0].form["assertion"].count(".") == 2


def test_field_vertex_key_config_deployments(ask, tokens):
    key = vertex(deployments={"m": "gemini-2.5-x"})
    asked = ask("vertex", "m", key, SA=service_account(tokens))
    assert asked.path.endswith("/models/gemini-2.5-x:generateContent")


def test_field_huggingface_key_config_deployments(ask):
    key = Key("h", extra={"huggingface_key_config": {"deployments": {"m": "meta/Llama"}}})
    assert ask("huggingface", "m", key).json()["model"] == "meta/Llama"


@pytest.mark.parametrize("provider", ["azure", "bedrock", "vertex"])
def test_calls_for_tokens_go_through_the_providers_proxy(
    ask, upstream, tokens, outside, provider
):
    """And with a proxy that does not work there is no token, and nothing goes around it."""
    block, secret = azure_principal(upstream)
    role = {"role_arn": "arn:aws:iam::1:role/r"}
    key = {
        "azure": Key("a", extra={"value": "", "azure_key_config": block}),
        "bedrock": bedrock(**KEYS, **role),
        "vertex": vertex(),
    }[provider]
    environment = {
        "CLIENT_SECRET": secret,
        "AZURE_AUTHORITY_HOST": tokens.url,
        "AK": "AKIATEST",
        "SK": secrets.make(),
        "AWS_ENDPOINT_URL_STS": tokens.url,
        "SA": service_account(tokens),
    }
    model = "gemini-2.5-x" if provider == "vertex" else "m"
    proxy = proxies.tinyproxy(outside)
    try:
        ask(provider, model, key, proxy.section(), **environment)
        assert f":{tokens.port}" in proxy.said() and f":{upstream.port}" in proxy.said()
        (call,) = tokens.asked()
        assert "via" in call.headers, call.headers
    finally:
        proxy.stop()
    answer = ask.start(provider, key, proxy.section(), **environment).chat(f"{provider}/{model}")
    assert answer.status == 502 and proxy.address in answer.error["message"], answer.body
    assert len(tokens.asked()) == 1 and len(upstream.asked()) == 1
