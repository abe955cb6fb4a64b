"""Keys, retries, cooldowns and fallbacks: which key is asked, in which order, how often."""

import pytest
from harness import http
from harness.config import Config, Key


def three_keys(sim, **network):
    return Config().provider("openai", sim.url, [Key("a"), Key("b"), Key("c")], **network)


def names(config, sim):
    """The names of the keys that the simulator saw, in order."""
    by_secret = {key.secret: name for name, key in config.keys.items()}
    return [by_secret[secret] for secret in sim.keys_seen()]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_next_key_on_429(start, sim, stream):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config)
    sim.rule("status=429,retry-after=30", key=config.secret("a"))
    answer = gateway.chat("openai/gpt-4o", stream=stream)
    assert answer.status == 200
    assert names(config, sim) == ["a", "b"]
    assert answer.headers["x-weir-key"] == "b"
    assert answer.tries == "openai/a:429, openai/b:200"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_sdk_sees_nothing_of_a_rotation_or_a_fallback(start, sim, other_sim, sdk, stream):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    config.provider("groq", other_sim.url)
    client = sdk(start(config))

    def ask(**more):
        raw = client.chat.completions.with_raw_response.create(
            model="openai/gpt-4o",
            messages=[{"role": "user", "content": "hi"}],
            stream=stream,
            **more,
        )
        answer = raw.parse()
        if stream:
            return raw, "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        return raw, answer.choices[0].message.content

    sim.rule("status=429,retry-after=30", key=config.secret("a"))
    raw, text = ask()
    assert text.endswith("You said: hi")
    assert http.tries_of(raw.headers) == "openai/a:429, openai/b:200"
    sim.rule("status=503", key=config.secret("b"))
    raw, text = ask(extra_body={"fallbacks": ["groq/llama-3"]})
    assert text.endswith("You said: hi")
    assert http.tries_of(raw.headers) == "openai/b:503, groq/groq-1:200"
    assert other_sim.requests()[0]["model"] == "llama-3"


def test_a_cooling_key_is_left_alone_until_it_has_cooled(start, sim):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config)
    sim.rule("status=429,retry-after=30", key=config.secret("a"))
    for _ in range(10):
        assert gateway.chat("openai/gpt-4o").status == 200
    assert names(config, sim) == ["a"] + ["b"] * 10
    # It is this model that the key is short of: another one shows it.
    sim.reset()
    for _ in range(4):
        assert gateway.chat("openai/gpt-4o-mini").status == 200
    assert sorted(names(config, sim)) == ["a", "a", "b", "b"]


@pytest.mark.slow
def test_a_key_is_used_again_after_its_cooldown(start, sim):
    config = Config().provider("openai", sim.url)
    gateway = start(config)
    sim.rule("status=429,retry-after-ms=700,times=1")
    assert gateway.chat("openai/gpt-4o").status == 429
    sim.wait_until(lambda _: gateway.chat("openai/gpt-4o").status == 200)
    first, second = sim.requests()
    assert second["started_us"] - first["ended_us"] >= 650_000


def test_every_key_is_tried_once_and_the_429_goes_back(start, sim):
    config = three_keys(sim)
    gateway = start(config)
    sim.rule("status=429,retry-after=9")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 429
    assert 8 <= int(answer.headers["retry-after"]) <= 9
    assert sorted(names(config, sim)) == ["a", "b", "c"]


@pytest.mark.parametrize("status", [401, 402])
def test_a_refused_credential_is_skipped_for_every_model(start, sim, status):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config)
    sim.rule(f"status={status}", key=config.secret("a"))
    for model in ("gpt-4o", "gpt-4o-mini", "gpt-4o", "gpt-4o-mini"):
        assert gateway.chat(f"openai/{model}").status == 200
    assert names(config, sim) == ["a", "b", "b", "b", "b"]


def test_all_credentials_dead(start, sim):
    config = three_keys(sim)
    gateway = start(config)
    sim.rule("status=401")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 502
    assert answer.error["type"] == "upstream_credentials_exhausted"
    assert sorted(names(config, sim)) == ["a", "b", "c"]


def test_a_model_that_one_key_cannot_reach(start, sim):
    config = Config().provider("openai", sim.url, [Key("a"), Key("b")])
    gateway = start(config)
    sim.rule("status=404", key=config.secret("a"))
    assert gateway.chat("openai/gpt-4o").status == 200
    assert names(config, sim) == ["a", "b"]


@pytest.mark.parametrize(
    "trouble", ["status=500", "status=503", "status=529", "reset", "cut"]
)
def test_a_passing_trouble_is_retried_on_another_key(start, sim, trouble):
    config = Config().provider(
        "openai", sim.url, [Key("a"), Key("b")], max_retries=2, retry_backoff_initial=100
    )
    gateway = start(config)
    sim.rule(f"{trouble},times=1")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 200, answer.body
    assert names(config, sim) == ["a", "b"]
    first, second = sim.requests()
    assert second["started_us"] - first["ended_us"] >= 75_000, "the backoff of 100 ms"


def test_an_error_as_first_event_is_retried(start, sim):
    config = Config().provider("openai", sim.url, max_retries=1, retry_backoff_initial=100)
    gateway = start(config)
    sim.rule("error,times=1")
    events = gateway.stream("openai/gpt-4o").read()
    assert events.done and not events.errors
    assert len(sim.requests()) == 2


def test_a_stream_that_breaks_before_content_is_retried(start, sim):
    config = Config().provider("openai", sim.url, max_retries=1, retry_backoff_initial=100)
    gateway = start(config)
    sim.rule("reset=0,times=1")
    events = gateway.stream("openai/gpt-4o").read()
    assert events.done and not events.errors
    assert len(sim.requests()) == 2


@pytest.mark.slow
def test_a_new_round_waits_as_long_as_the_provider_asked(start, sim):
    config = Config().provider("openai", sim.url, max_retries=1, retry_backoff_initial=100)
    gateway = start(config)
    sim.rule("status=429,retry-after-ms=900,times=1")
    assert gateway.chat("openai/gpt-4o").status == 200
    first, second = sim.requests()
    assert second["started_us"] - first["ended_us"] >= 880_000


def test_retries_are_counted(start, sim):
    config = Config().provider("openai", sim.url, max_retries=2, retry_backoff_initial=100)
    gateway = start(config)
    sim.rule("status=503")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 503
    assert len(sim.requests()) == 3
    assert answer.tries.count("503") == 3


def test_the_callers_own_mistakes_are_not_retried(start, sim):
    config = three_keys(sim, max_retries=3)
    gateway = start(config)
    for status in (400, 413, 422):
        sim.reset()
        assert gateway.chat(f"openai/sim:status={status}").status == status
        assert len(sim.requests()) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("trouble", ["status=500", "status=429", "status=401", "reset"])
def test_fallback_to_another_provider(start, sim, other_sim, trouble, stream):
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    gateway = start(config)
    sim.rule(trouble)
    answer = gateway.chat("openai/gpt-4o", fallbacks=["groq/llama-3"], stream=stream)
    assert answer.status == 200, answer.body
    assert answer.headers["x-weir-provider"] == "groq"
    assert len(sim.requests()) == 1
    (seen,) = other_sim.requests()
    assert seen["key"] == config.secret("groq-1")
    assert "llama-3" in seen["model"]


def test_fallbacks_are_tried_in_order_and_the_first_error_is_returned(start, sim, other_sim):
    config = Config().provider("openai", sim.url)
    config.provider("groq", other_sim.url).provider("mistral", other_sim.url)
    gateway = start(config)
    sim.rule("status=503,code=first")
    other_sim.rule("status=500,code=later")
    answer = gateway.chat("openai/gpt-4o", fallbacks=["groq/one", "mistral/two"])
    assert (answer.status, answer.error["code"]) == (503, "first")
    keys = [config.secret("groq-1"), config.secret("mistral-1")]
    assert other_sim.keys_seen() == keys


def test_a_fallback_that_names_nothing_is_refused(gateway):
    answer = gateway.chat("openai/sim:status=500", fallbacks=[1])
    assert answer.status == 400
    assert "fallbacks" in answer.error["message"]


def test_context_length_falls_back_but_is_not_resent(start, sim, other_sim):
    config = Config().provider("openai", sim.url, max_retries=2).provider("groq", other_sim.url)
    gateway = start(config)
    sim.rule("status=400,code=context_length_exceeded")
    answer = gateway.chat("openai/gpt-4o", fallbacks=["groq/long"])
    assert answer.headers["x-weir-provider"] == "groq"
    assert len(sim.requests()) == 1


@pytest.mark.slow
def test_a_silent_provider_is_not_asked_again_if_there_is_a_fallback(start, sim, other_sim):
    config = Config().provider("openai", sim.url, default_request_timeout_in_seconds=1)
    config.provider("groq", other_sim.url)
    gateway = start(config)
    sim.rule("silence")
    answer = gateway.chat("openai/gpt-4o", fallbacks=["groq/x"])
    assert answer.headers["x-weir-provider"] == "groq"
    assert len(sim.requests()) == 1


def test_a_pinned_key_is_the_only_one_asked(start, sim):
    config = three_keys(sim)
    gateway = start(config)
    for name in ("c", "a", "c", "c"):
        answer = gateway.chat("openai/gpt-4o", headers={"x-bf-api-key": name})
        assert answer.headers["x-weir-key"] == name
    assert names(config, sim) == ["c", "a", "c", "c"]
    sim.rule("status=429", key=config.secret("b"))
    refused = gateway.chat("openai/gpt-4o", headers={"x-bf-api-key": "b"})
    assert refused.status == 429
    assert names(config, sim)[4:] == ["b"]


def test_a_pin_that_names_no_key(gateway, sim):
    answer = gateway.chat("openai/gpt-4o", headers={"x-bf-api-key": "nobody"})
    assert answer.status == 400
    assert "nobody" in answer.error["message"]
    assert not sim.requests()


def test_disabled_and_batch_only_weights(start, sim):
    keys = [Key("off", extra={"enabled": False}), Key("zero", weight=0.0), Key("on")]
    config = Config().provider("openai", sim.url, keys)
    gateway = start(config)
    for _ in range(5):
        assert gateway.chat("openai/gpt-4o").status == 200
    assert names(config, sim) == ["on"] * 5


def test_a_key_without_its_secret_is_unusable_and_named(start, sim):
    config = Config().provider("openai", sim.url, [Key("here"), Key("gone")])
    variable = next(name for name, value in config.env.items() if value == config.secret("gone"))
    del config.env[variable]
    gateway = start(config)
    for _ in range(4):
        assert gateway.chat("openai/gpt-4o").status == 200
    assert names(config, sim) == ["here"] * 4
    assert any(variable in process.output for process in gateway.processes)


def test_a_bare_model_is_shared_by_the_weights_of_its_providers(start, sim, other_sim):
    """Weights 2, 1 and 1 are half and two quarters of the requests, exactly."""
    config = Config().provider("openai", sim.url, [Key("o", weight=2.0)])
    config.provider("groq", other_sim.url).provider("mistral", other_sim.url)
    gateway = start(config)
    providers = [gateway.chat("gpt-4o").headers["x-weir-provider"] for _ in range(40)]
    counts = {name: providers.count(name) for name in set(providers)}
    # Each core shares out by itself, and each is off by less than one.
    assert abs(counts["openai"] - 20) <= 2, counts
    assert abs(counts["groq"] - 10) <= 2 and abs(counts["mistral"] - 10) <= 2, counts
