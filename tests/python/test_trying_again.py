"""What a client's library is told about trying again, and what it then does."""

import time
from collections import deque

import openai
import pytest
from harness.config import Config, Key
from harness.fake import CHAT, Asked, Fake

REFUSED = {"message": "Incorrect API key provided.", "code": "invalid_api_key"}
SPENT = {"message": "You exceeded your current quota, please check your plan."}
REGION = {"message": "Country, region, or territory not supported"}
BUSY = {"message": "The server had an error"}


class Script:
    """Answers one after another; the last one for good."""

    def __init__(self, *answers):
        self._answers = deque(answers)
        self.count = 0

    def __call__(self, _: Asked):
        self.count += 1
        return self._answers.popleft() if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def provider():
    """Makes providers that answer with a script; a status, and what `error` says."""
    fakes = []

    def make(*answers) -> tuple[Fake, Script]:
        def shaped(status, body):
            is_error = isinstance(body, dict) and status >= 400
            return status, {"error": {"type": "an_error", **body}} if is_error else body

        script = Script(*(shaped(*answer) for answer in answers))
        fakes.append(Fake(script))
        return fakes[-1], script

    yield make
    for fake in fakes:
        fake.stop()


@pytest.mark.parametrize(
    ("status", "error", "kind", "said"),
    [
        (401, REFUSED, "upstream_credentials_exhausted", "Incorrect API key provided."),
        (
            403,
            {"message": "Your key is blocked", "code": "api_key_disabled"},
            "upstream_credentials_exhausted",
            "Your key is blocked",
        ),
        (429, {**SPENT, "code": "insufficient_quota"}, "upstream_quota_exhausted", "your plan"),
        (402, {"message": "Insufficient Balance"}, "upstream_quota_exhausted", "Insufficient Bal"),
        (403, {**REGION, "code": "unsupported_country_region_territory"}, None, "territory"),
        (404, {"message": "The model does not exist", "code": "model_not_found"}, None, "not exist"),
        (400, {"message": "temperature must be at most 2"}, None, "at most 2"),
    ],
)
def test_what_cannot_pass_is_no_invitation(start, provider, status, error, kind, said):
    """Neither the first time nor while the key rests; the true reason in the provider's words."""
    fake, _ = provider((status, error))
    gateway = start(Config().provider("openai", fake.url, max_retries=2))
    for _ in range(2):
        answer = gateway.chat("openai/gpt-4o")
        assert answer.headers["x-should-retry"] == "false"
        assert "retry-after" not in answer.headers and "retry-after-ms" not in answer.headers
        assert said in answer.error["message"], answer.body
        assert kind is None or (answer.status, answer.error["type"]) == (502, kind)


def test_a_refused_key_does_not_stall_the_sdk(start, provider, sdk):
    """With its default of two retries it would wait as long as it is told, up to two minutes."""
    fake, script = provider((401, REFUSED))
    client = sdk(start(Config().provider("openai", fake.url)), max_retries=2)
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="openai/m", messages=[])
        assert time.monotonic() - begun < 2
        assert "Incorrect API key provided." in str(caught.value)
        assert caught.value.code == "invalid_api_key"
    # A key that rests is not asked; where two routers or workers keep their own, two may ask.
    assert script.count <= 2


def test_the_sdk_does_not_multiply_the_plan(start, provider, sdk):
    fake, script = provider((500, BUSY))
    network = {"max_retries": 1, "retry_backoff_initial": 100}
    client = sdk(start(Config().provider("openai", fake.url, **network)), max_retries=2)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="openai/m", messages=[])
    assert script.count == 2


def test_the_sdk_waits_where_waiting_helps(start, provider, sdk):
    fake, script = provider((429, {"message": "slow down"}), (200, CHAT))
    client = sdk(start(Config().provider("openai", fake.url)), max_retries=1)
    begun = time.monotonic()
    client.chat.completions.create(model="openai/m", messages=[])
    assert script.count == 2
    assert time.monotonic() - begun > 0.9


def test_a_limit_without_a_time_gets_one(start, provider):
    fake, _ = provider((429, {"message": "slow down"}))
    answer = start(Config().provider("openai", fake.url)).chat("openai/m")
    assert (answer.status, answer.headers["x-should-retry"]) == (429, "true")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, {**REGION, "code": "unsupported_country_region_territory"}),
        (400, {"message": "User location is not supported for the API use."}),
        (404, {"message": "No endpoints found that support tool use.", "code": 404}),
        (404, {"message": "Provider returned error", "code": 404}),
        (404, "404 page not found"),
        (405, "Method Not Allowed"),
        (400, {"message": "chat-large does not support tools"}),
        (501, {"message": "not implemented"}),
        (200, "<html>Welcome</html>"),
        (302, "moved"),
    ],
)
def test_another_provider_may_do_what_this_one_does_not(start, provider, status, error):
    """Whatever keys and retries the first one has: they could not help."""
    first, asked = provider((status, error))
    second, _ = provider((200, CHAT))
    config = Config().provider("openai", first.url, [Key("a"), Key("b")], max_retries=3)
    config.provider("groq", second.url)
    gateway = start(config)
    answer = gateway.chat("openai/chat-large", fallbacks=["groq/chat-large"])
    assert (answer.status, answer.headers["x-weir-provider"]) == (200, "groq"), answer.body
    assert asked.count == 1
    alone = gateway.chat("openai/chat-large")
    assert alone.status == (502 if status < 400 else status)
    assert alone.headers["x-should-retry"] == "false"
    assert asked.count == 2


def test_another_key_may_reach_what_this_one_does_not(start, provider):
    """Where the answer says so."""
    for error in (
        {"message": "Project does not have access to model m"},
        {"message": "No endpoints found matching your data policy"},
    ):
        status = 403 if "access" in error["message"] else 404
        fake, script = provider((status, error), (200, CHAT))
        gateway = start(Config().provider("openai", fake.url, [Key("a"), Key("b")]))
        assert gateway.chat("openai/m").status == 200
        assert script.count == 2
