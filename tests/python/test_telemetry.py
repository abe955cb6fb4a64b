"""One trace per request, metrics that count, and one log line per request."""

import json
import re

import pytest
from harness import http
from harness.collector import Collector
from harness.config import Config, Key
from harness.topology import SERVICES

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def collector():
    started = Collector()
    yield started
    started.stop()


def trace(number: int) -> tuple[str, dict[str, str]]:
    """A trace id of the client's and the headers that carry it."""
    trace_id = TRACE[:-4] + f"{number:04x}"
    return trace_id, {"traceparent": f"00-{trace_id}-{PARENT}-01", "tracestate": "vendor=1"}


def by_id(spans):
    return {span.span_id: span for span in spans}


def under(spans, parent):
    return [span for span in spans if span.parent_id == parent.span_id]


def assert_connected(spans, topology):
    """One tree under the client's span, to which every room has added."""
    (edge,) = [span for span in spans if span.parent_id == PARENT]
    known = by_id(spans)
    loose = [span for span in spans if span is not edge and span.parent_id not in known]
    assert not loose, loose
    rooms = {"weir-edge", "weir-router", "weir-worker"} if topology in SERVICES else {"weir"}
    assert {span.service for span in spans} == rooms
    return edge


def test_one_trace_from_the_client_to_the_provider(start, sim, collector, topology):
    gateway = start(Config().provider("openai", sim.url), env=collector.env)
    trace_id, headers = trace(1)
    assert gateway.chat("openai/gpt-4o", headers=headers).status == 200
    spans = collector.wait_for(trace_id, 5)
    edge = assert_connected(spans, topology)
    assert edge.attributes["http.response.status_code"] == 200
    assert edge.attributes["http.route"] == "/v1/chat/completions"
    (router,) = under(spans, edge)
    (attempt,) = [span for span in under(spans, router) if "attempt" in span.name]
    (call,) = under(spans, attempt)
    assert call.attributes["gen_ai.operation.name"] == "chat"
    assert call.attributes["gen_ai.request.model"] == "gpt-4o"
    assert call.attributes["gen_ai.usage.input_tokens"] > 0
    assert call.attributes["gen_ai.usage.output_tokens"] > 0
    assert attempt.attributes["weir.key"] == "openai-1"
    # Token counts on any other span would be added up twice.
    others = [span for span in spans if span is not call]
    assert not any(key.startswith("gen_ai.") for span in others for key in span.attributes)
    for span in spans:
        parent = by_id(spans).get(span.parent_id)
        assert parent is None or (parent.start <= span.start and span.end <= parent.end + 5_000_000)
    # The provider gets the trace, with the call's own span as parent.
    sent = dict(sim.requests()[0]["headers"])["traceparent"]
    assert sent == f"00-{trace_id}-{call.span_id}-01"


def test_attempts_are_siblings(start, sim, collector, topology):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config, env=collector.env)
    sim.rule("status=429", key=config.secret("a"))
    trace_id, headers = trace(2)
    assert gateway.chat("openai/gpt-4o", headers=headers).status == 200
    spans = collector.wait_for(trace_id, 8)
    assert_connected(spans, topology)
    attempts = [span for span in spans if "attempt" in span.name]
    assert [span.attributes["weir.key"] for span in attempts] == ["a", "b"]
    assert len({span.parent_id for span in attempts}) == 1
    assert [span.attributes["weir.attempt"] for span in attempts] == [1, 2]
    assert attempts[0].failed and not attempts[1].failed


def test_a_fallback_is_in_the_trace(start, sim, other_sim, collector, topology):
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    gateway = start(config, env=collector.env)
    sim.rule("status=500")
    trace_id, headers = trace(7)
    answer = gateway.chat("openai/gpt-4o", headers=headers, fallbacks=["groq/other"])
    assert answer.status == 200
    spans = collector.wait_for(trace_id, 8)
    assert_connected(spans, topology)
    calls = [span for span in spans if "gen_ai.operation.name" in span.attributes]
    assert [call.attributes["gen_ai.request.model"] for call in calls] == ["gpt-4o", "other"]
    assert [call.failed for call in calls] == [True, False]
    for call, provider in zip(calls, (sim, other_sim)):
        (entry,) = provider.requests()
        assert dict(entry["headers"])["traceparent"] == f"00-{trace_id}-{call.span_id}-01"


def test_the_wait_for_a_slot_is_in_the_trace(start, sim, collector, topology):
    config = Config().provider("openai", sim.url, concurrency=1, buffer=2)
    gateway = start(config, env=collector.env)
    holding = gateway.stream("openai/sim:chunks=4,interval=150")
    next(iter(holding))
    trace_id, headers = trace(3)
    assert gateway.chat("openai/gpt-4o", headers=headers).status == 200
    holding.close()
    spans = collector.wait_for(trace_id, 5)
    assert_connected(spans, topology)
    waits = [span.attributes.get("weir.queue.wait_us", 0) for span in spans]
    assert max(waits) >= 100_000, spans


def test_streams_are_traced_to_their_last_byte(start, sim, collector, topology):
    gateway = start(Config().provider("openai", sim.url), env=collector.env)
    trace_id, headers = trace(4)
    model = "openai/sim:chunks=4,interval=100"
    stream = gateway.stream(model, headers, stream_options={"include_usage": True})
    assert stream.read().done
    spans = collector.wait_for(trace_id, 5)
    edge = assert_connected(spans, topology)
    assert edge.end - edge.start >= 290_000_000
    (call,) = [span for span in spans if "gen_ai.operation.name" in span.attributes]
    assert call.end - call.start >= 290_000_000
    assert call.attributes["gen_ai.usage.output_tokens"] > 0


def test_failed_requests_are_traced_as_failed(start, sim, collector, topology):
    gateway = start(Config().provider("openai", sim.url), env=collector.env)
    trace_id, headers = trace(5)
    assert gateway.chat("openai/sim:status=500", headers=headers).status == 500
    spans = collector.wait_for(trace_id, 5)
    edge = assert_connected(spans, topology)
    assert edge.failed
    assert edge.attributes["http.response.status_code"] == 500
    assert any(span.attributes.get("error.type") for span in spans)


def test_without_a_collector_the_clients_trace_still_reaches_the_provider(gateway, sim):
    trace_id, headers = trace(6)
    assert gateway.chat("openai/gpt-4o", headers=headers).status == 200
    sent = dict(sim.requests()[0]["headers"])
    assert sent["traceparent"] == headers["traceparent"]
    assert sent["tracestate"] == "vendor=1"


def value(page: str, name: str, **labels) -> float:
    """The sum of a metric's series that have these labels."""
    total = 0.0
    for line in page.splitlines():
        found = re.match(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if not found:
            continue
        have = dict(re.findall(r'(\w+)="([^"]*)"', found.group(1) or ""))
        if all(have.get(key) == wanted for key, wanted in labels.items()):
            total += float(found.group(2))
    return total


def test_metrics_count_what_happened(gateway, sim):
    for _ in range(3):
        assert gateway.chat("openai/gpt-4o").status == 200
    assert gateway.stream("openai/gpt-4o").read().done
    assert gateway.chat("openai/sim:status=400").status == 400
    assert gateway.chat("openai/sim:status=429").status == 429
    # Whoever has the last byte is ahead of those who count.
    gateway.wait_until(lambda: value(gateway.metrics(), "weir_requests_in_flight") == 0)
    gateway.wait_until(lambda: value(gateway.metrics(), "weir_pool_leases") == 0)
    page = gateway.metrics()
    assert value(page, "weir_requests_total", provider="openai", status="200") == 4
    assert value(page, "weir_requests_total", provider="openai", status="400") == 1
    assert value(page, "weir_request_duration_seconds_count", provider="openai") == 6
    assert value(page, "weir_tokens_total", provider="openai", kind="input") > 0
    assert value(page, "weir_tokens_total", provider="openai", kind="output") > 0
    assert value(page, "weir_grants_total", provider="openai", key="openai-1") == 6
    assert value(page, "weir_cooldowns_total", provider="openai") == 1
    assert value(page, "weir_attempts_total", provider="openai") == 6
    assert value(page, "weir_time_to_first_byte_seconds_count", provider="openai") >= 4


def test_label_sets_are_bounded(gateway):
    """What a client makes up never becomes a label."""
    for number in range(30):
        gateway.chat(f"openai/made-up-{number}")
        gateway.chat(f"made-up-provider-{number}/x")
        gateway.request("POST", f"/made-up-path-{number}", {})
    page = gateway.metrics()
    assert "made-up" not in page
    assert len(page.splitlines()) < 600 * len(gateway.services)


def test_metrics_are_a_page_that_prometheus_reads(gateway):
    answer = http.request("GET", gateway.edges[0].admin + "/metrics")
    assert "text" in answer.headers["content-type"]
    for line in answer.body.decode().splitlines():
        plain = re.match(r"(# (HELP|TYPE|UNIT|EOF).*|\w+(\{.*\})? [-+0-9.eEinfNa]+( .*)?)$", line)
        assert plain, line


def test_one_log_line_per_request_as_text_or_json(start, sim):
    gateway = start(Config().provider("openai", sim.url), flags=["--log-format", "json"])
    answer = gateway.chat("openai/gpt-4o", headers={"x-request-id": "in-the-log"})
    assert answer.status == 200

    def log() -> list[str]:
        return [line for edge in gateway.edges for line in edge.process.output.splitlines()]

    gateway.wait_until(lambda: any("in-the-log" in line for line in log()))
    lines = [json.loads(line) for line in log() if line.startswith("{")]
    info = [line for line in lines if line["level"] == "INFO" and "in-the-log" in str(line)]
    assert len(info) == 1, info
    assert "gpt-4o" in str(info[0]) and "200" in str(info[0])
