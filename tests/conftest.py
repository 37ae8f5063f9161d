"""What holds for every test: how the suite itself was started must not matter."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.support.effort import Costs, Fast
from tests.support.examples import COMMON

# Started in the background of a shell, the suite would hand an ignored SIGINT on to the programs
# it starts, and none of them could be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing is timed in a test: a busy machine is no fault of what is tested.
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("common", _UNTIMED, max_examples=COMMON)
settings.register_profile("fast", _UNTIMED, max_examples=COMMON // 5)
settings.register_profile("thorough", _UNTIMED, max_examples=20 * COMMON)
settings.load_profile("common")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zparkd")
    group.addoption("--fast", action="store_true", help="leave out tests that start programs")
    group.addoption("--thorough", action="store_true", help="try twenty times as many examples")
    group.addoption("--costs", action="store_true", help="show what folders and tests take")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fast"):
        settings.load_profile("fast")
        config.pluginmanager.register(Fast())
    elif config.getoption("--thorough"):
        settings.load_profile("thorough")
    if config.getoption("--costs"):
        config.pluginmanager.register(Costs())
