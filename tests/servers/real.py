"""Real servers as processes: llama-cpp-python's, and LiteLLM's proxy in front of one."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

from harness import http

# They import for long, the proxy more than the other.
STARTS_WITHIN = 180


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Real:
    """A server that is started, killed and started again at one address."""

    def __init__(self, name: str, directory: Path):
        self.name, self.port = name, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = f"sk-{secrets.token_hex(32)}"
        self._log = directory / f"{name}.log"
        self._process = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Begins to start."""
        # Nothing is fetched from elsewhere.
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=env)

    def wait(self) -> None:
        """Until it answers."""
        begun = time.monotonic()
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() - begun < STARTS_WITHIN, self._log.read_text()[-3000:]
            time.sleep(0.2)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def headers(self) -> dict[str, str]:
        """What a caller shows it."""
        return {"authorization": f"Bearer {self.key}"}

    def _answers(self) -> bool:
        try:
            models = f"{self.url}/v1/models"
            return http.request("GET", models, headers=self.headers(), timeout=5).status == 200
        except OSError:
            return False


class Llama(Real):
    """llama.cpp behind uvicorn."""

    def __init__(self, name: str, directory: Path, model: Path):
        super().__init__(name, directory)
        self._model = model

    def command(self) -> list[str]:
        options = {"model": self._model, "model_alias": "tiny", "host": "127.0.0.1"}
        options |= {"port": self.port, "n_ctx": 256, "n_threads": 1, "verbose": False}
        flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return [sys.executable, "-m", "llama_cpp.server", *flags]


class LiteLlm(Real):
    """LiteLLM's proxy, which asks `behind`."""

    def __init__(self, name: str, directory: Path, behind: str):
        super().__init__(name, directory)
        self._config = directory / f"{name}.yaml"
        params = {"model": "openai/tiny", "api_base": f"{behind}/v1", "api_key": "none"}
        models = [{"model_name": "tiny", "litellm_params": params}]
        settings = {"num_retries": 0}
        document = {"model_list": models, "litellm_settings": settings}
        document["general_settings"] = {"master_key": self.key}
        # JSON is YAML.
        self._config.write_text(json.dumps(document))

    def command(self) -> list[str]:
        program = Path(sys.executable).with_name("litellm")
        options = ["--config", self._config, "--host", "127.0.0.1", "--port", self.port]
        return [str(program), *map(str, options)]
