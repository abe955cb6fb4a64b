"""Builds config.json files whose providers are simulators, and the environment with their keys."""

import re
from dataclasses import dataclass, field

from . import secrets


@dataclass
class Key:
    """A key of a provider: its name in the file, its secret in the environment."""

    name: str
    weight: float = 1.0
    models: list[str] = field(default_factory=lambda: ["*"])
    extra: dict = field(default_factory=dict)
    secret: str = field(default_factory=secrets.make)


@dataclass
class Config:
    """A configuration file in the making."""

    document: dict = field(default_factory=lambda: {"providers": {}})
    env: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def provider(
        self,
        name: str,
        base_url: str,
        keys: list[Key] | None = None,
        *,
        concurrency: int | None = None,
        buffer: int | None = None,
        **network,
    ) -> "Config":
        """Adds a provider; `network` goes into its `network_config`."""
        keys = keys or [Key(f"{name}-1")]
        listed = []
        for key in keys:
            variable = f"E2E_{name}_{key.name}".upper().replace("-", "_")
            self.env[variable] = key.secret
            self.keys[key.name] = key
            entry = {"name": key.name, "value": f"env.{variable}", "models": key.models}
            extra = self._hidden(key.extra, variable)
            listed.append({**entry, "weight": key.weight, **extra})
        network = {"base_url": base_url, "default_request_timeout_in_seconds": 10, **network}
        provider = {"keys": listed, "network_config": network}
        if concurrency is not None:
            limits = {"concurrency": concurrency, "buffer_size": buffer or concurrency}
            provider["concurrency_and_buffer_size"] = limits
        self.document["providers"][name] = provider
        return self

    def _hidden(self, part, variable: str):
        """`part` of a key with references in place of its secrets, whose variables are set."""
        if isinstance(part, dict):
            return {
                name: self._hidden(inner, f"{variable}_{name}".upper())
                for name, inner in part.items()
            }
        if not isinstance(part, str) or not secrets.is_one(part):
            return part
        variable = re.sub(r"\W", "_", variable)
        self.env[variable] = part
        return f"env.{variable}"

    def client(self, **settings) -> "Config":
        self.document.setdefault("client", {}).update(settings)
        return self

    def clients(self, *names: str, **reach) -> dict[str, str]:
        """Lets in only whoever has the key of one of these clients, which may reach the provider that
        `reach` describes (with all its keys, unless it says which); the keys, by name."""
        reach = {"key_ids": ["*"], **reach}
        secrets_of = {name: Key(name).secret for name in names}
        listed = [
            {"name": name, "value": f"env.E2E_{name.upper()}", "provider_configs": [reach]}
            for name in names
        ]
        self.document["governance"] = {"virtual_keys": listed}
        self.env |= {f"E2E_{name.upper()}": secret for name, secret in secrets_of.items()}
        self.client(enforce_auth_on_inference=True)
        return secrets_of

    def secret(self, key: str) -> str:
        return self.keys[key].secret
