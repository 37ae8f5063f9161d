"""What holds for every test: how the suite itself was started must not matter."""

import signal

from hypothesis import HealthCheck, settings

# Started in the background of a shell, the suite would hand an ignored SIGINT on to the programs
# it starts, and none of them could be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing is timed in a test: a busy machine is no fault of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
