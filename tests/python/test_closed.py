"""Who does not come in: pages of other sites, whoever asks for a name that is not the gateway's, and
everybody where nobody has said that everybody may."""

import json
import re
import subprocess

import pytest
from harness import http
from harness.config import Config
from harness.gateway import ADMIN, BOUND
from harness.process import Process, ProcessError

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
# What a page can send without asking the browser's leave, by its path.
SIMPLE = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/genai/v1beta/models/openai/gpt-4o:generateContent"),
    ("POST", "/bedrock/model/openai%2Fgpt-4o/converse"),
    ("GET", "/v1/models"),
    ("GET", "/anthropic/v1/models"),
    ("GET", "/genai/v1beta/models"),
    ("GET", "/v1/models/openai/gpt-4o"),
    ("GET", "/health"),
    ("OPTIONS", "/v1/chat/completions"),
]
LISTENERS = {"admin": ("/metrics", "/readyz", "/healthz"), "public": ("/v1/models", "/health")}


def simple(gateway, headers):
    """The statuses of all of them, and what CORS said."""
    headers = {"content-type": "text/plain", **headers}
    for method, path in SIMPLE:
        body = json.dumps(CHAT) if method == "POST" else None
        answer = gateway.request(method, path, body, headers)
        cors = [name for name in answer.headers if name.startswith("access-control")]
        yield f"{method} {path} {headers}", answer.status, cors


@pytest.mark.parametrize("origins", [None, [], ["https://app.example.com"]], ids=str)
def test_a_foreign_page_runs_nothing(start, sim, origins):
    config = Config().provider("openai", sim.url)
    if origins is not None:
        config.client(allowed_origins=origins)
    gateway = start(config)
    for headers in [
        {"origin": "https://evil.example"},
        {"origin": "http://app.example.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    ]:
        for asked, status, cors in simple(gateway, headers):
            assert (status, cors) == (403, []), asked
    assert sim.requests() == []


def test_without_the_setting_nobody_is_told_of_cors(gateway, sim):
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    local = gateway.chat("openai/gpt-4o", headers={"origin": "http://localhost:3000"})
    assert local.status == 403
    assert local.error["code"] == "origin_not_allowed"
    assert len(sim.requests()) == 1


def test_a_page_of_the_gateways_own_may_ask(gateway):
    url = gateway.url
    headers = {"host": url.partition("//")[2], "origin": url}
    assert http.request("POST", f"{url}/v1/chat/completions", CHAT, headers).status == 200


def test_a_name_that_is_not_the_gateways_is_refused_on_every_listener(start, sim):
    """DNS rebinding: the page's name has come to stand for this address."""
    gateway = start(Config().provider("openai", sim.url).client(allowed_hosts=["gw.example"]))
    listeners = [("admin", service.admin) for service in gateway.services]
    listeners += [("public", edge.url) for edge in gateway.edges]
    for kind, url in listeners:
        port = url.rpartition(":")[2]
        for path in LISTENERS[kind]:
            for host, status in [
                (f"evil.example:{port}", 403),
                ("evil.example", 403),
                ("evil", 403),
                ("localhost.evil.example", 403),
                ("10.1.2.3", 403),
                ("gw.example.evil.example", 403),
                ("gw.example", 200),
                (f"localhost:{port}", 200),
                (f"127.0.0.1:{port}", 200),
                ("[::1]", 200),
            ]:
                answer = http.request("GET", url + path, headers={"host": host})
                assert answer.status == status, (kind, path, host, answer.body)
                if status == 403:
                    assert host[:9] in answer.body.decode(), answer.body
    evil = {"host": "evil.example", "origin": "http://evil.example"}
    before = len(sim.requests())
    for asked, status, cors in simple(gateway, evil):
        assert (status, cors) == (403, []), asked
    assert len(sim.requests()) == before


def test_the_host_of_http2_counts_as_well(gateway, sim):
    for host, status in [("evil.example", "403"), ("localhost", "200")]:
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
        command += ["--http2-prior-knowledge", "-H", f"Host: {host}", "-d", json.dumps(CHAT)]
        done = subprocess.run(
            [*command, f"{gateway.url}/v1/chat/completions"], capture_output=True, text=True,
            timeout=30, check=True,
        )
        assert done.stdout == f"2 {status}", (host, done)
    assert len(sim.requests()) == 1


def test_a_refused_page_reads_why_in_its_format(gateway):
    headers = {"origin": "https://evil.example"}
    openai = gateway.chat("openai/gpt-4o", headers=headers)
    assert openai.error["type"] == "forbidden" and "allowed_origins" in openai.error["message"]
    claude = gateway.request("POST", "/anthropic/v1/messages", CHAT, headers)
    assert claude.json()["type"] == "error" and "evil.example" in claude.json()["error"]["message"]
    gemini = gateway.request("GET", "/genai/v1beta/models", headers=headers)
    assert (gemini.json()["error"]["code"], gemini.status) == (403, 403)


# === publishing ===


@pytest.fixture
def begin(weir, run_dir, tmp_path, request):
    """Starts a process that may refuse to; what it said, its exit code (`None`: it serves)."""
    started = []

    def begin(*arguments, env=None):
        name = f"{request.node.originalname}-{len(started)}"
        process = Process(name, [weir, *arguments], env or {}, tmp_path)
        started.append(process)
        try:
            process.wait_for(BOUND)
        except ProcessError:
            return process, process.wait()
        return process, None

    yield begin
    for process in started:
        process.kill()
        (run_dir / process.log_path.name).write_bytes(process.log_path.read_bytes())


@pytest.fixture
def serve(tmp_path):
    config = tmp_path / "shared.json"
    config.write_text(json.dumps(Config().provider("openai", "http://127.0.0.1:1").document))
    edge = ["edge", "--config", str(config), "--router", "http://127.0.0.1:1"]
    return {"serve": ["serve"], "edge": edge, "no command": []}


OTHERS = ["--admin", "127.0.0.1:0", "--listen"]


@pytest.mark.parametrize("command", ["serve", "edge", "no command"])
def test_publishing_is_a_decision(begin, serve, command):
    for address in ["0.0.0.0:0", "[::]:0"]:
        process, code = begin(*serve[command], *OTHERS, address)
        assert code == 1, process.output
        for part in [f"--listen {address}", "--allow-anonymous", "127.0.0.1"]:
            assert part in process.output, process.output
        assert "listening on" not in process.output
        process, code = begin(*serve[command], *OTHERS, address, "--allow-anonymous")
        assert code is None, process.output
    process, code = begin(*serve[command], "--admin", "127.0.0.1:0", env={"WEIR_LISTEN": "0.0.0.0:0"})
    assert code == 1, process.output
    env = {"WEIR_LISTEN": "0.0.0.0:0", "WEIR_ALLOW_ANONYMOUS": "true"}
    assert begin(*serve[command], "--admin", "127.0.0.1:0", env=env)[1] is None
    for address in ["127.0.0.1:0", "[::1]:0", "localhost:0"]:
        process, code = begin(*serve[command], *OTHERS, address)
        assert code is None, process.output


def test_who_is_published_is_asked_for_by_address_or_a_given_name(begin, serve):
    flags = ["--allow-anonymous", "--allowed-host", "edge", "--allowed-host", "*.lan.example"]
    listen = ["--listen", "0.0.0.0:0", "--admin", "0.0.0.0:0"]
    process, code = begin(*serve["serve"], *listen, *flags)
    assert code is None, process.output
    for said, path in [(BOUND, "/health"), (ADMIN, "/healthz")]:
        url = process.wait_for(said).group(1).replace("0.0.0.0", "127.0.0.1")
        for host, status in [
            ("10.1.2.3:8080", 200),
            ("[fd00::1]:8080", 200),
            ("edge:8080", 200),
            ("gw.lan.example", 200),
            ("lan.example", 403),
            ("evil.example", 403),
            ("evil", 403),
        ]:
            answer = http.request("GET", url + path, headers={"host": host})
            assert answer.status == status, (path, host, answer.body)
    # A health check of old, without any.
    address = re.search(r"listening on http://0\.0\.0\.0:(\d+)", process.output).group(1)
    answer = http.raw(("127.0.0.1", int(address)), b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200"), answer


@pytest.mark.parametrize("name", ["http://gw.example", "gw.example:8080", "a b"])
def test_a_name_that_cannot_be_one_is_said_at_the_start(begin, serve, name):
    process, code = begin(*serve["serve"], *OTHERS, "127.0.0.1:0", "--allowed-host", name)
    assert code == 2 and "without scheme and port" in process.output, process.output
