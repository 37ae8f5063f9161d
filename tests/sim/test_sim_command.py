"""`bin/sim`: what it says, and its exit codes."""

from click.testing import CliRunner

from tests.sim.command import main


def said(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output.splitlines()


def test_a_seed_is_replayed_with_a_trace_that_ends_in_a_verdict() -> None:
    code, lines = said("--seed", "1")
    assert code == 0
    assert "seed 1:" in lines[0]
    assert any("BARRIER_OPEN" in line for line in lines)
    assert lines[-1].startswith("seed 1 passed: ")


def test_a_seed_that_fails_ends_in_the_reason_and_1() -> None:
    code, lines = said("--seed", "0", "--mutant", "reply_before_commit")
    assert code == 1
    assert lines[-1].startswith("seed 0 failed: told too early")


def test_a_sweep_sums_up_in_its_last_line() -> None:
    code, lines = said("--runs", "3", "--seed", "7")
    assert code == 0
    assert lines[-1].startswith("3 runs, seeds 7 to 9, in ")
    assert lines[-1].endswith("all passed")


def test_a_sweep_names_the_seeds_that_fail() -> None:
    code, lines = said("--runs", "2", "--jobs", "1", "--mutant", "ask_all_the_time")
    assert code == 1
    assert lines[0].startswith("seed 0 failed: storm: ")
    assert "2 FAILED: 0 1;" in lines[-1]


def test_it_wants_to_be_told_what_to_run() -> None:
    code, lines = said()
    assert code == 2
    assert "--runs" in lines[-1]
