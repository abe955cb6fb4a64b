"""The links between services: who may call, and that no peer can take a service down."""

import json
import re
import time
from urllib.parse import urlsplit

import pytest
from harness import http, http2, secrets
from harness.config import Config
from harness.gateway import Service
from harness.process import Process, ProcessError
from harness.topology import SERVICES
from harness.traffic import Traffic

ROUTER, WORKER = "/weir.router.v1.Router/Call", "/weir.worker.v1.Worker/Call"
MIB = 1 << 20


@pytest.fixture
def own(weir, run_dir, request):
    """Starts a service beside a gateway's own."""
    started = []

    def own(room, *arguments, token=None, file=None, listen="127.0.0.1:0") -> Service:
        name = f"{request.node.originalname}-{room}-{time.monotonic_ns()}"
        argv = [weir, room, *file, "--listen", listen, "--admin", "127.0.0.1:0", *arguments]
        env = {"WEIR_LOG_LEVEL": "debug,h2=info"} | ({"WEIR_LINK_TOKEN": token} if token else {})
        started.append(Process(name, argv, env, run_dir))
        return Service.of(started[-1])

    yield own
    for process in started:
        process.kill()


def file_of(gateway) -> list[str]:
    argv = gateway.edges[0].process.child.args
    return argv[argv.index("--config") :][:2]


def asks_in_vain(gateway, service) -> dict:
    """What its /readyz says once it has heard that its token is refused."""
    def refused(detail):
        reaches = [detail["routers"]] if "routers" in detail else detail["workers"].values()
        return any(reach["token_refused"] for reach in reaches)

    gateway.wait_until(lambda: refused(service.readiness().json()["detail"]))
    return service.readiness()


@pytest.mark.topologies(*SERVICES)
@pytest.mark.parametrize("token", ["none", "another"])
def test_a_service_with_another_token_is_refused_and_says_so(start, sim, own, token):
    gateway = start(Config().provider("openai", sim.url))
    hidden = secrets.make() if token == "another" else None
    edge = own("edge", "--router", gateway.routers[0].url, token=hidden, file=file_of(gateway))
    readiness = asks_in_vain(gateway, edge)
    assert readiness.status == 503
    routers = readiness.json()["detail"]["routers"]
    assert routers == {"addresses": 1, "serving": 0, "token_refused": 1}
    answer = chat(edge)
    assert answer.status == 503, answer.body
    assert "token" in answer.error["message"]
    edge.process.wait_for("refuses this process's link token")
    gateway.routers[0].process.wait_for("refused calls without this gateway's link token")
    (worker, *_) = gateway.workers["openai"]
    router = own("router", "--worker", f"openai={worker.url}", token=hidden, file=file_of(gateway))
    asks_in_vain(gateway, router)
    worker.process.wait_for("refused calls without this gateway's link token")
    assert sim.requests() == []
    assert gateway.chat("openai/gpt-4o").status == 200, "the others are not disturbed"


def chat(service) -> http.Answer:
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    return http.request("POST", f"{service.url}/v1/chat/completions", body)


@pytest.mark.topologies("processes")
def test_tokens_are_changed_without_a_gap(start, sim, own):
    """All accept both before any sends the new one, and none sends the old before it is dropped."""
    old, new = secrets.make(), secrets.make()
    gateway = start(Config().provider("openai", sim.url), env={"WEIR_LINK_TOKEN": f"{old} {new}"})
    assert gateway.chat("openai/gpt-4o").status == 200
    for sent in (old, new, f"{new}\n{old}"):
        edge = own("edge", "--router", gateway.routers[0].url, token=sent, file=file_of(gateway))
        gateway.wait_until(edge.is_ready)
        assert chat(edge).status == 200


@pytest.mark.topologies("processes")
def test_services_with_framed_links_and_without_serve_each_other_through_an_upgrade(
    start, sim, own
):
    """Routers are replaced one after the other, there and back, while streams go on: nothing is lost."""
    gateway = start(Config().provider("openai", sim.url))
    (worker, *_) = gateway.workers["openai"]
    told = {"token": gateway.link_token, "file": file_of(gateway)}

    def router(links, listen="127.0.0.1:0"):
        place = f"openai={worker.url}"
        one = own("router", "--worker", place, "--links", links, listen=listen, **told)
        gateway.wait_until(one.is_ready)
        return one

    def serving():
        return edge.readiness().json()["detail"]["routers"]["serving"]

    routers = [router("calls"), router("calls")]
    places = [word for one in routers for word in ("--router", one.url)]
    edge = own("edge", *places, **told)
    gateway.wait_until(lambda: serving() == 2)
    body = {
        "model": "openai/sim:chunks=6,interval=30",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    with Traffic([address(edge)], [body], 8) as traffic:
        for links in ("framed", "calls"):
            for number, old in enumerate(routers):
                before = len(traffic.calls)
                gateway.wait_until(lambda: len(traffic.calls) >= before + 16)
                old.process.terminate()
                assert old.process.wait() == 0
                routers[number] = router(links, urlsplit(old.url).netloc)
                gateway.wait_until(lambda: serving() == 2)
            before = len(traffic.calls)
            gateway.wait_until(lambda: len(traffic.calls) >= before + 16)
    assert [str(call) for call in traffic.calls if not call.served] == []
    for way in ("true", "false"):
        assert re.search(rf"framed.{{1,4}}{way}", edge.process.output), "both ways were gone"


@pytest.mark.parametrize("room", ["router", "worker"])
def test_links_are_not_opened_by_accident(own, tmp_path, room):
    path = tmp_path / "config.json"
    config = Config().provider("openai", "http://127.0.0.1:9")
    path.write_text(json.dumps(config.document))
    told = {"router": ["--worker", "openai=http://127.0.0.1:1"], "worker": ["--provider", "openai"]}
    with pytest.raises(ProcessError, match="--link-token-file(.|\n)*--allow-open-link"):
        own(room, *told[room], file=["--config", str(path)], listen="0.0.0.0:0")
    for word in (["--allow-open-link"], ["--link-token-file", str(tmp_path / "token")]):
        (tmp_path / "token").write_text(secrets.make())
        flags = [*told[room], *word]
        assert own(room, *flags, file=["--config", str(path)], listen="0.0.0.0:0").url


def address(service) -> tuple[str, int]:
    parts = urlsplit(service.url)
    return parts.hostname, parts.port


def resident(service) -> int:
    status = open(f"/proc/{service.process.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


def served(gateway, path):
    """The service that serves `path`."""
    return gateway.routers[0] if path == ROUTER else gateway.workers["openai"][0]


# Heads that HTTP/2 calls malformed, each for another reason.
MALFORMED = {
    "no path": [(":method", "POST"), (":scheme", "http")],
    "bad length": [*http2.call(ROUTER), ("content-length", "abc")],
    "an answer's": [*http2.call(ROUTER), (":status", "200")],
    "hop by hop": [*http2.call(ROUTER), ("connection", "x")],
}


@pytest.mark.topologies("processes")
@pytest.mark.parametrize("path", [ROUTER, WORKER], ids=["router", "worker"])
@pytest.mark.parametrize("deaf", [False, True], ids=["that reads", "that does not read"])
def test_malformed_streams_do_not_make_a_service_grow(start, sim, path, deaf):
    """A peer that does not read lets what it is to be told pile up: many more of them for that."""
    gateway = start(Config().provider("openai", sim.url), log_level="info")
    service = served(gateway, path)
    assert gateway.chat("openai/gpt-4o").status == 200
    before = resident(service)
    peak = 0
    count = 300_000 if deaf else 20_000
    for fields in MALFORMED.values():
        encoded = http2.block(fields)
        peer = http2.Peer(address(service), deaf)
        for first in range(0, count, 500):
            ids = range(2 * first + 1, 2 * first + 1001, 2)
            if not peer.send(b"".join(http2.head(number, encoded) for number in ids)):
                break
        else:
            assert peer.closed.wait(10), "it is never told to stop"
        peak = max(peak, resident(service))
        answer = gateway.chat("openai/gpt-4o")
        assert answer.status == 200, "and everybody else is served at once"
        peer.close()
    assert peak - before < 48 * MIB, (before, peak)


@pytest.mark.topologies("processes")
def test_streams_of_one_link_are_bounded(start, sim):
    """What is over the bound is refused; calls that were begun and are never finished cost little."""
    gateway = start(Config().provider("openai", sim.url), log_level="info")
    router = gateway.routers[0]
    before = resident(router)
    peer = http2.Peer(address(router))
    encoded = http2.block(http2.call(ROUTER, gateway.link_token, ("x-request-id", "r")))
    for first in range(0, 32_000, 500):
        ids = range(2 * first + 1, 2 * first + 1001, 2)
        if not peer.send(b"".join(http2.head(number, encoded) for number in ids)):
            break
    refused = lambda frames: any(kind in (http2.RST_STREAM, http2.GOAWAY) for kind, _, _ in frames)
    assert peer.wait_for(refused)
    assert resident(router) - before < 200 * MIB
    assert gateway.chat("openai/gpt-4o").status == 200
    peer.close()


@pytest.mark.topologies("processes")
def test_a_call_is_refused_by_its_head(start, sim):
    """The body that it announces is neither waited for nor made room for."""
    gateway = start(Config().provider("openai", sim.url))
    for service, path in ((served(gateway, path), path) for path in (ROUTER, WORKER)):
        for token in (None, secrets.make()):
            peer = http2.Peer(address(service))
            peer.send(http2.head(1, http2.block(http2.call(path, token))))
            answered = lambda frames: [one for one in frames if one[:2] == (http2.HEADERS, 1)]
            assert peer.wait_for(answered)
            # `grpc-status: 16`, its value by whatever code HPACK has for it.
            assert gateway.chat("openai/gpt-4o").status == 200
            peer.close()


def asked(path, count):
    """A call's first message, with many headers."""
    headers = b"".join(
        http2.field(8, http2.field(1, f"x-{number}") + http2.field(2, "1"))
        for number in range(count)
    )
    fields = {
        ROUTER: {1: "openai", 2: "chat", 3: "openai/gpt-4o"},
        WORKER: {1: "openai", 2: "chat", 3: "openai", 4: "openai-1", 5: "gpt-4o", 7: 1},
    }
    body = b"".join(http2.field(number, value) for number, value in fields[path].items())
    return http2.message(http2.field(1, body + headers))


@pytest.mark.topologies("processes")
@pytest.mark.parametrize("path", [ROUTER, WORKER], ids=["router", "worker"])
def test_more_headers_than_a_map_can_hold(start, sim, path):
    """In the metadata of a call and in its message, with a filter that lets all of them through."""
    config = Config().provider("openai", sim.url)
    config.client(header_filter_config={"allowlist": ["x-*"]})
    gateway = start(config)
    service = served(gateway, path)
    token = gateway.link_token
    crowd = [(f"x-{number}", "1") for number in range(100_000)]
    peer = http2.Peer(address(service))
    peer.send(http2.head(1, http2.block(http2.call(path, token, *crowd))))
    ended = lambda frames: any(kind in (http2.RST_STREAM, http2.GOAWAY, http2.HEADERS)
                               for kind, _, _ in frames)  # fmt: skip
    assert peer.wait_for(ended)
    peer.close()
    peer = http2.Peer(address(service))
    peer.send(http2.head(1, http2.block(http2.call(path, token, ("x-request-id", "r")))))
    whole = asked(path, 100_000) + http2.message(http2.field(4, b""))
    peer.upload(1, whole)
    answered = lambda frames: any(one[:2] == (http2.HEADERS, 1) for one in frames)
    assert peer.wait_for(answered)
    peer.close()
    assert "panicked" not in service.process.output
    assert gateway.chat("openai/gpt-4o").status == 200
