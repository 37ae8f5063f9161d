"""The worked examples of docs/tariffs.md are right, and its samples can be used as they are."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner

from zparkd.cli.main import main
from zparkd.core import limits
from zparkd.core.events.event import Kind, Personal, Position, read, write
from zparkd.core.events.payloads import PassChanged, StaffChanged, TariffSet
from zparkd.core.reference.lists import read_passes, read_staff
from zparkd.core.tariff import limits as tariff_limits
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.fields import BadDocument
from zparkd.core.tariff.pricing import Tariff, price

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/tariffs.md").read_text("utf-8")
VECTORS: dict[str, Any] = json.loads((ROOT / "docs/vectors.json").read_text("utf-8"))
SAMPLES = ROOT / "etc/tariffs"

_HINT = re.compile(
    r"\]\(\.\./(?P<file>etc/tariffs/[\w-]+\.toml)\)|at a site in `(?P<zone>[\w/]+)`"
    r"|^\| `(?P<type>\w+)` \| (?P<entry>[-\d: ]{19}) \| (?P<left>[-\d: ]{19})"
    r" \| (?P<fee>[\d,]+) \|",
    re.MULTILINE,
)


def examples() -> Iterator[tuple[str, str, str, str, str, int]]:
    """File, zone, type, entry, exit and fee of each row of a table."""
    file, zone = "", "Asia/Ho_Chi_Minh"
    for found in _HINT.finditer(PAGE):
        if found["file"]:
            file, zone = found["file"], "Asia/Ho_Chi_Minh"
        elif found["zone"]:
            zone = found["zone"]
        else:
            fee = int(found["fee"].replace(",", ""))
            yield file, zone, found["type"], found["entry"], found["left"], fee


def test_there_are_examples_of_each_kind() -> None:
    all_of_them = list(examples())
    assert len(all_of_them) >= 16
    assert {file for file, *_ in all_of_them} == {
        "etc/tariffs/airport.toml",
        "etc/tariffs/city-centre.toml",
    }
    assert {zone for _, zone, *_ in all_of_them} == {"Asia/Ho_Chi_Minh", "Europe/Berlin"}


@pytest.mark.parametrize(("file", "zone", "camera_type", "entry", "left", "fee"), list(examples()))
def test_a_worked_example_is_right(
    file: str, zone: str, camera_type: str, entry: str, left: str, fee: int
) -> None:
    site = ZoneInfo(zone)
    rate = Tariff(0, read_tariff(tomllib.loads((ROOT / file).read_text()))).rate(camera_type)
    entry_ms, exit_ms = (
        round(datetime.fromisoformat(text).replace(tzinfo=site).timestamp() * 1000)
        for text in (entry, left)
    )
    assert price(rate, entry_ms, exit_ms, site).fee == fee


def test_the_bill_that_is_shown_is_what_is_printed() -> None:
    [(words, shown)] = re.findall(
        r"^\$ zparkctl (tariff quote .*?\\\n.*?)\n(FOR .*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )
    typed = re.findall(r'"[^"]*"|\S+', words.replace("\\\n", ""))
    typed = [str(ROOT / word) if word.startswith("etc/") else word.strip('"') for word in typed]
    result = CliRunner().invoke(main, typed)
    assert result.exit_code == 0, result.output
    assert result.output == shown


def test_the_tariff_of_the_page_is_good() -> None:
    [text] = re.findall(r"^```toml\n(\[\[rate\]\].*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    [rate] = read_tariff(tomllib.loads(text)).values()
    assert (rate.free_minutes, len(rate.steps), len(rate.windows)) == (10, 2, 1)


def test_the_lists_of_the_page_are_good() -> None:
    passes, staff = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert read_passes(json.loads(passes))
    assert read_staff(json.loads(staff))


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_a_sample_can_be_used_as_it_is(sample: Path) -> None:
    readers: dict[str, Any] = {"passes": read_passes, "staff": read_staff}
    text = sample.read_text("utf-8")
    document = tomllib.loads(text) if sample.suffix == ".toml" else json.loads(text)
    assert readers.get(sample.stem, read_tariff)(document)


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("After 3,660 days", tariff_limits.PRICED_DAYS_MAX),
        ("up to 16 of", tariff_limits.TARIFF_STEPS),
        ("up to 8 of", tariff_limits.TARIFF_WINDOWS),
        ("at most 20,000 entries", limits.REFERENCE_ENTRIES),
        ("up to eight\nintervals", limits.API_BACK_OFF),
    ],
)
def test_bounds_of_the_page_are_those_of_the_code(said: str, limit: int) -> None:
    assert said in PAGE
    number = said.replace("eight", "8")
    assert int(re.sub(r"\D", "", number)) == limit


# --- vectors.json ---------------------------------------------------------------------------------

DATA = {Kind.TARIFF: TariffSet, Kind.PASS: PassChanged, Kind.STAFF: StaffChanged}


@pytest.mark.parametrize("vector", VECTORS["reference_events"], ids=lambda vector: vector["name"])
def test_an_event_of_reference_data_is_written_and_read_as_it_stands(vector: Any) -> None:
    kind = Kind(vector["kind"])
    event = write(
        Position(*vector["position"]),
        kind,
        timestamp=vector["timestamp"],
        order=vector["order"],
        prev=vector["prev"],
        facts=msgspec.convert(vector["data"], DATA[kind]),
        personal=msgspec.convert(vector["personal"], Personal),
    )
    assert event.skeleton.decode() == vector["skeleton"]
    assert event.personal_part.decode() == vector["personal_part"]
    assert event.hash == vector["hash"]
    assert read(event.skeleton, event.personal_part) == event


@pytest.mark.parametrize("vector", VECTORS["tariff_fees"])
def test_a_vector_of_a_fee_holds(vector: Any) -> None:
    rate = Tariff(0, read_tariff(vector["document"])).rate(vector["camera_type"])
    times, zone = (vector["entry_ms"], vector["exit_ms"]), ZoneInfo(vector["timezone"])
    priced = price(rate, *times, zone, lost_ticket=vector["lost_ticket"])
    assert (priced.fee, priced.minutes) == (vector["fee"], vector["minutes"])
    assert list(priced.breakdown) == vector["breakdown"]


@pytest.mark.parametrize("document", VECTORS["refused_tariffs"])
def test_a_vector_of_a_tariff_at_fault_is_refused(document: Any) -> None:
    with pytest.raises(BadDocument):
        read_tariff(document)
