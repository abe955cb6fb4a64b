"""A scenario runs for each library on each provider; what a library cannot do is listed."""

from dataclasses import dataclass

import pytest
from harness.sim import Sim
from libraries import LIBRARIES, NOT, Library
from providers import PROVIDERS, Provider

# Names of scenarios, in the order of their tests.
SCENARIOS: list[str] = []


@dataclass
class Seat:
    library: Library
    provider: Provider
    sim: Sim

    @property
    def model(self) -> str:
        return self.provider.model()

    def sent(self) -> dict:
        """What the provider got last."""
        return self.sim.requests()[-1]


def scenario(name: str):
    """Marks a test as a scenario for every library and provider, but for what `NOT` lists."""
    SCENARIOS.append(name)
    pairs = [
        pytest.param(library.name, provider.name, marks=library.marks)
        for library in LIBRARIES
        for provider in PROVIDERS
        if reason(library.name, provider.name, name) is None
    ]
    return pytest.mark.parametrize(("library", "provider"), pairs)


def reason(library: str, provider: str, name: str) -> str | None:
    """Why a library cannot have this from a provider; `None` if it can."""
    for key in [(library, provider), (library, "*"), ("*", provider)]:
        if (*key, name) in NOT:
            return NOT[(*key, name)]
    return None
