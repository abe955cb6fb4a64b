"""What a client does to its own requests: it must not rest a key for the others."""

import json

import pytest
from harness.config import Config, Key
from harness.fake import CHAT, Asked, Fake

MONEY = "insufficient balance"


def strict(asked: Asked):
    """A provider that knows two roles, one organization and one model, and repeats what it refuses."""

    def no(status, message, code=None):
        error = {"message": message, "type": "invalid_request_error", "code": code}
        return status, {"error": error}

    if asked.headers.get("openai-organization", "mine") != "mine":
        return no(401, "No such organization", "invalid_organization")
    if asked.headers.get("openai-project") == "spent":
        return no(429, "You exceeded your current quota", "insufficient_quota")
    body = json.loads(asked.body)
    if body["model"] != "m":
        return no(404, f"{body['model']}: no such model here")
    role = body["messages"][0]["role"]
    if role not in ("user", "assistant"):
        return no(403 if asked.headers.get("x-strict") else 400, f"{role} is not one of the roles")
    return 200, CHAT


def raw(role: str) -> str:
    return f'{{"model": "openai/m", "messages": [{{"role": "{role}", "content": "hi"}}]}}'


@pytest.fixture
def provider():
    fake = Fake(strict)
    yield fake
    fake.stop()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (raw("user"), {"x-bf-eh-openai-organization": "bogus"}),
        (raw("user"), {"x-bf-eh-openai-project": "spent"}),
        (raw(MONEY), {}),
        (raw(MONEY), {"x-bf-eh-x-strict": "1"}),
        (raw("incorrect api key provided"), {}),
        (raw("your credit balance is too low"), {}),
        (raw("rate limit reached"), {}),
        (raw("too many requests"), {"x-bf-eh-x-strict": "1"}),
        (raw("\\u0074oo\\u0020many\\nrequests"), {}),
        (raw("unknown model m"), {}),
        (json.dumps({"model": f"openai/{MONEY}", "messages": [{"role": "user"}]}), {}),
    ],
)
def test_no_client_rests_a_key_for_the_others(start, provider, body, headers):
    keys = [Key("one"), Key("two")]
    # What an operator lets pass is the client's word all the same.
    listed = {"allowlist": ["openai-*", "x-strict"]}
    config = Config().provider("openai", provider.url, keys).client(header_filter_config=listed)
    gateway = start(config)
    for _ in range(5):
        answer = gateway.request("POST", "/v1/chat/completions", body, headers)
        assert answer.status in (400, 401, 403, 404, 429), answer.body
    tries = [gateway.chat("openai/m") for _ in range(4)]
    assert [answer.status for answer in tries] == [200] * 4
    # Both keys are asked, as if nothing had been.
    assert {answer.headers["x-weir-key"] for answer in tries} == {"one", "two"}
    assert all("," not in answer.tries for answer in tries)
