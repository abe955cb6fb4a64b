"""The way out through proxies of every kind: what goes through them, and what happens when they are
not there, silent, or unwilling. Nothing ever goes around them."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import proxies
from harness.callers import served  # noqa: F401
from harness.config import Config
from harness.proxies import Login

# The way out is a worker's, whatever process that is in.
ONE = pytest.mark.topologies("all-in-one-memory")

SCHEMES = ["http", "https"]
# Of one attempt, in seconds; connecting has no more.
LIMIT = 2


@pytest.fixture
def through(start, sim, door, authority):
    """A gateway whose provider is behind the proxy that the section says."""

    def through(scheme: str, section: dict, env=None, **network):
        url = sim.url if scheme == "http" else door(sim.url).url
        network = {"default_request_timeout_in_seconds": LIMIT, **network}
        config = Config().provider("openai", url, **network)
        config.env["TEST_AUTHORITY"] = authority.pem
        provider = config.document["providers"]["openai"]
        if scheme == "https":
            provider["network_config"].setdefault("ca_cert_pem", "env.TEST_AUTHORITY")
        provider["proxy_config"] = dict(section)
        if "password" in section:
            config.env["PROXY_PASSWORD"] = section["password"]
            provider["proxy_config"]["password"] = "env.PROXY_PASSWORD"
        provider["proxy_config"].setdefault("type", "none")
        return start(config, env=env)

    return through


@pytest.fixture
def several(start, sim, door, authority):
    """A gateway with a provider for each case, called `NAME-SCHEME`, behind the proxy that the
    section says."""

    def several(cases: dict[tuple[str, str], dict], **network):
        urls = {"http": sim.url, "https": door(sim.url).url}
        network = {"default_request_timeout_in_seconds": LIMIT, **network}
        config = Config()
        config.env["TEST_AUTHORITY"] = authority.pem
        for number, ((name, scheme), section) in enumerate(cases.items()):
            own = {**network, "ca_cert_pem": "env.TEST_AUTHORITY"}
            provider = f"{name}-{scheme}"
            config.provider(provider, urls[scheme], **own)
            entry = config.document["providers"][provider]
            entry["custom_provider_config"] = {"base_provider_type": "openai"}
            entry["proxy_config"] = dict(section)
            if "password" in section:
                config.env[f"PROXY_PASSWORD_{number}"] = section["password"]
                entry["proxy_config"]["password"] = f"env.PROXY_PASSWORD_{number}"
        return start(config)

    return several


KINDS = {
    "tinyproxy": lambda directory: proxies.tinyproxy(directory, Login.make()),
    "tinyproxy-open": proxies.tinyproxy,
    "microsocks": lambda directory: proxies.microsocks(directory, Login.make()),
    "microsocks-open": proxies.microsocks,
    "dante": lambda directory: proxies.dante(directory, Login.make()),
    "dante-open": proxies.dante,
}
# What each of them writes about a connection that it makes.
PASSED = r"(?i)established|connected to|pass\(|Connect.*request|opensock"


@ONE
def test_calls_go_through(several, sim, outside, served):
    made = {kind: served(make(outside)) for kind, make in KINDS.items()}
    cases = {(kind, scheme): made[kind].section() for kind in KINDS for scheme in SCHEMES}
    gateway = several(cases)
    for kind, scheme in cases:
        proxy, model = made[kind], f"{kind}-{scheme}/m"
        before = len(re.findall(PASSED, proxy.said()))
        assert gateway.chat(model).status == 200, model
        events = gateway.stream(model).read()
        assert events.done and not events.errors, model
        assert len(re.findall(PASSED, proxy.said())) > before, f"{model}: {proxy.said()}"
    # What is meant for the proxy stays there.
    for asked in sim.requests():
        assert "proxy-authorization" not in dict(asked["headers"]), asked


# What it writes about a request that it has read.
READ = r"POST https://localhost:\d+/v1/chat/completions"


@ONE
@pytest.mark.parametrize("answered", ["whole", "stream"])
def test_an_intercepting_proxy_is_trusted_by_its_own_certificate(
    through, sim, outside, served, authority, answered
):
    """`ca_cert_pem` of the proxy is what it shows; the provider's own is never seen."""
    proxy = served(proxies.mitmproxy(outside, authority, Login.make()))
    section = proxy.section()
    gateway = through("https", {**section, "ca_cert_pem": proxy.authority}, ca_cert_pem=None)
    if answered == "whole":
        assert gateway.chat("openai/m", timeout=20).status == 200
    else:
        assert gateway.stream("openai/m").read().done
    assert len(sim.requests()) == 1
    assert len(re.findall(READ, proxy.said())) == 1, proxy.said()
    without = through("https", section)
    answer = without.chat("openai/m")
    assert answer.status == 502, answer.body
    assert "certificate" in answer.error["message"] and proxy.address in answer.error["message"]
    assert len(sim.requests()) == 1


# How a proxy fails, by kind, and a word of the message.
FAILURES = {
    "down-http": (lambda _: proxies.down("http"), "refused"),
    "down-socks5": (lambda _: proxies.down("socks5"), "refused"),
    "silent-http": (lambda _: proxies.silent("http"), "in time"),
    "silent-socks5": (lambda _: proxies.silent("socks5"), "in time"),
    "refusing-http": (lambda at: proxies.tinyproxy(at, allows=False), "403"),
    "refusing-socks5": (lambda _: proxies.refusing_socks(), ""),
    "credentials-http": (lambda at: proxies.tinyproxy(at, Login.make()), "credentials"),
    "credentials-socks5": (lambda at: proxies.microsocks(at, Login.make()), ""),
    "credentials-mitmproxy": (lambda at: proxies.mitmproxy(at, None, Login.make()), "credentials"),
}


@ONE
def test_a_proxy_that_fails_is_named_and_not_passed_by(several, sim, outside, served):
    made = {failure: served(make(outside)) for failure, (make, _) in FAILURES.items()}
    wrong = Login.make()
    cases = {(name, scheme): made[name].section(wrong) for name in FAILURES for scheme in SCHEMES}
    gateway = several(cases, max_retries=1, retry_backoff_initial=100)

    def ask(case):
        began = time.monotonic()
        return gateway.chat("-".join(case) + "/m"), time.monotonic() - began

    with ThreadPoolExecutor(len(cases)) as pool:
        answers = dict(zip(cases, pool.map(ask, cases)))
    for (failure, scheme), (answer, took) in answers.items():
        case = f"{failure} {scheme}: {answer}"
        assert answer.status in (502, 504), case
        # Two attempts, because it may pass; each within its time.
        assert answer.tries.count("transient") == 2, case
        assert took < 2 * LIMIT + 3, f"{took} {case}"
        message = answer.error["message"]
        assert made[failure].address in message and FAILURES[failure][1] in message, case
        assert wrong.password not in answer.body.decode(), case
    assert sim.requests() == []
    # Neither providers nor keys are to blame.
    page = gateway.metrics()
    assert not re.search(r"weir_cooldowns_total\{.*\} [1-9]", page), page
    assert not re.search(r"weir_pool_cooling\{.*\} [1-9]", page), page


@ONE
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_comes_back_is_used_at_once(through, sim, outside, served, scheme):
    proxy = served(proxies.tinyproxy(outside))
    gateway = through(scheme, proxy.section())
    proxy.process.pause()
    answer = gateway.chat("openai/m")
    assert answer.status in (502, 504) and proxy.address in answer.error["message"], answer.body
    proxy.process.resume()
    assert gateway.chat("openai/m").status == 200


@ONE
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_tunnel_to_a_provider_that_is_down_names_the_proxy(
    start, outside, served, scheme
):
    proxy = served(proxies.tinyproxy(outside))
    gone = proxies.down("http").port
    config = Config().provider("openai", f"{scheme}://127.0.0.1:{gone}")
    config.document["providers"]["openai"]["proxy_config"] = proxy.section()
    answer = start(config).chat("openai/m")
    assert answer.status == 502 and proxy.address in answer.error["message"], answer.body


def environment(scheme: str, url: str, name: str) -> dict[str, str]:
    return {name.format(scheme if name.islower() else scheme.upper()): url}


@ONE
@pytest.mark.parametrize(
    "scheme, name",
    [("http", "{}_proxy"), ("https", "{}_PROXY"), ("https", "all_proxy"), ("http", "ALL_PROXY")],
)
def test_the_environment_says_which_proxy(through, sim, outside, served, scheme, name):
    login = Login.make()
    proxy = served(proxies.tinyproxy(outside, login))
    url = f"http://{login.username}:{login.password}@{proxy.address}"
    gateway = through(scheme, {"type": "environment"}, env=environment(scheme, url, name))
    before = proxy.said()
    assert gateway.chat("openai/m").status == 200
    assert proxy.said() != before


@ONE
def test_small_letters_win_and_no_proxy_is_heard(through, sim, outside, served):
    proxy = served(proxies.tinyproxy(outside))
    gone = f"http://{proxies.down('http').address}"
    both = {"http_proxy": proxy.url, "HTTP_PROXY": gone}
    assert through("http", {"type": "environment"}, env=both).chat("openai/m").status == 200
    for exempt in ("127.0.0.1", "127.0.0.0/8", "*"):
        env = {"HTTP_PROXY": gone, "NO_PROXY": exempt}
        gateway = through("http", {"type": "environment"}, env=env)
        assert gateway.chat("openai/m").status == 200, exempt
    env = {"HTTP_PROXY": gone, "NO_PROXY": "elsewhere.example"}
    assert through("http", {"type": "environment"}, env=env).chat("openai/m").status == 502


@ONE
def test_other_types_do_not_look_at_the_environment(through, outside, served):
    proxy = served(proxies.microsocks(outside))
    gone = f"http://{proxies.down('http').address}"
    env = {name: gone for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")}
    assert through("http", {"type": "none"}, env=env).chat("openai/m").status == 200
    assert through("http", proxy.section(), env=env).chat("openai/m").status == 200


@pytest.mark.topologies("all-in-one-memory", "processes")
def test_each_provider_has_a_way_of_its_own(several, sim, outside, served):
    tiny = served(proxies.tinyproxy(outside, Login.make()))
    socks = served(proxies.microsocks(outside, Login.make()))
    silent = served(proxies.silent("http"))
    ways = {"tiny": tiny.section(), "socks": socks.section(), "direct": {"type": "none"}}
    cases = {(name, "https"): section for name, section in ways.items()}
    gateway = several({**cases, ("silent", "https"): silent.section()})
    for name in ways:
        answer = gateway.chat("silent-https/m", fallbacks=[f"{name}-https/m"])
        assert answer.status == 200, answer.body
        assert answer.headers["x-weir-provider"] == f"{name}-https"
    assert silent.connections >= 1
    assert len(sim.requests()) == len(ways)
