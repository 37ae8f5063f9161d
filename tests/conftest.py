"""What holds for every test: how the suite itself was started must not matter."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.support.effort import Costs, Fast

# Started in the background of a shell, the suite would hand an ignored SIGINT on to the programs
# it starts, and none of them could be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing is timed in a test: a busy machine is no fault of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# A first look: the whole suite tries as many as each test wants.
settings.register_profile("fast", settings.get_profile("untimed"), max_examples=25)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zparkd")
    group.addoption("--fast", action="store_true", help="leave out tests that start programs")
    group.addoption("--costs", action="store_true", help="show the processor time of each folder")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fast"):
        settings.load_profile("fast")
        config.pluginmanager.register(Fast())
    if config.getoption("--costs"):
        config.pluginmanager.register(Costs())
