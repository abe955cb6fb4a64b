"""Links between services in TLS: both ends show a certificate of the gateway's own authority."""

import json
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import http
from harness.config import Config
from harness.gateway import Service
from harness.process import Process, ProcessError
from harness.tls import Authority

HERE = ("127.0.0.1", "localhost")


class Identity:
    """What one service shows, and whom it believes."""

    def __init__(self, directory: Path, authority: Authority, *names: str):
        directory.mkdir()
        self.paths = [directory / name for name in ("cert.pem", "key.pem", "ca.pem")]
        self.renew(authority, *names)

    def renew(self, authority: Authority, *names: str, believed: str | None = None) -> None:
        contents = [*authority.certificate(*(names or HERE)), (believed or authority.pem).encode()]
        for path, content in zip(self.paths, contents):
            draft = path.with_suffix(".new")
            draft.write_bytes(content)
            draft.replace(path)

    @property
    def flags(self) -> list[str]:
        names = ("--link-tls-cert", "--link-tls-key", "--link-tls-ca")
        return [word for pair in zip(names, map(str, self.paths)) for word in pair]

    def context(self) -> ssl.SSLContext:
        cert, key, ca = map(str, self.paths)
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(cert, key)
        context.set_alpn_protocols(["h2"])
        return context


class Services:
    """Services of one gateway, each started by hand."""

    def __init__(self, weir: str, run_dir: Path, directory: Path, name: str, config: Config):
        self._binary, self._run_dir, self._name = weir, run_dir, name
        self._config, self._started = config, []
        self._file = directory / "config.json"
        self._file.write_text(json.dumps(config.document))

    def start(self, room: str, *flags: str, listen="127.0.0.1:0") -> Service:
        argv = [self._binary, room, "--config", str(self._file), "--listen", listen]
        argv += ["--admin", "127.0.0.1:0", *flags]
        env = {"WEIR_LOG_LEVEL": "info", **(self._config.env if room == "worker" else {})}
        name = f"{self._name}-{room}-{len(self._started)}"
        self._started.append(Process(name, argv, env, self._run_dir))
        return Service.of(self._started[-1])

    def worker(self, *flags: str, **more) -> Service:
        return self.start("worker", "--provider", "openai", *flags, **more)

    def router(self, worker: Service, *flags: str, **more) -> Service:
        return self.start("router", "--worker", f"openai={worker.url}", *flags, **more)

    def edge(self, router: str, *flags: str) -> Service:
        return self.start("edge", "--router", router, *flags)

    def end(self) -> None:
        for process in self._started:
            process.kill()


@pytest.fixture
def services(weir, run_dir, tmp_path, request, sim):
    config = Config().provider("openai", sim.url)
    services = Services(weir, run_dir, tmp_path, request.node.originalname, config)
    yield services
    services.end()


@pytest.fixture
def own(authority, tmp_path) -> Identity:
    return Identity(tmp_path / "own", authority)


def chat(edge: Service, stream=False) -> http.Answer:
    body = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    return http.request("POST", f"{edge.url}/v1/chat/completions", body)


def until(condition, seconds=15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def hears(service: Service, context: ssl.SSLContext | None) -> bytes:
    """What a peer hears first; nothing if it is turned away."""
    parts = urlsplit(service.url)
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as peer:
            if context:
                peer = context.wrap_socket(peer, server_hostname=parts.hostname)
            peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            return peer.recv(9)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_both_ends_of_every_link_show_who_they_are(services, own, authority, tmp_path, sim):
    worker = services.worker(*own.flags)
    router = services.router(worker, *own.flags)
    edge = services.edge(router.url, *own.flags)
    assert router.url.startswith("https://") and worker.url.startswith("https://")
    until(lambda: edge.is_ready() and router.is_ready())
    for stream in (False, True):
        assert chat(edge, stream).status == 200
    large = {"model": "openai/m", "messages": [{"role": "user", "content": "x" * 9_000_000}]}
    assert http.request("POST", f"{edge.url}/v1/chat/completions", large).status == 200
    served = len(sim.requests())

    # A peer without a certificate, with a stranger's, in the clear; and one of the gateway.
    foreign = Identity(tmp_path / "foreign", Authority(tmp_path, "stranger"))
    foreign.paths[2].write_text(authority.pem)
    nobody = ssl.create_default_context(cafile=str(own.paths[2]))
    nobody.set_alpn_protocols(["h2"])
    for service in (router, worker):
        for context in (None, nobody, foreign.context()):
            assert hears(service, context)[3:4] != b"\x04", "no settings of HTTP/2"
        assert hears(service, own.context())[3:4] == b"\x04"
        service.process.wait_for("refused links without a certificate of this gateway")

    # An edge with a stranger's certificate, and one that speaks in the clear.
    for flags, url in [(foreign.flags, router.url), ([], router.url.replace("https", "http"))]:
        stranger = services.edge(url, *flags)
        answer = chat(stranger)
        assert answer.status == 503, answer.body
    assert chat(services.edge(router.url, *own.flags)).status == 200
    assert len(sim.requests()) == served + 1


def test_a_service_that_is_another_is_not_believed(services, own, authority, tmp_path, sim):
    worker = services.worker(*own.flags)
    stranger = Identity(tmp_path / "stranger", Authority(tmp_path, "stranger"))
    stranger.paths[2].write_text(authority.pem)
    misnamed = Identity(tmp_path / "misnamed", authority, "worker-openai.inner")
    for identity in (stranger, misnamed):
        # It could call others, and is not called by them.
        flags = [*identity.flags, "--allow-open-link"]
        router = services.router(worker, *flags)
        edge = services.edge(router.url, *own.flags)
        assert chat(edge).status == 503
        edge.process.wait_for("no encrypted link comes about")
    assert sim.requests() == []


def test_certificates_and_the_authority_are_changed_without_a_gap(services, own, authority, tmp_path):
    worker = services.worker(*own.flags)
    router = services.router(worker, *own.flags)
    edge = services.edge(router.url, *own.flags)
    until(edge.is_ready)
    new = Authority(tmp_path, "new")
    steps = [
        lambda: own.renew(authority, believed=authority.pem + new.pem),
        lambda: own.renew(new, believed=authority.pem + new.pem),
        lambda: own.renew(new),
    ]
    for count, step in enumerate(steps, 1):
        step()
        for service in (worker, router, edge):
            told = lambda: service.process.output.count("new links use a new certificate") == count
            until(told)
        assert chat(edge).status == 200
    # The old authority's are out, and who comes new is in.
    old = Identity(tmp_path / "old", authority)
    old.paths[2].write_text(new.pem)
    assert hears(router, old.context())[3:4] != b"\x04"
    assert chat(services.edge(router.url, *own.flags)).status == 200

    key = own.paths[1].read_text()
    own.paths[1].write_text("no key")
    router.process.wait_for("new links use the certificate before it")
    assert chat(services.edge(router.url, *Identity(tmp_path / "more", new).flags)).status == 200
    assert key.splitlines()[1] not in "".join(one.process.output for one in (worker, router, edge))


def test_what_does_not_fit_is_an_error_at_the_start(services, own):
    for room, told in [
        ("edge", ["--router", "http://127.0.0.1:1"]),
        ("router", ["--worker", "openai=http://127.0.0.1:1"]),
    ]:
        with pytest.raises(ProcessError, match="expected https://HOST:PORT"):
            services.start(room, *told, *own.flags)
        with pytest.raises(ProcessError, match="expected http://HOST:PORT"):
            services.start(room, *[word.replace("http", "https") for word in told])
    with pytest.raises(ProcessError, match="--link-tls-key"):
        services.worker(*own.flags[:2])
    # Others may come, if they show who they are.
    assert services.worker(*own.flags, listen="0.0.0.0:0").url
    own.paths[1].write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXNlY3JldC1zZWNyZXQ=\n")
    with pytest.raises(ProcessError, match="--link-tls-cert") as caught:
        services.worker(*own.flags)
    assert "c2VjcmV0" not in str(caught.value)
