"""`zparkctl tariff explain`: a fee with its parts, calculated again from the database alone."""

import json
from typing import Any

from tests.cli.conftest import Central
from tests.core.events.test_payloads import DECEMBER, import_passes, set_tariff
from tests.support.centrals import PLATE, Driven
from tests.support.tariffs import AIRPORT, flat
from zparkd.cli.commands.site.bill import table_of


def written(central: Central, driven: Driven) -> None:
    """Make the database of a driven central that of the files."""
    driven.store.connection.execute("VACUUM INTO ?", (str(central.database),))


def stay(driven: Driven, seconds: float = 3660, **fields: Any) -> str:
    """A stay of so many seconds; its event_id."""
    event_id = driven.open(direction="ENTRY")["event_id"]
    driven.wait(seconds)
    assert driven.open(direction="EXIT", **fields)["success"]
    return str(event_id)


def test_a_fee_is_explained_and_comes_to_the_same_again(central: Central) -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    event_id = stay(driven)
    set_tariff(driven, flat(1))
    written(central, driven)
    result = central.run("tariff", "explain", event_id)
    assert (result.exit_code, result.output) == (
        0,
        "by tariff version 1, set at central-1\n"
        "from 2025-12-02 10:30:00 to 2025-12-02 11:31:00: 61 minutes\n"
        "\n"
        "FOR                                    AMOUNT\n"
        "1 x 60 min from minute 0, 15,000 each  15,000\n"
        "1 x 30 min from minute 60, 5,000 each   5,000\n"
        "VND                                    20,000\n"
        "\n"
        "calculated again: the same\n",
    )
    answer = json.loads(central.run("tariff", "explain", event_id, "--json").stdout)
    assert (answer["fee"], answer["fee_again"], answer["tariff_version"]) == (20_000, 20_000, 1)


def test_a_quote_a_pass_and_the_built_in_tariff_are_explained(central: Central) -> None:
    driven = Driven()
    built_in = stay(driven)
    quoted = driven.open(direction="ENTRY")["event_id"]
    driven.wait(3590)
    driven.detect()
    driven.wait(60)
    driven.open(direction="EXIT")
    import_passes(driven, DECEMBER)
    free = stay(driven)
    written(central, driven)
    said = {id: central.run("tariff", "explain", id) for id in (built_in, quoted, free)}
    assert all(result.exit_code == 0 for result in said.values())
    assert said[built_in].output.startswith("by the built-in tariff\n")
    assert "when it was quoted: 60 minutes" in said[quoted].output
    assert "pass until 2025-12-31" in said[free].output


def test_a_fee_that_is_not_what_it_should_be_is_found(central: Central) -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    event_id = stay(driven)
    driven.store.connection.execute("UPDATE tariffs SET document = ?", (json.dumps(flat(7)),))
    driven.store.commit()
    written(central, driven)
    result = central.run("tariff", "explain", event_id)
    assert result.exit_code == 1
    assert "calculated again: 7, which is not what was charged" in result.output


def test_a_tariff_that_is_not_here_is_said_to_be_missing(central: Central) -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    event_id = stay(driven)
    driven.store.connection.execute("DELETE FROM tariffs")
    driven.store.commit()
    written(central, driven)
    result = central.run("tariff", "explain", event_id)
    assert result.exit_code == 0
    assert "what it names is missing" in result.output


def test_what_has_no_fee_is_said_to_have_none(central: Central) -> None:
    driven = Driven()
    stale = driven.open(direction="ENTRY")["event_id"]
    driven.wait(1)
    inside = driven.open(direction="ENTRY", force=True, reason="r")["event_id"]
    written(central, driven)
    for event_id, said in (
        (stale, "ended without a fee, by FORCED_ENTRY"),
        (inside, "is inside"),
        (f"central-1_1_{PLATE}", "no such stay here"),
        ("nonsense", "no such stay here"),
    ):
        result = central.run("tariff", "explain", event_id)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{event_id}: {said}")


def test_a_breakdown_that_another_program_wrote_is_shown_as_far_as_it_says_something() -> None:
    shown = table_of([{"rule": "step"}, {"rule": "tip", "amount": 5}, {"amount": "x"}], 5, "VND")
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["step", "?"],
        ["tip", "5"],
        ["none", "?"],
        ["VND", "5"],
    ]
