"""`zparkctl status --check`: one line and an exit code, as monitoring plugins give them.

The conventions are those of Nagios, which Icinga, Checkmk and others share: 0 good, 1 warning,
2 critical, 3 unknown; after a bar come figures.
"""

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from zparkd.cli.context import call, find_control
from zparkd.client.control import DaemonUnreachable

# With these cameras are refused, or what is recorded may be lost. All others are warnings.
CRITICAL = frozenset(
    ("STORAGE_UNAVAILABLE", "DUPLICATE_ID", "STREAM_OVERTAKEN", "EVENT_CORRUPT", "FORGED", "FORKED")
)


class State(IntEnum):
    """How it is; the number is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Checked(NamedTuple):
    """What a check came to, and the line that says so."""

    state: State
    text: str
    figures: str = ""

    def __str__(self) -> str:
        said = " ".join(self.text.replace("|", "/").split())  # a bar begins the figures
        return f"ZPARKD {self.state.name} - {said}" + (f" | {self.figures}" if self.figures else "")


def check(file: Path) -> Checked:
    """How the central is whose configuration is `file`."""
    control, faults = find_control(file)
    try:
        answer = call(control, "status")
    except DaemonUnreachable as fault:
        # Where even the place to ask at is a guess, nobody knows.
        state = State.UNKNOWN if faults or "may not use it" in str(fault) else State.CRITICAL
        return Checked(state, "; ".join([str(fault), *faults]))
    if answer.get("success") is not True:
        return Checked(State.UNKNOWN, str((answer.get("error") or {}).get("message")))
    return judged(answer)


def judged(answer: Mapping[str, Any]) -> Checked:
    """What an answer of the daemon comes to."""
    problems = [
        (str(problem.get("code")), str(problem.get("message")))
        for problem in answer.get("problems") or ()
    ]
    total, heard = answer.get("total_peers") or 0, answer.get("connected_peers") or 0
    if total and not heard:
        problems.insert(0, ("ALONE", f"none of {total} peers is heard"))
    state = State.WARNING if problems else State.OK
    if any(code in CRITICAL or code == "ALONE" for code, _ in problems):
        state = State.CRITICAL
        problems.sort(key=lambda problem: problem[0] not in CRITICAL | {"ALONE"})
    name = f"{answer.get('this_central')} of {answer.get('site')}"
    if problems:
        text = f"{name}: " + "; ".join(f"{code}: {message}" for code, message in problems)
    else:
        text = f"{name}: {heard} of {total} peers heard, {answer.get('vehicles_inside')} inside"
    figures = {
        "inside": answer.get("vehicles_inside"),
        "events": answer.get("events"),
        "only_here": answer.get("only_here"),
        "peers": heard,
        "problems": len(problems),
    }
    shown = " ".join(f"{key}={value}" for key, value in figures.items() if value is not None)
    return Checked(state, text, shown)
