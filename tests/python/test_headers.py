"""What crosses the gateway in headers, in both directions, and what does not; CORS."""

import re
import uuid

import pytest
from harness.config import Config


def seen(sim) -> dict[str, str]:
    return dict(sim.requests()[-1]["headers"])


def test_client_credentials_and_stray_headers_stop_at_the_edge(gateway, sim):
    sent = {
        "authorization": "Bearer client-secret",
        "x-api-key": "client-secret",
        "api-key": "client-secret",
        "cookie": "session=client-secret",
        "x-forwarded-for": "10.1.2.3",
        "x-stray": "client-secret",
        "user-agent": "client-secret",
    }
    assert gateway.chat("openai/gpt-4o", headers=sent).status == 200
    (entry,) = sim.requests()
    assert entry["key"] == gateway.config.secret("openai-1")
    assert "client-secret" not in str(entry)
    assert "10.1.2.3" not in str(entry)
    names = {name for name, _ in entry["headers"]}
    assert names <= {
        "accept", "accept-encoding", "content-length", "content-type", "host", "traceparent",
        "transfer-encoding", "user-agent",
    }, names  # fmt: skip


def test_headers_that_ask_for_it_are_forwarded(start, sim):
    listed = {"allowlist": ["x-team", "openai-*", "authorization", "x-forwarded-for"]}
    gateway = start(Config().provider("openai", sim.url).client(header_filter_config=listed))
    sent = {"x-bf-eh-x-team": "platform", "x-bf-eh-OpenAI_Beta": "assistants=v2"}
    bare = {"authorization": "Bearer client-secret", "x-forwarded-for": "10.1.2.3", "X_Team": "b"}
    assert gateway.chat("openai/gpt-4o", headers={**sent, **bare}).status == 200
    headers = seen(sim)
    assert (headers["x-team"], headers["openai-beta"]) == ("platform", "assistants=v2")
    assert "client-secret" not in str(sim.requests()) and "10.1.2.3" not in str(sim.requests())


def test_what_vendors_let_clients_choose_passes_by_itself(start, sim, other_sim):
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    gateway = start(config)
    sent = {"x-bf-eh-openai-beta": "assistants=v2", "x-bf-eh-groq_model_version": "latest"}
    for model, provider, own, lost in [
        ("openai/gpt-4o", sim, "openai-beta", "groq-model-version"),
        ("groq/llama", other_sim, "groq-model-version", "openai-beta"),
    ]:
        answer = gateway.chat(model, headers=sent)
        assert answer.status == 200
        names = {name for name, _ in provider.requests()[-1]["headers"]}
        assert own in names and lost not in names
        assert answer.headers["x-weir-losses"] == lost


# In every spelling: whoever reads them may take `_` for `-`.
NEVER = [
    "authorization", "x-authorization", "cf-aig-authorization", "api-key", "api_key", "xi-api-key",
    "x-goog-api-key", "ocp-apim-subscription-key", "private-token", "x-amz-security-token",
    "x_amz_security_token", "x-auth-token", "x-client-secret", "cookie", "x-forwarded-for",
    "x_forwarded_for", "forwarded", "via", "x-real-ip", "host", "content-length",
    "transfer-encoding", "connection", "te", "anthropic-version", "traceparent",
]  # fmt: skip


@pytest.mark.parametrize("listed", [None, ["*"], NEVER], ids=["nothing", "all", "each"])
def test_what_may_not_be_passed_on_is_refused_by_its_name(start, sim, listed):
    config = Config().provider("openai", sim.url)
    if listed:
        config.client(header_filter_config={"allowlist": listed})
    gateway = start(config)
    for name in NEVER:
        for spelling in (name, name.upper()):
            headers = {f"x-bf-eh-{spelling}": "sk-of-the-client"}
            answer = gateway.chat("openai/gpt-4o", headers=headers)
            assert answer.status == 400, (spelling, answer.body)
            assert f'"{name.replace("_", "-")}"' in answer.error["message"], answer.body
            assert "sk-of-the-client" not in answer.body.decode()
    models = gateway.request("GET", "/v1/models", headers={"x-bf-eh-cookie": "client-secret"})
    assert models.status == 400
    if not listed:
        unknown = gateway.chat("openai/gpt-4o", headers={"x-bf-eh-x-team": "a"})
        assert unknown.status == 400 and "allowlist" in unknown.error["message"]
    assert sim.requests() == []


def test_what_the_operator_sets_stays(start, sim):
    """Whatever clients send, and however they spell it."""
    extra = {"X-Team": "operator", "ocp_apim_subscription_key": "operator", "openai-beta": "operator"}
    config = Config().provider("openai", sim.url, extra_headers=extra)
    gateway = start(config.client(header_filter_config={"allowlist": ["*"]}))
    for headers in [
        {"x-bf-eh-x-team": "client", "x-bf-eh-openai-beta": "client"},
        {"X-TEAM": "client", "OpenAI-Beta": "client"},
        {"x-bf-eh-X_Team": "client", "x_team": "client", "openai_beta": "client"},
    ]:
        assert gateway.chat("openai/gpt-4o", headers=headers).status == 200
        sent = sim.requests()[-1]["headers"]
        assert "client" not in [value for _, value in sent], sent
        got = {name.replace("_", "-"): value for name, value in sent}
        for name in ["x-team", "ocp-apim-subscription-key", "openai-beta"]:
            assert got[name] == "operator", sent


def test_the_operators_version_of_a_format_wins(start, sim):
    extra = {"anthropic-version": "2099-01-01", "anthropic-beta": "operators-1"}
    config = Config().provider("anthropic", sim.url, extra_headers=extra)
    gateway = start(config)
    body = {"model": "anthropic/claude-x", "max_tokens": 9}
    body["messages"] = [{"role": "user", "content": "hi"}]
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "clients-1"}
    assert gateway.request("POST", "/anthropic/v1/messages", body, headers).status == 200
    assert seen(sim)["anthropic-version"] == "2099-01-01"
    assert seen(sim)["anthropic-beta"] == "operators-1,clients-1"


def test_configured_extra_headers_are_sent(start, sim):
    config = Config().provider("openai", sim.url, extra_headers={"x-team": "from-file"})
    gateway = start(config)
    assert gateway.chat("openai/gpt-4o").status == 200
    assert seen(sim)["x-team"] == "from-file"


def test_response_headers(gateway):
    answer = gateway.chat("openai/gpt-4o")
    headers = answer.headers
    assert headers["x-weir-provider"] == "openai"
    assert headers["x-weir-key"] == "openai-1"
    assert re.fullmatch(r"openai/openai-1:200;ms=\d+", headers["x-weir-attempts"])
    assert int(headers["x-weir-queue-ms"]) >= 0
    assert headers["content-type"].startswith("application/json")
    uuid.UUID(headers["x-request-id"])
    parts = dict(re.findall(r"(\w+);dur=([\d.]+)", headers["server-timing"]))
    assert {"queue", "router", "worker", "upstream"} <= set(parts)


def test_server_timing_knows_where_the_time_went(gateway):
    answer = gateway.chat("openai/sim:latency=300")
    parts = dict(re.findall(r"(\w+);dur=([\d.]+)", answer.headers["server-timing"]))
    assert 295 <= float(parts["upstream"]) < 2000
    assert float(parts["queue"]) < 100


def test_the_callers_request_id_is_kept(gateway):
    answer = gateway.chat("openai/gpt-4o", headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    error = gateway.chat("nowhere/x", headers={"x-request-id": "mine-2"})
    assert error.headers["x-request-id"] == "mine-2"
    assert error.json()["event_id"] == "mine-2"
    # It ends up in logs and traces: what could do harm there is replaced.
    strange = gateway.chat("openai/gpt-4o", headers={"x-request-id": "a b<script>"})
    assert "<" not in strange.headers["x-request-id"]


def test_provider_headers_are_passed_on_but_for_cookies(gateway, sim):
    sim.rule(
        "latency=0",
        headers={
            "x-ratelimit-remaining-requests": "59",
            "openai-version": "2020-10-01",
            "set-cookie": "a=b",
            "x-weir-provider": "forged",
        },
    )
    headers = gateway.chat("openai/gpt-4o").headers
    assert headers["x-ratelimit-remaining-requests"] == "59"
    assert "set-cookie" not in headers
    assert headers["x-weir-provider"] == "openai"


def test_required_headers(start, sim):
    config = Config().provider("openai", sim.url).client(required_headers=["x-team"])
    gateway = start(config)
    refused = gateway.chat("openai/gpt-4o")
    assert refused.status == 400
    assert "x-team" in refused.error["message"]
    assert gateway.chat("openai/gpt-4o", headers={"x-team": "a"}).status == 200


def preflight(gateway, origin):
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return gateway.request("OPTIONS", "/v1/chat/completions", headers=headers)


def test_cors_for_every_page_that_all_may(start, sim):
    gateway = start(Config().provider("openai", sim.url).client(allowed_origins=["*"]))
    answer = preflight(gateway, "https://page.example")
    assert answer.status in (200, 204)
    assert answer.headers["access-control-allow-origin"] in ("*", "https://page.example")
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    plain = gateway.chat("openai/gpt-4o", headers={"origin": "https://page.example"})
    assert plain.headers["access-control-allow-origin"] in ("*", "https://page.example")
    assert "x-request-id" in plain.headers["access-control-expose-headers"].lower()


def test_cors_for_configured_pages_only(start, sim):
    origins = ["https://app.example.com", "https://*.example.org"]
    gateway = start(Config().provider("openai", sim.url).client(allowed_origins=origins))
    allow = "access-control-allow-origin"
    for origin, allowed in [
        ("https://app.example.com", True),
        ("https://a.example.org", True),
        ("http://localhost:3000", True),
        ("https://evil.example", False),
        ("https://app.example.com.evil.example", False),
        ("http://app.example.com", False),
    ]:
        answer = preflight(gateway, origin)
        assert (answer.headers.get(allow) == origin) is allowed, (origin, answer.headers)
        plain = gateway.chat("openai/gpt-4o", headers={"origin": origin})
        assert plain.status == (200 if allowed else 403)
        assert (plain.headers.get(allow) == origin) is allowed, origin


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/nowhere"])
def test_errors_carry_a_request_id(gateway, path):
    answer = gateway.request("POST", path, {"model": "nowhere/x"})
    assert answer.headers["x-request-id"]
