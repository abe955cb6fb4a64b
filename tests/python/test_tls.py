"""TLS with clients: who is served, which certificate is shown, and what HTTP/2 cannot be abused for."""

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
from harness import http2
from harness.config import Config
from harness.gateway import Gateway

CHAT = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"


@dataclass
class Files:
    """What a gateway shows its clients."""

    authority: object
    cert: Path
    key: Path

    def renew(self, *names: str) -> bytes:
        """Another certificate, put in place as orchestrators do it. The certificate."""
        certificate, key = self.authority.certificate(*names)
        for path, content in [(self.cert, certificate), (self.key, key)]:
            draft = path.with_suffix(".new")
            draft.write_bytes(content)
            draft.replace(path)
        return certificate

    @property
    def environment(self) -> dict[str, str]:
        return {"WEIR_TLS_CERT": str(self.cert), "WEIR_TLS_KEY": str(self.key)}

    def context(self, *versions: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.file)
        context.set_alpn_protocols(versions)
        return context


@pytest.fixture
def files(authority, tmp_path) -> Files:
    files = Files(authority, tmp_path / "cert.pem", tmp_path / "key.pem")
    files.renew("localhost", "127.0.0.1")
    return files


@pytest.fixture
def secure(start, sim, files) -> Gateway:
    return start(Config().provider("openai", sim.url), env=files.environment, log_level="info")


def shown(gateway: Gateway) -> bytes:
    """The certificate, as PEM."""
    context = ssl._create_unverified_context()
    with socket.create_connection(gateway.address, timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as secured:
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True)).encode()


def curl(gateway: Gateway, files: Files, *options: str) -> str:
    """Version of HTTP and status of a call."""
    command = ["curl", "-sS", "--cacert", str(files.authority.file), "-o", "/dev/null", "-w"]
    command += ["%{http_version} %{http_code}", "-d", json.dumps(CHAT), *options]
    done = subprocess.run([*command, gateway.url + PATH], capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else f"{done.returncode} {done.stderr}"


def test_a_client_library_is_served(secure, files):
    assert secure.url.startswith("https://")
    trusting = httpx.Client(verify=files.context("http/1.1"))
    client = openai.OpenAI(
        base_url=secure.url + "/v1", api_key="x", max_retries=0, http_client=trusting
    )
    answer = client.chat.completions.create(**CHAT)
    assert answer.choices[0].message.content
    chunks = list(client.chat.completions.create(**CHAT, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"
    with pytest.raises(openai.APIConnectionError):
        openai.OpenAI(base_url=secure.url, api_key="x", max_retries=0).models.list()


def test_both_versions_of_http_and_of_tls(secure, files):
    assert curl(secure, files) == "2 200"
    assert curl(secure, files, "--http1.1") == "1.1 200"
    assert curl(secure, files, "--tls-max", "1.2") == "2 200"
    assert curl(secure, files, "--no-alpn") == "1.1 200"
    assert curl(secure, files, "--tls-max", "1.1").startswith("35 ")
    # What is judged by the request's own host is judged here, too.
    assert curl(secure, files, "-H", "Host: evil.example") == "2 403"


def test_who_speaks_in_the_clear_is_told(secure):
    for sent in (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n", http2.PREFACE):
        with socket.create_connection(secure.address, timeout=20) as plain:
            plain.sendall(sent)
            received = b"".join(iter(lambda: plain.recv(65_536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 426 Upgrade Required\r\n"), received
        assert "https://" in json.loads(body)["error"]["message"]


def test_a_new_certificate_is_shown_from_then_on(secure, files):
    first = files.cert.read_bytes()
    assert shown(secure) == first
    process = secure.edges[0].process
    open_before = httpx.Client(verify=files.context("http/1.1"), timeout=20)
    assert open_before.get(secure.url + "/v1/models").status_code == 200
    second = files.renew("localhost", "127.0.0.1")
    secure.wait_until(lambda: shown(secure) == second, timeout=20)
    # Each edge looks for itself.
    for edge in secure.edges:
        edge.process.wait_for("clients are shown a new certificate")
    assert open_before.get(secure.url + "/v1/models").status_code == 200
    # What cannot be used is said, and changes nothing.
    files.key.write_bytes(files.authority.certificate("localhost")[1])
    process.wait_for("the key is not that of the first certificate.*the certificate before it")
    files.cert.unlink()
    process.wait_for(r"--tls-cert \S+cert.pem: No such file")
    assert shown(secure) == second
    # A link that points elsewhere is a change.
    third, key = files.authority.certificate("localhost", "127.0.0.1")
    elsewhere = files.cert.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "cert.pem").write_bytes(third)
    files.key.write_bytes(key)
    os.symlink(elsewhere / "cert.pem", files.cert)
    secure.wait_until(lambda: shown(secure) == third, timeout=20)
    assert "PRIVATE KEY" not in process.output


@pytest.mark.parametrize(
    "breaks, says",
    [
        (lambda files: files.key.unlink(), "--tls-key .*key.pem: No such file"),
        (lambda files: files.key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n"), "the key: expected"),
        (lambda files: files.cert.write_text(""), "no `-----BEGIN CERTIFICATE-----`"),
        (lambda files: files.cert.write_text("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"), "not readable PEM"),
        (lambda files: files.key.write_bytes(files.authority.certificate("x")[1]), "not that of the first"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_said_at_the_start(weir, sim, files, tmp_path, breaks, says):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(Config().provider("openai", sim.url).document))
    breaks(files)
    command = [weir, "serve", "--config", str(config), "--listen", "127.0.0.1:0", "--admin"]
    done = subprocess.run(
        [*command, "127.0.0.1:0"], env={**os.environ, **files.environment}, capture_output=True,
        text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode != 0
    assert re.search(says, done.stderr), done.stderr
    assert "AAAA" not in done.stderr


def resident_kib(gateway: Gateway) -> int:
    status = Path(f"/proc/{gateway.edges[0].process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def rapid_resets(count: int) -> bytes:
    """Requests that are taken back before they are read."""
    fields = [(":method", "POST"), (":scheme", "https"), (":path", PATH),
              (":authority", "localhost"), ("content-type", "application/json")]  # fmt: skip
    encoded = http2.block(fields)
    reset = (8).to_bytes(4, "big")
    one = (
        http2.head(number, encoded) + http2.frame(http2.RST_STREAM, 0, number, reset)
        for number in range(1, 2 * count, 2)
    )
    return b"".join(one)


def endless_head(frames: int) -> bytes:
    """A head that goes on and on."""
    piece = http2.block([("x-filler", "x" * 8_000)])
    first = http2.frame(http2.HEADERS, 0, 1, http2.block([(":method", "POST")]))
    return first + http2.frame(http2.CONTINUATION, 0, 1, piece) * frames


FLOODS = {
    "rapid reset": rapid_resets(20_000),
    "continuation": endless_head(3_000),
    "empty continuation": http2.frame(http2.HEADERS, 0, 1) + http2.frame(9, 0, 1) * 500_000,
    "settings": http2.frame(http2.SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 300_000,
    "ping": http2.frame(http2.PING, 0, 0, b"weirweir") * 300_000,
}


@pytest.mark.topologies("all-in-one-memory")
@pytest.mark.parametrize("flood", FLOODS)
def test_floods_of_http2_neither_grow_nor_starve(secure, files, flood):
    assert curl(secure, files) == "2 200"
    before = resident_kib(secure)
    for _ in range(3):
        with contextlib.suppress(OSError), socket.create_connection(secure.address) as raw:
            raw.settimeout(2)
            with files.context("h2").wrap_socket(raw, server_hostname="localhost") as attacker:
                assert attacker.selected_alpn_protocol() == "h2"
                # Nothing of the answers is read: they may not pile up, either.
                attacker.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0))
                attacker.sendall(FLOODS[flood])
    began = time.monotonic()
    assert curl(secure, files) == "2 200"
    assert time.monotonic() - began < 5
    assert secure.alive()
    assert resident_kib(secure) < before + 16 * 1024
