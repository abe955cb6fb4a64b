"""The simulated provider, as docs/simulator.md describes it: its examples are run as written."""

import json
import re
import subprocess

import openai
import pytest


def examples(repository) -> list[str]:
    """The `curl` commands of the page; each goes up to the next one."""
    page = (repository / "docs" / "simulator.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    commands = re.split(r"^(?=curl )", "".join(blocks), flags=re.MULTILINE)
    return [command for command in commands if command.startswith("curl ")]


def test_every_example_of_the_page_answers(sim, repository):
    commands = examples(repository)
    assert len(commands) >= 8
    for command in commands:
        here = command.replace("http://127.0.0.1:8090", sim.url)
        here = here.replace("curl ", "curl -sS ", 1)
        done = subprocess.run(
            ["/bin/sh", "-c", here], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout, command
        if "sim:" not in command:
            assert "error" not in json.loads(done.stdout), (command, done.stdout)


def test_every_word_of_the_grammar_is_on_the_page(sim, repository):
    """The simulator's own source is the list of words."""
    folder = repository / "crates" / "sim" / "src"
    source = (folder / "behaviour" / "grammar.rs").read_text()
    page = (repository / "docs" / "simulator.md").read_text()
    words = set(re.findall(r'^            "([a-z-]+)" =>', source, re.MULTILINE))
    words |= {"silence", "reset", "cut", "stall", "garbage", "error"}
    assert len(words) >= 20
    for word in sorted(words):
        assert re.search(rf"`{word}[`=\[]", page), word


def test_the_sdk_speaks_to_it_directly(sim):
    client = openai.OpenAI(base_url=sim.url + "/v1", api_key="any", max_retries=0)
    messages = [{"role": "user", "content": "hi"}]
    answer = client.chat.completions.create(model="gpt-4o", messages=messages)
    assert answer.choices[0].message.content.endswith("You said: hi")
    assert len(client.embeddings.create(model="e", input="x").data[0].embedding) == 1536
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="sim:status=429", messages=messages)
    client.close()
