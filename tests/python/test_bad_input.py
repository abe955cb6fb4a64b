"""Bad HTTP: a clear 4xx in OpenAI's shape wherever HTTP allows an answer; the process stays up."""

import json
import socket
import time

import pytest
from harness import http
from harness.config import Config

CHAT = "/v1/chat/completions"
GOOD = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def up(gateway, sim):
    """The gateway; after the test it still answers, and the provider saw nothing of it."""
    yield gateway
    assert not sim.requests()
    assert gateway.chat("openai/gpt-4o").status == 200


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("not json", b"hello", "body"),
        ("empty", b"", "empty"),
        ("blank", b"  \n ", "empty"),
        ("a list", b"[1,2]", "object"),
        ("a string", b'"model"', "object"),
        ("cut off", b'{"model":"openai/gpt-4o","messages":[', "body"),
        ("two values", b'{"model":"openai/gpt-4o"}{"a":1}', "body"),
        ("no model", b'{"messages":[]}', "model"),
        ("null model", b'{"model":null,"messages":[]}', "model"),
        ("number as model", b'{"model":7,"messages":[]}', "model"),
        ("empty model", b'{"model":"","messages":[]}', "model"),
        ("blank model", b'{"model":"  ","messages":[]}', "model"),
        ("control character", b'{"model":"openai/a\\nb","messages":[]}', "model"),
        ("long model", b'{"model":"%s","messages":[]}' % (b"x" * 2000), "model"),
        ("stream as text", b'{"model":"openai/gpt-4o","stream":"yes","messages":[]}', "stream"),
        ("bad utf-8", b'{"model":"openai/gpt-4o","messages":"\xff\xfe"}', "UTF-8"),
        ("bad utf-8 in model", b'{"model":"openai/\xc3\x28","messages":[]}', "UTF-8"),
        ("lone surrogate", b'{"model":"openai/\\ud800","messages":[]}', "body"),
        ("deep nesting", b'{"model":"openai/gpt-4o","messages":' + b"[" * 100_000, "body"),
        (
            "deep and closed",
            b'{"model":"openai/gpt-4o","messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            "deep",
        ),
        ("nul bytes", b"\x00" * 100, "body"),
        ("trailing comma", b'{"model":"openai/gpt-4o",}', "body"),
        ("unknown provider", b'{"model":"nowhere/gpt-4o","messages":[]}', "nowhere"),
        ("fallbacks as text", b'{"model":"openai/gpt-4o","fallbacks":"x"}', "fallbacks"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bodies_that_make_no_sense(up, name, body, says):
    for path in (CHAT, "/v1/completions", "/v1/embeddings", "/openai/v1/chat/completions"):
        if "stream" in name and "embeddings" in path:
            continue
        answer = up.request("POST", path, body, {"content-type": "application/json"})
        assert answer.status == 400, (name, path, answer.body)
        assert says.lower() in answer.error["message"].lower(), (path, answer.body)


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings", "/v1/models"])
def test_wrong_methods(up, path):
    methods = {"DELETE", "PUT", "PATCH", "GET" if path != "/v1/models" else "POST"}
    for method in methods:
        answer = up.request(method, path, b"{}")
        assert answer.status == 405, (method, answer.body)
        assert answer.error["type"] == "method_not_allowed"
        assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/chat", "/v2/x", "/%00", "/v1/chat/completions/"])
def test_unknown_paths(up, path):
    answer = up.request("POST", path, GOOD)
    assert answer.status == 404, answer.body
    assert "/v1/chat/completions" in answer.error["message"]


def test_a_body_over_the_limit(start, sim):
    gateway = start(Config().provider("openai", sim.url).client(max_request_body_size_mb=1))
    answer = gateway.chat("openai/gpt-4o", "x" * 1_200_000)
    assert answer.status == 413
    assert answer.error["type"] == "request_too_large"
    assert "max_request_body_size_mb" in answer.error["message"]
    # Without an announced length, too.
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    received = http.raw(gateway.address, head + chunk * 20 + b"0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413"), received[:200]
    assert http.parsed(received).error["type"] == "request_too_large"
    assert not sim.requests()
    assert gateway.chat("openai/gpt-4o", "x" * 900_000).status == 200


RAW = {
    "no http": (b"hello\r\n\r\n", b"HTTP/1.1 400"),
    "wrong version": (b"GET / HTTP/9.9\r\n\r\n", b"HTTP/1.1 4"),
    "tls on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100, b""),
    "space in a header name": (b"GET /v1/models HTTP/1.1\r\nbad name: x\r\n\r\n", b"HTTP/1.1 400"),
    "nul in a header": (b"GET /v1/models HTTP/1.1\r\na: \x00\r\n\r\n", b"HTTP/1.1 400"),
    "one huge header": (
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nbig: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 431",
    ),
    "a long path": (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", b"HTTP/1.1 4"),
    "very many headers": (
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n"
        + b"".join(b"h%d: x\r\n" % number for number in range(5_000))
        + b"\r\n",
        b"HTTP/1.1 431",
    ),
    "two lengths": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
        b"content-length: 6\r\n\r\n{}   ",
        b"HTTP/1.1 400",
    ),
    "a negative length": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 400",
    ),
    "a bad chunk size": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 400",
    ),
    "length and chunks": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n"
        b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 4",
    ),
}


@pytest.mark.parametrize("case", RAW)
def test_bytes_that_are_hardly_http(up, case):
    sent, expected = RAW[case]
    received = http.raw(up.address, sent)
    assert received.startswith(expected), received[:300]
    if received:
        answer = http.parsed(received)
        assert 400 <= answer.status < 500
        assert answer.headers["content-type"] == "application/json"
        assert answer.error["type"] in ("invalid_request_error", "request_headers_too_large")
        assert answer.json()["status_code"] == answer.status


def test_a_body_that_ends_too_early(up):
    """The client closes its half: no answer is owed, but the connection must end."""
    heads = [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"mo",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        b"ff\r\n{\"mo",
    ]
    for head in heads:
        with socket.create_connection(up.address, timeout=20) as connection:
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
            received = http.read_answer(connection)
        assert not received or received.startswith(b"HTTP/1.1 4"), received


def test_a_slow_sender_does_not_stop_the_others(up):
    """Headers that never end, on many connections, while others are served."""
    slow = []
    for _ in range(50):
        connection = socket.create_connection(up.address, timeout=20)
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
        slow.append(connection)
    for connection in slow:
        connection.sendall(b"y")
    assert up.request("GET", "/health").status == 200
    for connection in slow:
        connection.close()


def test_pipelined_requests_are_all_answered(gateway):
    body = json.dumps(GOOD).encode()
    one = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(body)
    last = one + b"connection: close\r\n\r\n" + body
    with socket.create_connection(gateway.address, timeout=20) as connection:
        connection.sendall(one + b"\r\n" + body + last)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_expect_continue(gateway):
    body = json.dumps(GOOD).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
    with socket.create_connection(gateway.address, timeout=20) as connection:
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("POST /v1/nothing HTTP/1.1", 404),
        ("PUT /v1/chat/completions HTTP/1.1", 405),
        ("POST /v1/chat/completions HTTP/1.1\r\norigin: https://elsewhere.example", 403),
        ("POST /v1/chat/completions HTTP/1.1\r\nx-request-timeout-ms: soon", 400),
    ],
)
def test_a_request_that_its_head_refuses_does_not_end_the_connection(start, sim, line, status):
    """Its body may come after the answer, as where a client sends head and body apart."""
    gateway = start(Config().provider("openai", sim.url))
    payload = json.dumps({"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]})
    rest = f"host: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}"
    with socket.create_connection(gateway.address, timeout=10) as connection:
        connection.sendall(f"{line}\r\n{rest}\r\n\r\n".encode())
        answer = connection.recv(65536)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
        time.sleep(0.2)
        connection.sendall(payload.encode())
        connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{rest}\r\n\r\n".encode())
        connection.sendall(payload.encode())
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
