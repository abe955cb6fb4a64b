"""The stack as a newcomer brings it up, then scaled: who serves, who may what, what is measured."""

import json
import re

from conftest import CLIENT_KEY, OPENAI_KEY
from harness import http
from stack import ADMIN_PORT, REPOSITORY, SIM_PORT, run, wait_until
from traffic import body, burst, url

# Those that have an admin listener.
MEASURED = {"edge", "router", "worker-openai", "worker-groq", "worker-sim"}


def ask(address) -> http.Answer:
    return http.request("POST", url(address), body("demo"), timeout=60)


def test_up_answers_a_request(stack):
    # `up` waits for everything but the edge itself.
    stack.wait_healthy()
    (edge,) = stack.edges()
    answer = ask(edge)
    assert answer.status == 200, answer.body
    assert answer.json()["choices"][0]["message"]["content"]
    assert answer.headers["x-weir-provider"] == "sim"


def test_a_provider_without_a_key_is_in_nobodys_way(stack):
    """worker-groq has no key, and everything is healthy all the same."""
    (groq,) = stack.containers("worker-groq")
    assert json.loads(groq.ask("/readyz"))["detail"]["keys"]["usable_keys"] == 0
    (edge,) = stack.edges()
    refused = http.request("POST", url(edge), {**body("x"), "model": "groq/any"}, timeout=60)
    assert refused.status >= 400 and refused.error["message"]


def test_processes_are_nobody_and_cannot_write(stack):
    for one in stack.containers():
        said = one.exec("id -u; (echo > /written) 2>&1; (echo > /etc/written) 2>&1", check=False)
        user, *errors = said.split("\n")
        assert user == "65532", one.name
        assert " ".join(errors).count("Read-only file system") == 2, f"{one.name}: {said}"


def test_whoever_has_no_token_is_refused(stack):
    """Also from where the services are: the one that the first start has made is asked for."""
    made = "cat /etc/weir/link/token; stat -c %a /etc/weir/link/token"
    said = {one.exec(made) for one in stack.containers(*MEASURED)}
    assert len(said) == 1
    token, mode = said.pop().split()
    assert re.fullmatch("[0-9a-f]{64}", token) and mode == "640"
    (router,) = stack.containers("router")
    (edge,) = stack.containers("edge")
    assert json.loads(edge.ask("/readyz"))["detail"]["routers"]["token_refused"] == 0
    stranger = "weir edge --config /etc/weir/config.json --listen 127.0.0.1:0 --admin 127.0.0.1:0 " \
        "--router http://router.inner:7200 --threads 1 2>&1 & pid=$!; sleep 3; kill $pid; wait"
    assert "refuses this process's link token" in edge.exec(stranger, check=False)
    logs = run(["docker", "logs", router.id], 30, check=False)
    assert token not in logs
    # A start that finds the token leaves it as it is.
    stack.compose("--profile", "demo", "up", "-d", "--no-build", "--no-recreate", "link-token")
    assert edge.exec(made).split()[0] == token


def test_who_reaches_whom(stack):
    """Edge and router get no further than the inner network; what is inside is not published."""
    one = {name: stack.containers(name)[0] for name in ("edge", "router", "worker-sim")}
    assert one["worker-sim"].reaches("sim", SIM_PORT)
    assert not one["router"].reaches("sim", SIM_PORT)
    assert not one["edge"].reaches("sim", SIM_PORT)
    assert one["edge"].reaches("router", ADMIN_PORT)
    (edge,) = stack.edges()
    assert http.request("GET", f"http://{edge[0]}:{edge[1]}/metrics").status == 404


def test_who_watches_reaches_what_is_measured_and_nothing_else(stack):
    """A container where Prometheus, Grafana and Jaeger would be."""
    with stack.beside("watch") as watcher:
        for service in MEASURED:
            assert watcher.reaches(service, ADMIN_PORT), service
            for port in (8080, 7200, 7201):
                assert not watcher.reaches(service, port), f"{service}:{port}"
        for name, port in [("edge.public", 8080), ("router.inner", 7200), ("redis", 6379)]:
            assert not watcher.reaches(name, port), name


def test_redis_asks_who_is_there(stack):
    (edge,) = stack.containers("edge")
    ask = "exec 3<>/dev/tcp/redis/6379; printf 'PING\r\nGET x\r\nQUIT\r\n' >&3; cat <&3"
    assert edge.exec(ask).count("NOAUTH") >= 2
    (redis,) = stack.containers("redis")
    (router,) = stack.containers("router")
    password = router.exec("cat /etc/weir/redis/password").strip()
    for one in stack.containers(every=True):
        assert password not in str(one.inspect()), one.name
    assert password not in redis.exec("tr '\\0' ' ' < /proc/1/cmdline")
    cli = f"REDISCLI_AUTH={password} redis-cli --user weir "
    for refused in ("CONFIG GET requirepass", "FLUSHALL", "ACL LIST", "SHUTDOWN NOSAVE", "KEYS x"):
        assert "NOPERM" in redis.exec(cli + refused, check=False), refused
    # What routers have done there is done by functions, as fast as it can be.
    assert "weir" in redis.exec(cli + "FUNCTION LIST")
    assert "quota" in json.loads(router.ask("/readyz"))["detail"]


def test_a_secret_is_in_its_workers_environment_only(stack):
    for secret, owner in [(OPENAI_KEY, "worker-openai"), ("simulated-a", "worker-sim")]:
        holders = [one.service for one in stack.containers() if secret in str(one.inspect())]
        assert holders == [owner]


def test_every_replica_serves(scaled):
    edges = scaled.edges()
    assert len(edges) == 2

    def all_served():
        # Streams, because a worker has a first token to measure in these alone.
        answers = burst(edges, 24, "sim:latency=20", stream=True)
        assert {answer.status for answer in answers} == {200}, [one.body for one in answers]
        pages = scaled.pages("edge", "router", "worker-sim")
        assert len(pages) == 7
        served = {
            "edge": lambda page: page.total("weir_requests_total", provider="sim", status="200"),
            "router": lambda page: page.total("weir_grants_total", provider="sim"),
            "worker-sim": lambda page: page.total(
                "weir_time_to_first_token_seconds_count", provider="sim"
            ),
        }
        counts = {one.name: served[one.service](page) for one, page in pages.items()}
        return counts if all(count > 0 for count in counts.values()) else None

    print(wait_until("every edge, router and worker has served", all_served, 30))


def test_limits_hold_across_replicas(scaled):
    """Concurrency 50 and buffer 200 of deploy/config.sample.json, by two routers together."""
    for latency in (1500, 6000):
        scaled.sim("/sim/reset", "POST")
        answers = burst(scaled.edges(), 270, f"sim:latency={latency}")
        refused = [answer for answer in answers if answer.status == 429]
        assert sum(1 for one in answers if one.status == 200) == 270 - len(refused)
        assert all("retry-after" in one.headers for one in refused)
        assert scaled.sim("/sim/stats")["total"]["high_water"] <= 50
        # On a busy machine the first are done before the last has come: then more slowly.
        if len(refused) >= 20:
            break
    assert len(refused) == 20
    assert scaled.sim("/sim/stats")["total"]["high_water"] == 50
    # And what a provider's refusal and a broken answer leave behind, for the names below.
    burst(scaled.edges(), 2, "sim:status=429,retry-after=1,times=2")
    http.stream(url(scaled.edges()[0]), body("sim:cut=2", stream=True)).read()


def test_a_client_key_reaches_what_it_may(scaled):
    (one, _) = scaled.edges()
    signed = {"authorization": f"Bearer {CLIENT_KEY}"}
    answer = http.request("POST", url(one), body("demo"), signed, timeout=60)
    assert answer.status == 200, answer.body
    elsewhere = {**body("x"), "model": "openai/any"}
    refused = http.request("POST", url(one), elsewhere, signed, timeout=60)
    assert (refused.status, refused.error["code"]) == (403, "key_not_allowed")


# What this stack has no occasion for; tests/python looks for each where it has: workers for servers of one's own,
# and a pool whose requests fail by the hundred.
ELSEWHERE = {"weir_health_checks_total", "weir_requests_not_retried_total"}


def test_every_metric_that_is_named_exists(scaled):
    pages = scaled.pages(*MEASURED)
    assert {one.service for one in pages} == MEASURED
    known = set().union(*(page.names for page in pages.values()))
    docs = (REPOSITORY / "docs" / "operations.md").read_text()
    dashboards = REPOSITORY / "deploy" / "observability" / "grafana" / "dashboards"
    board = (dashboards / "weir.json").read_text()
    named = set(re.findall(r"`(weir_[a-z_]+)`", docs)), set(re.findall(r"\bweir_[a-z_]+", board))
    assert all(len(names) > 15 for names in named), named
    for where, names in zip(("docs/operations.md", "the dashboard"), named):
        assert not names - known - ELSEWHERE, f"{where} names what no process has: {sorted(names - known)}"
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known}
    documented = {re.sub(r"_(bucket|count|sum)$", "", name) for name in named[0]}
    assert not bare - documented, f"docs/operations.md lacks {sorted(bare - documented)}"


def test_prometheus_asks_every_service_that_has_metrics():
    text = (REPOSITORY / "deploy" / "observability" / "prometheus.yml").read_text()
    (names,) = re.findall(r"names: \[(.*)\]", text)
    assert set(names.split(", ")) == MEASURED
    assert f"port: {ADMIN_PORT}\n" in text
