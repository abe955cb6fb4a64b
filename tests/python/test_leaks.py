"""Secrets of every kind, used and refused in every way: `test_secrets.py` searches what is left.

The logs mask the keys that they are told of. The secrets here come in by other ways as well
(headers, proxies), which no mask knows: whoever wrote one out would be seen.
"""

import base64
import json
import socketserver
import threading
from urllib.parse import quote

import pytest
from harness import http, secrets
from harness.config import Config, Key
from harness.fake import CHAT, Fake
from harness.topology import WITH_REDIS
from harness.traffic import Traffic, chats


class Proxy:
    """A forward proxy that asks for credentials whatever it gets, and remembers its requests."""

    def __init__(self):
        self.heads: list[str] = []
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                head = b""
                while line := self.rfile.readline().strip():
                    head += line + b"\n"
                proxy.heads.append(head.decode())
                refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
                self.wfile.write(refusal)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return "127.0.0.1:%d" % self._server.server_address[1]

    def _serve(self) -> None:
        # It looks that often whether it should stop; half a second if nothing is said.
        self._server.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def proxy():
    started = Proxy()
    yield started
    started.stop()


def network(config: Config, **fields) -> Config:
    config.document["providers"]["openai"]["network_config"].update(fields)
    return config


def test_the_values_of_extra_headers(start, sim):
    hidden = secrets.make()
    config = network(Config().provider("openai", sim.url), extra_headers={"x-team": "env.TEAM"})
    config.env["TEAM"] = hidden
    gateway = start(config, log_level="trace")
    for how in ("tag=1", "status=400", "status=401", "status=429", "reset", "garbage"):
        gateway.chat(f"openai/sim:{how}")
    gateway.stream("openai/sim:cut=2").read()
    sent = [dict(entry["headers"])["x-team"] for entry in sim.requests()]
    assert len(sent) >= 3 and set(sent) == {hidden}


@pytest.mark.parametrize("where", ["fields", "url"])
def test_the_credentials_of_a_proxy(start, sim, proxy, where):
    hidden = secrets.make()
    config = Config().provider("openai", sim.url)
    settings = {"type": "http", "url": "env.PROXY_URL"}
    config.env["PROXY_URL"] = f"http://{proxy.address}"
    if where == "url":
        config.env["PROXY_URL"] = f"http://someone:{hidden}@{proxy.address}"
    else:
        settings |= {"username": "someone", "password": "env.PROXY_PASSWORD"}
        config.env["PROXY_PASSWORD"] = hidden
    config.document["providers"]["openai"]["proxy_config"] = settings
    gateway = start(config, log_level="trace")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 502, answer.body
    assert "proxy" in answer.error["message"]
    expected = base64.b64encode(f"someone:{hidden}".encode()).decode()
    assert proxy.heads and all(expected in head for head in proxy.heads)
    assert not sim.requests(), "a proxy that refuses is never gone around"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_a_provider_that_repeats_the_key_it_was_called_with(start, sim, status, kind):
    """Before it is told to anybody, in the log or to the client, the key is taken out."""
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config, log_level="trace")
    for key in ("a", "b"):
        hidden = config.secret(key)
        said = f"Incorrect API key provided: {hidden}."
        if kind == "application/json":
            said = '{"error":{"message":"%s","type":"t","code":"%s"}}' % (said, hidden)
        sim.rule(f"status={status}", headers={"content-type": kind}, body=said, key=hidden)
    for stream in (False, True):
        answer = gateway.chat("openai/gpt-4o", stream=stream)
        assert answer.status >= 400
        assert not secrets.Search(secrets.made()).text(answer.body.decode())
    assert sim.requests()


def spellings(secret: str) -> dict[str, str]:
    """A secret in every form in which a server may repeat it."""
    raw = secret.encode()
    forms = {
        "as it is": secret,
        "JSON": "".join(f"\\u{byte:04x}" for byte in raw),
        "JSON in capitals": "".join(f"\\u{byte:04X}" for byte in raw),
        "JSON twice": "".join(f"\\\\u{byte:04x}" for byte in raw),
        "some of it in JSON": "".join(
            f"\\u{byte:04x}" if at % 2 else chr(byte) for at, byte in enumerate(raw)
        ),
        "a URL's": quote(secret, safe=""),
        "a URL's, all of it": "".join(f"%{byte:02X}" for byte in raw),
        "a URL's in small letters": "".join(f"%{byte:02x}" for byte in raw),
        "HTML": "".join(f"&#{byte};" for byte in raw),
        "hexadecimal": raw.hex(),
        "HEXADECIMAL": raw.hex().upper(),
    }
    for before in ("", "a", "ab"):
        for name, encode in (("", base64.b64encode), ("URL ", base64.urlsafe_b64encode)):
            whole = encode(f"{before}{secret}".encode()).decode()
            forms[f"base64 {name}+{len(before)}"] = whole
            forms[f"base64 {name}+{len(before)} unpadded"] = whole.rstrip("=")
    return forms


def holds(text: str, secret: str) -> list[str]:
    """In which spellings a text holds it, whole or all but its ends; with the search of the run."""
    found = [name for name, form in spellings(secret).items() if form[3:-3] in text]
    return found + secrets.Search([secret]).text(text)


def test_the_search_finds_every_spelling():
    hidden = secrets.make()
    for name, form in spellings(hidden).items():
        assert name in holds(f'{{"message":"key {form}."}}', hidden), name
        assert name in holds(f"x-header: {form}", hidden), name
    assert not holds("nothing to be seen", hidden)


# Where a provider can put a text; each takes it and gives what the provider answers.
def _error(said):
    return '{"error":{"message":"no: %s","type":"%s","code":"%s","param":"%s"}}' % ((said,) * 4)


def _event(data):
    return f"data: {data}\n\n"


def _begun():
    delta = {"index": 0, "delta": {"role": "assistant", "content": "hi"}}
    return _event(json.dumps({**CHAT, "object": "chat.completion.chunk", "choices": [delta]}))


STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
TOLD = ("openai-organization", "openai-version", "x-ratelimit-limit-requests", "x-request-id")
ECHOES = {
    "an error": lambda said: (401, _error(said), JSON),
    "an error of the client's": lambda said: (400, _error(said), JSON),
    "an error as text": lambda said: (500, f"no: {said}", {"content-type": "text/plain"}),
    "a page": lambda said: (403, f"<html><b>no: {said}</b></html>", {"content-type": "text/html"}),
    "an error's type": lambda said: (404, "{}", {"content-type": f"text/{said}"}),
    "an error's headers": lambda said: (429, "{}", JSON | dict.fromkeys(TOLD, said)),
    "a redirect": lambda said: (302, "", {"location": f"http://elsewhere/{said}"}),
    "an error in a success": lambda said: (200, _error(said), JSON),
    "no JSON": lambda said: (200, f"not JSON: {said}", JSON),
    "headers": lambda said: (200, CHAT, JSON | dict.fromkeys(TOLD, said)),
    "a type": lambda said: (200, json.dumps(CHAT), {"content-type": f"application/json; x={said}"}),
    "a stream's type": lambda said: (
        200, _begun() + _event("[DONE]"), {"content-type": f"text/event-stream; x={said}"}),
    "a stream's headers": lambda said: (
        200, _begun() + _event("[DONE]"), STREAM | dict.fromkeys(TOLD, said)),
    "a stream's first event": lambda said: (200, _event(_error(said)), STREAM),
    "a stream's later event": lambda said: (200, _begun() + _event(_error(said)), STREAM),
    "garbage in a stream": lambda said: (200, _begun() + _event(f"{{{said}"), STREAM),
    "no stream": lambda said: (200, f"no stream: {said}", {"content-type": "text/plain"}),
}  # fmt: skip


# Those that rest no key.
ONE_BY_ONE = ("an error of the client's", "headers", "a stream's later event", "no JSON")


@pytest.mark.parametrize("echo", ECHOES)
def test_a_provider_that_repeats_what_it_was_sent_in_any_form(start, echo):
    """Everything that is sent along, of the key, of headers and of both in one."""
    said = ["nothing"]
    fake = Fake(lambda _asked: ECHOES[echo](said[0]))
    config = Config().provider("openai", fake.url, [Key("a")])
    team = secrets.make()
    network(config, extra_headers={"x-team": "env.TEAM"}, max_retries=0)
    config.env["TEAM"] = team
    gateway = start(config, log_level="debug,h2=info")
    kept = len(http.ANSWERS)
    hidden = (config.secret("a"), team)
    forms = [form for secret in hidden for form in spellings(secret).values()]
    texts = [" , ".join(forms)] + (forms if echo in ONE_BY_ONE else [])
    for text in texts:
        said[0] = text
        for path in ("/v1/chat/completions", "/anthropic/v1/messages"):
            body = {"model": "openai/gpt-4o", "max_tokens": 9, "stream": "stream" in echo,
                    "messages": [{"role": "user", "content": "hi"}]}  # fmt: skip
            answer = gateway.request("POST", path, body)
            shown = f"{answer.headers}\n{answer.body.decode()}"
            assert not [holds(shown, secret) for secret in hidden if holds(shown, secret)], shown
    asked = fake.asked()
    assert asked and asked[-1].headers["x-team"] == team
    seen = "\n".join(process.output for process in gateway.processes) + gateway.metrics()
    seen += "".join(service.readiness().body.decode() for service in gateway.services)
    assert not [holds(seen, secret) for secret in hidden if holds(seen, secret)]
    assert len(http.ANSWERS) > kept
    fake.stop()


def test_a_key_that_cannot_be_sent_does_not_block_the_others(start, sim):
    hidden = secrets.make()
    config = Config().provider("openai", sim.url, [Key("bad"), Key("good")])
    config.env["E2E_OPENAI_BAD"] = f"{hidden}\n{hidden}"
    gateway = start(config, log_level="trace")
    assert {gateway.chat("openai/gpt-4o").headers["x-weir-key"] for _ in range(4)} == {"good"}
    for process in gateway.processes:
        assert not secrets.Search(secrets.made()).text(process.output)


@pytest.mark.parametrize("what", ["header", "authority", "base_url"])
def test_values_that_cannot_be_used_are_not_quoted(start, sim, what):
    """The log says which value it is, and so does the answer."""
    hidden = secrets.make()
    config = Config().provider("openai", sim.url)
    if what == "header":
        network(config, extra_headers={"x-team": "env.BAD"})
        config.env["BAD"] = f"{hidden}\n{hidden}"
    elif what == "authority":
        network(config, ca_cert_pem="env.BAD")
        config.env["BAD"] = f"-----BEGIN CERTIFICATE-----\n{hidden}\n-----END CERTIFICATE-----\n"
    else:
        network(config, base_url="env.BAD")
        config.env["BAD"] = f"http://someone:{hidden}@127.0.0.1:9"
    gateway = start(config)
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status >= 500, answer.body
    said = "\n".join(process.output for process in gateway.processes)
    assert "variable BAD" in said
    assert not secrets.Search(secrets.made()).text(said + answer.body.decode())
    assert not sim.requests()


@pytest.mark.topologies(*WITH_REDIS)
def test_redis_under_load(start, sim):
    """Everything that Redis holds while requests run, wait and fail; what is planted is found."""
    keys = [Key("fine"), Key("limited"), Key("refused")]
    config = Config().provider("openai", sim.url, keys, concurrency=3, buffer=60)
    gateway = start(config, log_level="trace")
    sim.rule("status=429,retry-after=60", key=config.secret("limited"))
    sim.rule("status=401", key=config.secret("refused"))
    sim.rule("latency=50,chunks=5,interval=10")
    search = secrets.Search(secrets.made())
    client = {"authorization": f"Bearer {secrets.make()}", "x-api-key": secrets.make()}
    pages = []
    with Traffic(gateway.addresses, chats({}, {"stream": True}), 24, client) as traffic:
        gateway.wait_until(lambda: gateway.waiting() >= 10)
        while len(pages) < 20 or len(traffic.calls) < 50:
            pages.append(gateway.redis.page())
    assert sum(call.served for call in traffic.calls) > 25
    for part in ("rows", "ends", "deadlines", "cooldowns"):
        assert any(f"{gateway.prefix}:v2:{{openai}}:{part}" in page for page in pages), part
    assert all("limited" in page for page in pages), "the names of keys are there"
    assert not [search.text(page) for page in pages if search.text(page)]
    hidden = secrets.made()[-1]
    for kind in (("SET", hidden), ("HSET", "field", hidden), ("HSET", hidden, "value"),
                 ("RPUSH", hidden), ("SADD", hidden), ("ZADD", 1, hidden),
                 ("XADD", "*", "field", hidden)):  # fmt: skip
        name = f"{gateway.prefix}:planted"
        gateway.redis.command(kind[0], name, *kind[1:])
        assert secrets.Search([hidden]).text(gateway.redis.page()), kind
        gateway.redis.command("DEL", name)
