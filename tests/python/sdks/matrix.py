"""Scenarios as tests: each runs with every SDK on every provider family."""

import functools
from dataclasses import dataclass

import pytest
from harness.sim import Sim

from . import table
from .drivers import NAMES
from .families import FAMILIES, Family
from .talk import Absent, Driver

# Every scenario that a module declared, in that order.
SCENARIOS: list[str] = []
# The module of each.
MODULES: dict[str, str] = {}


@dataclass
class Seat:
    """Where a scenario sits: an SDK in front of the gateway, a provider behind it."""

    driver: Driver
    family: Family
    sim: Sim

    def sent(self) -> dict:
        """The last request that the provider saw."""
        return self.sim.requests()[-1]

    def asked(self) -> dict:
        """The last one that asked for work: what follows may look for its answer."""
        return [entry for entry in self.sim.requests() if entry["body"]][-1]

    def fault(self, behaviour: str) -> str:
        return self.family.fault(behaviour, self.driver.name)


def scenario(name: str):
    """Makes a test of each combination. One that the table lists must be refused."""
    SCENARIOS.append(name)

    def decorate(function):
        MODULES[name] = function.__module__
        @pytest.mark.topologies("all-in-one-memory")
        @pytest.mark.parametrize("family", [family.name for family in FAMILIES])
        @pytest.mark.parametrize("sdk", NAMES)
        @functools.wraps(function)
        def test(seat: Seat):
            why = table.reason(seat.driver.name, seat.family.name, name)
            if why is None:
                function(seat)
            else:
                is_refused(seat, function)

        test.scenario = name
        # Fixtures are found by the wrapper's own parameters.
        del test.__wrapped__
        return test

    return decorate


def is_refused(seat: Seat, function) -> None:
    """It fails, and whoever fails says so: nothing is dropped in silence."""
    try:
        function(seat)
    except (Absent, *seat.driver.unreadable):
        return
    except AssertionError:
        raise
    except Exception as error:
        assert seat.driver.status(error) == 400, error
        assert len(str(error)) > 20, error
        return
    pytest.fail("it works: the table is out of date")
