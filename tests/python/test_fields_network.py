"""`network_config`: each field acts. A test is named after its field and fails when that is
ignored; `test_manual.py` sees that none is left out."""

import json
import time

import pytest
from harness import fake, load
from harness.chatter import STOP, Chatter, text
from harness.config import Config
from harness.tap import Tap

pytestmark = pytest.mark.topologies("all-in-one-memory")


@pytest.fixture
def tap():
    """Counts the connections to a server."""
    made = []

    def tap(*arguments) -> Tap:
        made.append(Tap(*arguments))
        return made[-1]

    yield tap
    for one in made:
        one.stop()


@pytest.fixture
def chatter():
    """Makes providers whose streams do not end."""
    made = []

    def chatter(*events) -> Chatter:
        made.append(Chatter(*events))
        return made[-1]

    yield chatter
    for one in made:
        one.stop()


@pytest.fixture
def openai(start, sim):
    """Starts a gateway whose provider `openai` is the simulator, with these network settings."""

    def openai(url=None, env=None, **network):
        config = Config().provider("openai", url or sim.url, **network)
        config.env.update(env or {})
        config.document["providers"]["openai"]["network_config"] = {
            name: value
            for name, value in config.document["providers"]["openai"]["network_config"].items()
            if value is not None
        }
        return start(config)

    return openai


def gaps(sim) -> list[float]:
    """Seconds between requests that reached the simulator."""
    at = [entry["started_us"] / 1e6 for entry in sim.requests()]
    return [later - earlier for earlier, later in zip(at, at[1:])]


def test_field_network_config_base_url(start, sim, tap):
    config = Config()
    config.provider("openai", f"{sim.url}/deep/in/a/path/")
    config.provider("groq", "env.GROQ_URL")
    config.env["GROQ_URL"] = f"{sim.url}/groq"
    urls = {"openai": "/deep/in/a/path/v1", "groq": "/groq/v1"}
    try:
        config.provider("xai", tap(sim.url, "::1").url)
        urls["xai"] = "/v1"
    except OSError:
        # This machine has no IPv6.
        pass
    gateway = start(config)
    for provider, path in urls.items():
        assert gateway.chat(f"{provider}/m").status == 200, provider
        assert sim.requests()[-1]["path"] == f"{path}/chat/completions"


def test_field_network_config_extra_headers(openai, sim):
    headers = {"x-team": "blue", "X-Secret": "env.TEAM_SECRET"}
    gateway = openai(extra_headers=headers, env={"TEAM_SECRET": "from-the-environment"})
    assert gateway.chat("openai/m").status == 200
    assert gateway.request("GET", "/v1/models").status == 200
    for asked in sim.requests():
        headers = dict(asked["headers"])
        assert headers["x-team"] == "blue"
        assert headers["x-secret"] == "from-the-environment"


def test_field_network_config_default_request_timeout_in_seconds(openai):
    gateway = openai(default_request_timeout_in_seconds=1)
    began = time.monotonic()
    assert gateway.chat("openai/sim:latency=8000").status == 504
    assert time.monotonic() - began < 4


def test_field_network_config_max_retries(openai, sim):
    gateway = openai(max_retries=2, retry_backoff_initial=100)
    assert gateway.chat("openai/sim:status=500,times=2").status == 200
    assert len(sim.requests()) == 3
    assert gateway.chat("openai/sim:status=500,times=3").status != 200


def test_field_network_config_retry_backoff_initial_and_retry_backoff_initial_ms(
    start, sim, other_sim
):
    config = Config()
    more = {"max_retries": 1, "retry_backoff_max": 5000}
    config.provider("openai", sim.url, retry_backoff_initial_ms=1500, **more)
    config.provider("groq", other_sim.url, retry_backoff_initial="1.5s", **more)
    gateway = start(config)
    for provider, seen in (("openai", sim), ("groq", other_sim)):
        assert gateway.chat(f"{provider}/sim:status=500,times=1").status == 200
        (gap,) = gaps(seen)
        # A fifth more or less.
        assert gap > 1.1, gap


@pytest.mark.parametrize("longest", [{"retry_backoff_max": "100ms"}, {"retry_backoff_max_ms": 100}])
def test_field_network_config_retry_backoff_max_and_retry_backoff_max_ms(openai, sim, longest):
    gateway = openai(max_retries=6, retry_backoff_initial=100, **longest)
    assert gateway.chat("openai/sim:status=500,times=6").status == 200
    # It would have doubled to 3.2 s.
    assert max(gaps(sim)) < 1.5, gaps(sim)


def test_field_network_config_max_conns_per_host(openai, sim):
    gateway = openai(max_conns_per_host=2)
    body = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}
    sim.rule("latency=300")
    results = load.run(gateway.addresses, [load.chat_request(body)] * 6, clients=6)
    assert [result.status for result in results] == [200] * 6
    assert sim.stats()["total"]["high_water"] == 2


def test_field_network_config_stream_idle_timeout_in_seconds(openai):
    gateway = openai(stream_idle_timeout_in_seconds=5)
    began = time.monotonic()
    events = gateway.stream("openai/sim:stall=1").read()
    assert events.errors and not events.done
    assert 4 < time.monotonic() - began < 15


def test_field_network_config_max_answer_size_mb_and_max_event_size_mb(openai):
    answer = {"choices": [{"message": {"role": "assistant", "content": "x" * (1 << 20)}}]}
    event = {"choices": [{"index": 0, "delta": {"content": "x" * (1 << 20)}}]}
    events = f"data: {json.dumps(event)}\n\n"
    server = fake.Fake(lambda asked: (200, events if asked.json().get("stream") else answer))
    try:
        gateway = openai(server.url, max_answer_size_mb=1, max_event_size_mb=1)
        refused = gateway.chat("openai/m")
        assert refused.status == 502 and "max_answer_size_mb" in refused.error["message"]
        refused = gateway.chat("openai/m", stream=True)
        assert refused.status == 502 and "max_event_size_mb" in refused.error["message"]
        roomy = openai(server.url, max_answer_size_mb=2, max_event_size_mb=2)
        assert roomy.chat("openai/m").status == 200
    finally:
        server.stop()


def test_field_network_config_stream_comment_timeout_in_seconds(openai, chatter):
    provider = chatter(text("word"))
    gateway = openai(provider.url, stream_comment_timeout_in_seconds=5)
    began = time.monotonic()
    events = gateway.stream("openai/m").read()
    assert events.errors and not events.done
    assert 4 < time.monotonic() - began < 15


def test_after_a_finish_reason_comments_keep_no_stream_alive(openai, chatter):
    gateway = openai(chatter(text("word"), STOP).url)
    began = time.monotonic()
    events = gateway.stream("openai/m").read()
    assert events.done and not events.errors
    assert time.monotonic() - began < 10


def test_field_network_config_first_token_timeout_in_seconds(openai):
    gateway = openai(first_token_timeout_in_seconds=1)
    began = time.monotonic()
    answer = gateway.chat("openai/sim:first-chunk=8000", stream=True)
    assert answer.status == 504, answer.body
    assert time.monotonic() - began < 4
    # An answer that is no stream has the time of a request.
    assert gateway.chat("openai/sim:latency=1500").status == 200


def test_field_network_config_keep_alive_timeout_in_seconds(openai, sim, tap):
    way = tap(sim.url)
    gateway = openai(way.url, keep_alive_timeout_in_seconds=1)
    assert gateway.chat("openai/m").status == 200
    # The default is 4 s.
    assert way.wait_ended(1, timeout=15) < 3.5
    assert gateway.chat("openai/m").status == 200
    assert way.made == 2


def test_field_network_config_ca_cert_pem(start, sim, door, authority):
    way = door(sim.url)
    config = Config()
    config.provider("openai", way.url, ca_cert_pem="env.CA", max_retries=0)
    config.provider("groq", way.url, ca_cert_pem=authority.pem)
    config.provider("xai", way.url)
    config.env["CA"] = authority.pem
    gateway = start(config)
    assert gateway.chat("openai/m").status == 200
    assert gateway.chat("groq/m").status == 200
    answer = gateway.chat("xai/m")
    assert answer.status == 502 and "certificate" in answer.error["message"], answer.body


def test_field_network_config_insecure_skip_verify(start, sim, door):
    way = door(sim.url)
    config = Config()
    config.provider("openai", way.url, insecure_skip_verify=True)
    config.provider("groq", way.url, insecure_skip_verify=False)
    gateway = start(config)
    assert gateway.chat("openai/m").status == 200
    assert gateway.chat("groq/m").status == 502
    page = gateway.metrics()
    assert 'weir_upstream_insecure{provider="openai"} 1' in page
    assert 'weir_upstream_insecure{provider="groq"} 0' in page
    said = "\n".join(process.output for process in gateway.processes)
    assert "insecure_skip_verify" in said


def test_field_network_config_enforce_http2(start, sim, door, authority):
    older, newer = door(sim.url), door(sim.url, versions=["h2"])
    trust = {"ca_cert_pem": authority.pem}
    config = Config()
    config.provider("openai", older.url, **trust)
    config.provider("groq", older.url, **trust, enforce_http2=True, max_retries=0)
    config.provider("xai", newer.url, **trust, enforce_http2=True)
    # Without TLS it is spoken from the first byte.
    config.provider("nebius", sim.url, enforce_http2=True)
    gateway = start(config)
    for provider in ("openai", "xai", "nebius"):
        assert gateway.chat(f"{provider}/m").status == 200
        assert gateway.stream(f"{provider}/m").read().done
    answer = gateway.chat("groq/m")
    assert answer.status == 502, answer.body
    for word in ("HTTP/2", "enforce_http2", "localhost"):
        assert word in answer.error["message"], answer.body
    assert versions(sim) == ["HTTP/1.1"] * 2 + ["HTTP/2.0"] * 4


def versions(sim) -> list[str]:
    return [entry["version"] for entry in sim.requests()]


def test_http2_is_spoken_where_it_is_offered(start, sim, door, authority):
    both = door(sim.url, versions=["h2", "http/1.1"])
    config = Config().provider("openai", both.url, ca_cert_pem=authority.pem)
    # Each core has connections of its own.
    gateway = start(config, flags=["--threads", "1"])
    for _ in range(3):
        assert gateway.chat("openai/m").status == 200
    assert versions(sim) == ["HTTP/2.0"] * 3
    # What breaks is a stream, and not the connection of the others.
    running = gateway.stream("openai/sim:chunks=20,interval=50")
    events = gateway.stream("openai/sim:reset=2").read()
    assert events.errors and not events.done
    assert gateway.chat("openai/sim:reset,times=1", fallbacks=["openai/m"]).status == 200
    assert running.read().done
    assert both.made == 1


def test_calls_share_a_connection_of_http2_up_to_the_bound(start, sim, door, authority):
    way = door(sim.url, versions=["h2"])
    more = {"ca_cert_pem": authority.pem, "enforce_http2": True}
    config = Config().provider("openai", way.url, max_conns_per_host=7, **more)
    gateway = start(config, flags=["--threads", "1"])
    body = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}
    sim.rule("latency=300")
    results = load.run(gateway.addresses, [load.chat_request(body)] * 21, clients=21)
    assert [result.status for result in results] == [200] * 21
    assert set(versions(sim)) == {"HTTP/2.0"}
    assert sim.stats()["total"]["high_water"] == 7
    assert way.made == 1


def test_field_network_config_stream_throughput_guard(start, sim, other_sim):
    def guard(pace: int, window: int = 2) -> dict:
        return {"minimum_output_characters_per_second": pace, "probe_window_in_seconds": window}

    config = Config()
    config.provider("openai", sim.url, stream_throughput_guard=guard(500), max_retries=0)
    config.provider("groq", sim.url, stream_throughput_guard=guard(10, window=1))
    # A format that is translated.
    config.provider("anthropic", sim.url, stream_throughput_guard=guard(500))
    config.provider("xai", other_sim.url)
    gateway = start(config)
    # Ten characters in a fifth of a second, and so on.
    slow = "sim:answer-bytes=100,chunks=10,interval=200"
    for provider in ("openai", "anthropic"):
        began = time.monotonic()
        answer = gateway.chat(f"{provider}/{slow}", stream=True)
        assert answer.status == 504, answer.body
        assert "less than 500 characters a second" in answer.error["message"]
        # 256 characters would have come in half a second.
        assert time.monotonic() - began < 1.8
        answer = gateway.chat(f"{provider}/{slow}", stream=True, fallbacks=["xai/m"])
        assert answer.status == 200 and answer.headers["x-weir-provider"] == "xai"
        # What is complete was fast enough; what is no stream has no pace.
        short = f"{provider}/sim:answer-bytes=9,chunks=1"
        assert gateway.stream(short).read().done
        assert gateway.chat(f"{provider}/{slow}").status == 200
    began = time.monotonic()
    events = gateway.stream("groq/sim:answer-bytes=100,chunks=10,interval=500")
    # Ten characters are enough for a second, and a second it is.
    assert time.monotonic() - began < 1.5
    assert events.read().done


def test_field_network_config_beta_header_overrides(start, sim):
    overrides = {"files-": False, "files-api-": True}
    config = Config().provider("anthropic", sim.url, beta_header_overrides=overrides)
    gateway = start(config)
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    asked = "files-api-2025-04-14, files-other-1,context-1m-2025-08-07"
    answer = gateway.request(
        "POST", "/anthropic/v1/messages", body, {"anthropic-beta": asked}
    )
    assert answer.status == 200, answer.body
    (entry,) = sim.requests()
    assert dict(entry["headers"])["anthropic-beta"] == "files-api-2025-04-14,context-1m-2025-08-07"
    assert answer.headers["x-weir-losses"] == "anthropic-beta.files-other-1"


def test_field_network_config_allow_private_network(start, sim):
    config = Config()
    soon = {"default_request_timeout_in_seconds": 2}
    config.provider("openai", "http://10.255.255.1:9", allow_private_network=False, **soon)
    config.provider("xai", "http://[::ffff:10.255.255.1]:9", allow_private_network=False, **soon)
    config.provider("groq", "http://10.255.255.1:9", **soon)
    config.provider("nebius", "http://169.254.169.254", allow_private_network=True, **soon)
    # What no URL parser takes for an address.
    config.provider("parasail", "http://0251.254.169.254", **soon)
    config.provider("deepseek", sim.url, allow_private_network=False)
    gateway = start(config)
    for provider, words in {
        "openai": "private address",
        "xai": "private address",
        "nebius": "metadata address",
        "parasail": "metadata address",
    }.items():
        answer = gateway.chat(f"{provider}/m")
        assert answer.status == 502 and words in answer.error["message"], answer.body
    # Called, whatever became of it.
    assert b"private" not in gateway.chat("groq/m").body
    assert gateway.chat("deepseek/m").status == 200
