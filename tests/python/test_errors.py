"""A provider's errors as the SDK's exceptions, and the gateway's own ones."""

import openai
import pytest
from harness.config import Config, Key

HELLO = [{"role": "user", "content": "hi"}]


def ask(client, model, **more):
    return client.chat.completions.create(model=model, messages=HELLO, **more)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("status", "exception"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (413, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (502, openai.InternalServerError),
        (503, openai.InternalServerError),
        (504, openai.InternalServerError),
    ],
)
def test_a_provider_error_keeps_status_and_body(client, status, exception, stream):
    with pytest.raises(exception) as caught:
        ask(client, f"openai/sim:status={status},code=its_own", stream=stream)
    assert caught.value.status_code == status
    assert caught.value.code == "its_own"
    assert caught.value.request_id
    assert caught.value.response.headers["x-weir-provider"] == "openai"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "invalid_api_key", "upstream_credentials_exhausted"),
        (402, "insufficient_quota", "upstream_quota_exhausted"),
    ],
)
def test_refused_credentials_are_the_gateways_fault_not_the_callers(client, status, code, kind):
    """The caller's key was not the one refused: a 401 would send it looking in the wrong place."""
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, f"openai/sim:status={status},code={code}")
    assert caught.value.status_code == 502
    assert (caught.value.type, caught.value.code) == (kind, code)


def test_forbidden_without_an_auth_code_is_passed_on(client):
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client, "openai/sim:status=403,code=region_not_served")
    assert caught.value.status_code == 403


def test_context_length_is_returned_at_once(start, sim, sdk):
    config = Config().provider("openai", sim.url, max_retries=3)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(sdk(start(config)), "openai/sim:status=400,code=context_length_exceeded")
    assert caught.value.code == "context_length_exceeded"
    assert len(sim.requests()) == 1


def test_a_retry_after_reaches_the_client(gateway):
    answer = gateway.chat("openai/sim:status=429,retry-after=7")
    assert answer.status == 429
    assert 6 <= int(answer.headers["retry-after"]) <= 7


@pytest.mark.parametrize(
    ("hint", "low", "high"),
    [
        ("retry-after=3", 2, 3),
        ("retry-after-ms=2500", 2, 3),
        ("retry-after-date=20", 18, 20),
        ("reset-requests=4s", 3, 4),
        ("reset-tokens=1m5s", 63, 65),
    ],
)
def test_every_form_of_retry_after_is_understood(gateway, sim, hint, low, high):
    """The second request shows it: the key cools for this model, nobody is asked."""
    model = f"openai/sim:status=429,{hint}"
    assert gateway.chat(model).status == 429
    again = gateway.chat(model)
    assert again.status in (429, 503), again.body
    assert low <= int(again.headers["retry-after"]) <= high
    assert len(sim.requests()) == 1


def test_an_html_error_page_becomes_a_json_error(gateway, sim):
    sim.rule("status=502", headers={"content-type": "text/html"}, body="<html>bad gateway</html>")
    answer = gateway.chat("openai/gpt-4o")
    assert answer.status == 502
    assert answer.error["message"]


@pytest.mark.parametrize(
    ("model", "status", "kind"),
    [
        ("nowhere/gpt-4o", 400, "model_not_found"),
        ("openai/", 400, None),
        ("/gpt-4o", 400, None),
    ],
)
def test_models_that_mean_nothing(gateway, sim, model, status, kind):
    answer = gateway.chat(model)
    assert answer.status == status, answer.body
    assert kind is None or answer.error["type"] == kind
    assert not sim.requests()


def test_a_model_that_no_key_serves(start, sim):
    gateway = start(Config().provider("openai", sim.url, [Key("a", models=["gpt-4o"])]))
    answer = gateway.chat("openai/gpt-4o-mini")
    assert answer.status == 400
    assert answer.error["type"] == "no_key_supports_model"
    assert not sim.requests()


def test_nobody_listens(start):
    """A refused connection is the gateway's 502, and the cause is told."""
    config = Config().provider("openai", "http://127.0.0.1:9")
    answer = start(config).chat("openai/gpt-4o")
    assert answer.status == 502
    assert answer.error["type"] == "upstream_connection_failed"


@pytest.mark.parametrize("how", ["reset", "cut"])
def test_a_connection_that_breaks_before_an_answer(gateway, how):
    answer = gateway.chat(f"openai/sim:{how}")
    assert answer.status == 502
    assert answer.error["type"] in ("upstream_connection_failed", "upstream_answer_broken")


@pytest.mark.parametrize("how", ["cut=0", "reset=0", "garbage"])
def test_an_answer_that_breaks_in_its_body(gateway, how):
    answer = gateway.chat(f"openai/sim:{how}")
    assert answer.status == 502, answer.body
    assert answer.error["type"] in ("upstream_answer_broken", "upstream_connection_failed")


@pytest.mark.slow
def test_a_silent_provider_times_out(start, sim):
    config = Config().provider("openai", sim.url, default_request_timeout_in_seconds=1)
    answer = start(config).chat("openai/sim:silence")
    assert answer.status == 504
    assert answer.error["type"] == "request_timed_out"
    sim.wait_in_flight(0)


def test_the_clients_own_deadline(gateway, sim):
    answer = gateway.chat("openai/sim:silence", headers={"x-request-timeout-ms": "300"})
    assert answer.status == 504
    assert answer.error["type"] == "request_timed_out"
    sim.wait_in_flight(0)
    wrong = gateway.chat("openai/gpt-4o", headers={"x-request-timeout-ms": "soon"})
    assert wrong.status == 400
    assert "x-request-timeout-ms" in wrong.error["message"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("model", "headers", "exception", "status", "kind"),
    [
        ("nowhere/x", {}, openai.BadRequestError, 400, "model_not_found"),
        ("nowhere-at-all", {}, openai.BadRequestError, 400, "model_not_found"),
        ("openai/other", {}, openai.BadRequestError, 400, "no_key_supports_model"),
        ("mute/x", {}, openai.BadRequestError, 400, "unsupported_operation"),
        ("openai/x", {"x-bf-api-key": "b"}, openai.BadRequestError, 400, "invalid_request_error"),
        ("down/x", {}, openai.InternalServerError, 502, "upstream_connection_failed"),
        ("groq/x", {}, openai.InternalServerError, 503, "no_eligible_keys"),
        (
            "openai/sim:silence",
            {"x-request-timeout-ms": "200"},
            openai.InternalServerError,
            504,
            "request_timed_out",
        ),
    ],
)
def test_own_errors_are_the_sdks_exceptions(
    own_errors, sdk, model, headers, exception, status, kind, stream
):
    with pytest.raises(exception) as caught:
        ask(sdk(own_errors), model, stream=stream, extra_headers=headers)
    assert (caught.value.status_code, caught.value.type) == (status, kind)
    assert caught.value.body["message"] in str(caught.value)
    assert caught.value.request_id


@pytest.fixture
def own_errors(start, sim):
    """A gateway that can refuse in most ways by itself."""
    config = Config().provider("openai", sim.url, [Key("a", models=["x", "sim:silence"])])
    config.provider("down", "http://127.0.0.1:9").provider("mute", sim.url)
    # Nobody serves every model: a name that nothing lists is unknown.
    for name in ("down", "mute"):
        provider = config.document["providers"][name]
        provider["custom_provider_config"] = {"base_provider_type": "openai"}
        provider["keys"][0]["models"] = ["x"]
    only = {"allowed_requests": {"embedding": True}}
    config.document["providers"]["mute"]["custom_provider_config"].update(only)
    # This one's secret is missing.
    config.provider("groq", sim.url, [Key("g", models=["x"])])
    del config.env["E2E_GROQ_G"]
    return start(config)


def test_what_only_one_client_can_run_into_is_an_sdk_exception_too(start, sim, sdk):
    config = Config().provider("openai", sim.url).client(max_request_body_size_mb=1)
    client = sdk(start(config))
    with pytest.raises(openai.APIStatusError) as caught:
        long = [{"role": "user", "content": "x" * 1_200_000}]
        client.chat.completions.create(model="openai/x", messages=long)
    assert (caught.value.status_code, caught.value.type) == (413, "request_too_large")
    with pytest.raises(openai.NotFoundError) as caught:
        client.fine_tuning.jobs.create(model="openai/x", training_file="file-1")
    assert caught.value.type == "not_found"
    assert not sim.requests()
    # The provider's 429 rests the key; the next one is the gateway's own.
    for kind in ("rate_limit_exceeded", "rate_limited"):
        with pytest.raises(openai.RateLimitError) as caught:
            ask(client, "openai/sim:status=429,retry-after=20,code=rate_limit_exceeded")
        assert kind in (caught.value.code, caught.value.type), caught.value.body
        assert 18 <= int(caught.value.response.headers["retry-after"]) <= 20
    assert len(sim.requests()) == 1


def test_an_unknown_prefix_goes_only_to_keys_that_name_the_model(start, sim, other_sim):
    """A key for all models does not take what a mistyped provider stands before."""
    config = Config().provider("openai", sim.url)
    listed = Key("listed", models=["meta-llama/Llama-3", "gpt-4o"])
    config.provider("groq", other_sim.url, [listed, Key("all", weight=9.0)])
    gateway = start(config)
    for path in ("/v1/chat/completions", "/openai/v1/chat/completions"):
        sim.reset()
        other_sim.reset()
        ask = lambda model, **more: gateway.request("POST", path, {"model": model, **more})
        answer = ask("meta-llama/Llama-3", messages=HELLO)
        assert answer.tries == "groq/listed:200"
        refused = ask("opnai/gpt-4o", messages=HELLO)
        assert (refused.status, refused.error["type"]) == (400, "model_not_found")
        for part in ("`opnai`", "did you mean `openai/gpt-4o`?", "`groq`", "`openai/opnai/gpt-4o`"):
            assert part in refused.error["message"], refused.error["message"]
        meant = ask("openai/opnai/gpt-4o", messages=HELLO)
        assert meant.status == 200
        assert [entry["model"] for entry in sim.requests()] == ["opnai/gpt-4o"]
        # As a fallback it is passed over.
        names = ["opnai/gpt-4o", "meta-llama/Llama-3"]
        answer = ask("openai/sim:status=500", messages=HELLO, fallbacks=names)
        assert answer.tries.endswith("500, groq/listed:200"), answer.headers


def test_own_errors_have_the_documented_shape(gateway):
    body = gateway.chat("nowhere/gpt-4o").json()
    assert body["is_bifrost_error"] is True
    assert body["status_code"] == 400
    assert body["error"]["message"] and body["error"]["type"]
    assert body["extra_fields"]["model_requested"] == "nowhere/gpt-4o"
    assert body["event_id"]
