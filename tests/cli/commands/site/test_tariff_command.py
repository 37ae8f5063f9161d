"""`zparkctl tariff check` and `quote --file`: no daemon, and every fault with its line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Central
from zparkd.cli.main import main

AIRPORT = """
[[rate]]
camera_type = "car"
currency = "VND"
free_minutes = 10
lost_ticket = 50_000

[[rate.step]]
until_minutes = 60
every_minutes = 60
amount = 15000
[[rate.step]]
every_minutes = 30
amount = 5000
"""
CENTRE = """
[[rate]]
camera_type = "car"
step = [
  { until_minutes = 120, every_minutes = 60, amount = 25000 },
  { until_minutes = 240, every_minutes = 60, amount = 35000 },
  { every_minutes = 60, amount = 45000 },
]
"""
ENTRY = "2025-12-02 10:30:00"


@pytest.fixture
def airport(tmp_path: Path) -> Path:
    file = tmp_path / "airport.toml"
    file.write_text(AIRPORT)
    return file


def quoted(central: Central, file: Path, left: str, *more: str, entry: str = ENTRY) -> int:
    """The fee of a stay of a car."""
    words = ["tariff", "quote", "--file", str(file), "--camera-type", "car"]
    result = central.run(*words, "--entry", entry, "--exit", left, "--json", *more)
    assert result.exit_code == 0, result.output
    fee = json.loads(result.stdout)["fee"]
    assert isinstance(fee, int)
    return fee


@pytest.mark.parametrize(
    ("left", "fee"),
    [
        ("2025-12-02 10:39:00", 0),
        ("2025-12-02 10:41:00", 15_000),
        ("2025-12-02 11:30:00", 15_000),
        ("2025-12-02 11:31:00", 20_000),
        ("2025-12-02 12:35:00", 30_000),
    ],
)
def test_the_airport(central: Central, airport: Path, left: str, fee: int) -> None:
    assert quoted(central, airport, left) == fee


def test_the_city_centre(central: Central, tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text(CENTRE)
    assert quoted(central, file, "2025-12-02 18:30:00") == 300_000


def test_a_quote_has_a_form_of_its_own(central: Central, airport: Path) -> None:
    result = central.run(
        *("tariff", "quote", "--file", str(airport), "--camera-type", "car", "--entry", ENTRY),
        *("--exit", "2025-12-02 11:31:00", "--json"),
    )
    answer = json.loads(result.stdout)
    assert {key: answer[key] for key in ("fee", "currency", "minutes")} == {
        "fee": 20_000,
        "currency": "VND",
        "minutes": 61,
    }
    assert [line["amount"] for line in answer["breakdown"]] == [15_000, 5_000]


def test_a_quote_can_be_read(central: Central, airport: Path) -> None:
    result = central.run(
        *("tariff", "quote", "--file", str(airport), "--entry", ENTRY),
        *("--exit", "2025-12-02 11:31:00", "--lost-ticket"),
    )
    assert result.output == (
        "FOR                                    AMOUNT\n"
        "1 x 60 min from minute 0, 15,000 each  15,000\n"
        "1 x 30 min from minute 60, 5,000 each   5,000\n"
        "lost ticket                            50,000\n"
        "61 minutes, VND                        70,000\n"
    )


def test_a_lost_ticket_is_quoted_where_asked(central: Central, airport: Path) -> None:
    assert quoted(central, airport, "2025-12-02 10:39:00", "--lost-ticket") == 50_000


def test_times_are_the_sites(central: Central, tmp_path: Path) -> None:
    text = central.file.read_text().replace(
        'site = "lot-a"', 'site = "lot-a"\ntimezone = "Europe/Berlin"'
    )
    central.file.write_text(text)
    file = tmp_path / "centre.toml"
    file.write_text(CENTRE)
    # Four hours, three on the wall; with an offset the second 02:30 can be told.
    left = "2026-10-25 03:30:00"
    assert quoted(central, file, left, entry="2026-10-25 00:30:00") == 120_000
    assert quoted(central, file, left, entry="2026-10-25T02:30:00+02:00") == 50_000
    assert quoted(central, file, left, entry="2026-10-25T02:30:00+01:00") == 25_000


def test_a_json_file_will_do(central: Central, tmp_path: Path) -> None:
    file = tmp_path / "tariff.json"
    step = {"every_minutes": 60, "amount": 7}
    file.write_text(json.dumps({"rate": [{"camera_type": "car", "step": [step]}]}))
    assert quoted(central, file, "2025-12-02 12:00:00") == 14


def test_neither_needs_a_configuration(airport: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZPARKD_CONFIG", raising=False)
    for module in ("zparkd.config.load", "zparkd.cli.commands.site.tariff"):
        monkeypatch.setattr(f"{module}.DEFAULT_PATH", airport.parent / "none")
    times = ["--entry", ENTRY, "--exit", "2025-12-02 11:31:00"]
    for words in (["check", str(airport)], ["quote", "--file", str(airport), *times]):
        result = CliRunner().invoke(main, ["tariff", *words])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("entry", "left", "said"),
    [
        ("10:30", ENTRY, "is no time"),
        (ENTRY, "2025-12-02 10:29:59", "is before --entry"),
    ],
)
def test_times_that_are_none_are_a_wrong_command_line(
    central: Central, airport: Path, entry: str, left: str, said: str
) -> None:
    words = ["tariff", "quote", "--file", str(airport), "--entry", entry, "--exit", left]
    result = central.run(*words)
    assert result.exit_code == 2
    assert said in result.output


def test_a_good_tariff_is_called_good(central: Central, airport: Path) -> None:
    result = central.run("tariff", "check", str(airport))
    assert (result.exit_code, result.output) == (0, f"{airport}: good: 1 rate: car\n")
    answer = json.loads(central.run("tariff", "check", str(airport), "--json").stdout)
    assert answer == {"success": True, "path": str(airport), "faults": []}


@pytest.mark.parametrize("command", ["check", "quote"])
def test_a_bad_tariff_is_refused_with_line_and_key(
    central: Central, airport: Path, command: str
) -> None:
    airport.write_text(AIRPORT.replace("15000", "15000.5").replace("free_", "fre_"))
    words = ["check", str(airport)]
    if command == "quote":
        words = ["quote", "--file", str(airport), "--entry", ENTRY, "--exit", ENTRY]
    result = central.run("tariff", *words)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{airport}:5: rate[0].fre_minutes: unknown key; write free_minutes",
        f"{airport}:11: rate[0].step[0].amount: 15000.5 is no whole number;"
        " write one without quotes or decimals",
    ]
    answer = json.loads(central.run("tariff", *words, "--json").stdout)
    assert answer["success"] is False
    assert answer["faults"] == result.stderr.splitlines()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read: no such file"),
        (b"\xff", "is not UTF-8"),
        (b"a = ", ":1: document: is not TOML"),
        (b'{"rate": ', ":1: document: is not JSON"),
        (b" " * (8 * 1024 * 1024 + 1), "is larger than"),
    ],
)
def test_a_file_that_is_no_document_is_refused(
    central: Central, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "tariff.toml"
    if content is not None:
        file.write_bytes(content)
    result = central.run("tariff", "check", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(str(file))
    assert said in result.stderr
