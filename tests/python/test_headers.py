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


def test_headers_that_ask_for_it_are_forwarded(gateway, sim):
    sent = {
        "x-bf-eh-x-team": "platform",
        "x-bf-eh-authorization": "Bearer client-secret",
        "x-bf-eh-cookie": "client-secret",
        "x-bf-eh-host": "elsewhere",
    }
    assert gateway.chat("openai/gpt-4o", headers=sent).status == 200
    headers = seen(sim)
    assert headers["x-team"] == "platform"
    assert "client-secret" not in str(sim.requests())
    assert headers["host"] != "elsewhere"


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
    assert headers["x-weir-attempts"] == "openai/openai-1:200"
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
