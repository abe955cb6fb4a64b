"""How the program is started, checked and stopped."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from harness import http, secrets
from harness.config import Config
from harness.gateway import ADMIN, BOUND
from harness.process import Process


def run(weir, *arguments, env=None):
    """A command that ends by itself."""
    command = [weir, *map(str, arguments)]
    result = subprocess.run(
        command, env=env or {}, capture_output=True, text=True, timeout=30, check=False
    )
    http.keep({}, (result.stdout + result.stderr).encode())
    return result


@pytest.fixture
def bare(weir, tmp_path, run_dir, request):
    """Starts `weir serve` without any topology, in an empty directory."""
    started = []

    def start(arguments=(), env=None):
        process = Process(request.node.originalname, [weir, *arguments], env or {}, tmp_path)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        # For the search for secrets at the end.
        shutil.copy(process.log_path, run_dir)


LISTEN = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


@pytest.mark.parametrize("command", [["serve", *LISTEN], LISTEN], ids=["serve", "no-command"])
def test_without_configuration_it_prints_a_curl_line_that_answers(bare, command):
    process = bare(command)
    process.wait_for(BOUND)
    process.wait_for(r"\bcurl\b")
    assert re.search("simulated", process.output)
    line = printed_curl(process.output)
    shell = ["/bin/sh", "-c", line]
    answer = subprocess.run(shell, capture_output=True, text=True, timeout=30, check=False)
    assert answer.returncode == 0, (line, answer.stderr)
    body = json.loads(answer.stdout)
    assert body["choices"][0]["message"]["content"]


def printed_curl(output: str) -> str:
    """The command as a reader would copy it: from `curl` on, with its continued lines."""
    lines = output.split("\n")
    first = next(number for number, line in enumerate(lines) if re.search(r"\bcurl\b", line))
    command = lines[first][lines[first].index("curl") :]
    while command.rstrip().endswith("\\"):
        first += 1
        command = command.rstrip()[:-1] + " " + lines[first].strip()
    # Only the flags -s and -S are missing, which keep the progress meter out of the way.
    return command.replace("curl", "curl -sS", 1)


def test_readme_and_the_simulated_provider_agree(bare, repository):
    """The model of the README's example answers when nothing is configured."""
    process = bare(["serve", *LISTEN])
    url = process.wait_for(BOUND).group(1)
    readme = (repository / "README.md").read_text()
    model = re.search(r'model="([^"]+)"', readme).group(1)
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    assert http.request("POST", f"{url}/v1/chat/completions", body).status == 200


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_python_of_the_pages_runs_as_it_is_written(bare, repository, page):
    """Copied out of the page, but for the port."""
    url = bare(["serve", *LISTEN]).wait_for(BOUND).group(1)
    blocks = re.findall(r"```python\n(.*?)```", (repository / page).read_text(), re.DOTALL)
    program = "\n".join(blocks)
    assert "http://127.0.0.1:8080" in program
    command = [sys.executable, "-c", program.replace("http://127.0.0.1:8080", url)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "You said: Hello" in done.stdout and "not complete" not in done.stdout


def test_the_curl_lines_about_the_simulated_provider_answer(bare, repository):
    url = bare(["serve", *LISTEN]).wait_for(BOUND).group(1)
    page = (repository / "docs" / "api.md").read_text()
    blocks = [b for b in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "sim/demo" in b]
    assert len(blocks) >= 2
    for block in blocks:
        line = block.replace("http://127.0.0.1:8080", url).replace("curl ", "curl -sSf ", 1)
        done = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, (line, done.stderr)
        assert "You said: Hello" in done.stdout or "x-weir-provider: sim" in done.stdout, done


def test_keys_in_the_environment_enable_their_providers(bare):
    env = {"OPENAI_API_KEY": secrets.make(), "GROQ_API_KEY": secrets.make()}
    process = bare(["serve", *LISTEN], env)
    admin = process.wait_for(ADMIN).group(1)
    url = process.wait_for(BOUND).group(1)
    said = process.output + http.request("GET", f"{admin}/readyz").body.decode()
    assert re.search(r"openai", said) and re.search(r"groq", said), said
    assert "simulated" not in said
    unknown = {"model": "mistral/x", "messages": []}
    answer = http.request("POST", f"{url}/v1/chat/completions", unknown)
    assert answer.status == 400 and answer.error["type"] == "model_not_found"


def test_a_config_in_the_working_directory_is_found(bare, sim, tmp_path):
    config = Config().provider("openai", sim.url)
    (tmp_path / "config.json").write_text(json.dumps(config.document))
    process = bare(["serve", *LISTEN], config.env)
    url = process.wait_for(BOUND).group(1)
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    assert http.request("POST", f"{url}/v1/chat/completions", body).status == 200
    assert sim.keys_seen() == [config.secret("openai-1")]


def test_flags_can_be_environment_variables(bare, sim, tmp_path):
    config = Config().provider("openai", sim.url)
    path = tmp_path / "elsewhere.json"
    path.write_text(json.dumps(config.document))
    env = {"WEIR_CONFIG": str(path), "WEIR_LISTEN": "127.0.0.1:0", "WEIR_ADMIN": "127.0.0.1:0"}
    process = bare([], {**env, **config.env})
    process.wait_for(BOUND)
    process.wait_for(ADMIN)


def test_a_bad_config_starts_nothing_and_names_every_problem(bare, tmp_path):
    config = Config().provider("openai", "http://127.0.0.1:1")
    provider = config.document["providers"]["openai"]
    provider["keys"][0]["weight"] = -1
    provider["concurency_and_buffer_size"] = {}
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(config.document, indent=2))
    process = bare(["serve", *LISTEN, "--config", str(path)])
    assert process.wait() == 1
    assert "listening" not in process.output
    for problem in ("weight", "concurency_and_buffer_size", "concurrency_and_buffer_size"):
        assert problem in process.output
    assert re.search(r"bad\.json:\d+:\d+", process.output)


def test_a_port_in_use_is_a_clear_error(bare):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = bare(["serve", "--listen", address, "--admin", "127.0.0.1:0"])
        assert process.wait() != 0
        assert address in process.output


def test_sigterm_lets_requests_finish(start, sim):
    gateway = start(Config().provider("openai", sim.url))
    gateway.may_have_ended = True
    stream = gateway.stream("openai/sim:chunks=5,interval=150")
    events = iter(stream)
    next(events)
    # All of them at once, as when a whole deployment is stopped.
    for process in gateway.processes:
        process.terminate()
        process.wait_for("(?i)signal|drain|shut")
    with pytest.raises(OSError):
        for _ in range(1000):
            gateway.request("GET", "/health", timeout=2)
    rest = list(events)
    assert rest[-1] == "[DONE]", rest
    assert stream.ended == "complete"
    assert [process.wait() for process in gateway.processes] == [0] * len(gateway.processes)


def test_sigterm_ends_an_idle_process_at_once(start, sim):
    gateway = start(Config().provider("openai", sim.url))
    gateway.may_have_ended = True
    for process in gateway.processes:
        process.terminate()
        assert process.wait(5) == 0


def test_memory_comes_in_small_pages(start, sim):
    """A page of 2 MiB would be kept for one small allocation in it."""
    gateway = start(Config().provider("openai", sim.url))
    for process in gateway.processes:
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "THP_enabled:\t0\n" in status, status


@pytest.mark.slow
def test_the_drain_has_a_limit(start, sim):
    gateway = start(Config().provider("openai", sim.url), flags=["--drain-timeout", "1"])
    gateway.may_have_ended = True
    stream = gateway.stream("openai/sim:stall=1")
    next(iter(stream))
    for process in gateway.processes:
        process.terminate()
        process.wait(10)
    sim.wait_in_flight(0)


def test_a_second_signal_ends_it_now(start, sim):
    gateway = start(Config().provider("openai", sim.url))
    gateway.may_have_ended = True
    stream = gateway.stream("openai/sim:stall=1")
    next(iter(stream))
    for process in gateway.processes:
        process.terminate()
        process.wait_for("(?i)signal|drain|shut")
        process.child.send_signal(signal.SIGINT)
        process.wait(5)


def test_check_accepts_every_example(weir, repository):
    examples = sorted((repository / "deploy" / "examples").glob("*.json"))
    assert len(examples) >= 17
    for example in examples:
        result = run(weir, "check", example)
        assert result.returncode == 0, (example, result.stdout, result.stderr)


def test_check_reports_every_problem_and_fails(weir, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(
        """{
  "providers": {
    "openai": {
      "keys": [
        {"name": "a", "value": "env.A", "models": ["*"], "weight": -1},
        {"name": "a", "value": "env.B", "models": ["*", "gpt-4o"], "weight": 1}
      ],
      "concurrency_and_buffer_size": {"concurrency": 0, "buffer_size": 5},
      "netwrok_config": {}
    }
  }
}
"""
    )
    result = run(weir, "check", path)
    assert result.returncode == 1
    said = result.stdout + result.stderr
    for place in ("bad.json:5:", "bad.json:6:", "bad.json:8:", "bad.json:9:"):
        assert place in said, (place, said)
    assert "network_config" in said, "the nearest valid name"


def test_check_strict_turns_warnings_into_errors(weir, tmp_path):
    path = tmp_path / "literal.json"
    literal = secrets.make()
    key = {"name": "a", "value": literal, "models": ["*"], "weight": 1}
    path.write_text(json.dumps({"providers": {"openai": {"keys": [key]}}}))
    loose, strict = run(weir, "check", path), run(weir, "check", "--strict", path)
    assert (loose.returncode, strict.returncode) == (0, 1)
    for result in (loose, strict):
        assert "literal" in result.stdout + result.stderr
        assert literal not in result.stdout + result.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"providers": 3}', "\xff"])
def test_check_of_hardly_a_file(weir, tmp_path, text):
    path = tmp_path / "hardly.json"
    path.write_bytes(text.encode("latin-1"))
    result = run(weir, "check", path)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert "hardly.json" in result.stdout + result.stderr
    assert run(weir, "check", tmp_path / "absent.json").returncode == 1


def test_a_reader_that_has_enough_is_no_failure(weir):
    """`weir schema | head -1`, and the same for findings."""
    process = subprocess.Popen(
        [str(weir), "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(10) == 0


def test_schema_is_json(weir):
    result = run(weir, "schema")
    assert result.returncode == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"] and "providers" in schema["properties"]


def test_version_and_help(weir):
    assert re.match(r"weir \d+\.\d+\.\d+", run(weir, "--version").stdout)
    text = run(weir, "--help").stdout
    for word in ("serve", "sim", "check", "schema", "--config", "--listen", "--admin"):
        assert word in text
    wrong = run(weir, "swerve")
    assert wrong.returncode == 2 and "serve" in wrong.stderr
