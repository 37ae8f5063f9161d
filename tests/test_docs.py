"""The pages under docs/ say what the code does: vectors, examples, limits, files, links, commands.

`vectors.json` is checked both ways: the code writes the bytes that stand there, and reads out of
them the fields that stand there. Hashes are also taken here, from the words of the page alone.
"""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec
import pytest

from tests.support.bounds import place_of
from zparkd.camera.main import main as zparkd_camera
from zparkd.cli.main import main as zparkctl
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import (
    Event,
    Facts,
    Kind,
    Personal,
    Position,
    Stream,
    read,
    write,
)
from zparkd.core.events.heads import HeadVector, digest, newest
from zparkd.core.events.ids import event_id
from zparkd.core.gate.requests import Code, Refusal, read_request
from zparkd.core.gate.responses import duration_text
from zparkd.core.members.votes import Words
from zparkd.core.members.words import MemberDisowned, MemberRestored
from zparkd.core.plates import normalise_plate
from zparkd.core.replication import encoding, range_digests, wire
from zparkd.core.site import Settings
from zparkd.core.stays.fold import ClosedBy, Projection, Remark, Verdict, project
from zparkd.core.tariff import pricing
from zparkd.core.turn import FromEdge
from zparkd.daemon.main import main as zparkd
from zparkd.daemon.problems import ProblemCode
from zparkd.storage.store import Store
from zparkd.web.main import main as zparkd_web

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
READABLE = [*PAGES, ROOT / "README.md"]
VECTORS: dict[str, Any] = json.loads((DOCS / "vectors.json").read_text("utf-8"))

Vector = dict[str, Any]


def vectors(key: str, name: str = "name") -> pytest.MarkDecorator:
    """One test a vector, called by its name."""
    return pytest.mark.parametrize("vector", VECTORS[key], ids=lambda vector: str(vector[name]))


def blake2b(data: bytes, size: int = 32) -> str:
    return hashlib.blake2b(data, digest_size=size).hexdigest()


def plain(struct: msgspec.Struct) -> Any:
    """A struct as JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(struct))


# --- vectors: events --------------------------------------------------------------------------


@vectors("events")
def test_an_event_is_written_as_it_stands(vector: Vector) -> None:
    event = write(
        Position(*vector["position"]),
        Kind(vector["kind"]),
        timestamp=vector["timestamp"],
        order=vector["order"],
        prev=vector["prev"],
        facts=msgspec.convert(vector["data"], Facts),
        personal=msgspec.convert(vector["personal"], Personal),
    )
    assert event.skeleton.decode() == vector["skeleton"]
    assert event.personal_part.decode() == vector["personal_part"]
    assert event.hash == vector["hash"]


@vectors("events")
def test_an_event_is_read_as_it_stands(vector: Vector) -> None:
    event = read(vector["skeleton"].encode(), vector["personal_part"].encode())
    assert event.position == tuple(vector["position"])
    assert event.kind == vector["kind"]
    assert (event.timestamp, event.order) == (vector["timestamp"], vector["order"])
    assert (event.prev, event.hash) == (vector["prev"], vector["hash"])
    assert event.event_id == vector["event_id"]
    assert event.facts is not None
    assert event.personal is not None
    assert plain(event.facts) == vector["data"]
    assert plain(event.personal) == vector["personal"]


def test_the_chain_follows_from_the_page() -> None:
    prev = ""
    for seq, vector in enumerate(VECTORS["events"], 1):
        skeleton = json.loads(vector["skeleton"])
        assert skeleton["seq"] == seq
        assert skeleton["prev"] == vector["prev"] == prev
        assert skeleton["sealed"] == vector["sealed"] == blake2b(vector["personal_part"].encode())
        prev = blake2b(vector["skeleton"].encode())
        assert prev == vector["hash"]


@vectors("kept_but_meaningless")
def test_what_means_nothing_is_an_event_all_the_same(vector: Vector) -> None:
    event = read(vector["skeleton"].encode(), vector["personal_part"].encode())
    assert event.facts is None
    assert event.personal is None
    assert event.hash == vector["hash"] == blake2b(vector["skeleton"].encode())
    assert project([event]) == Projection({}, {}, {})


@vectors("refused_events")
def test_what_is_no_event_is_refused(vector: Vector) -> None:
    with pytest.raises(ProtocolError):
        read(vector["skeleton"].encode(), vector["personal_part"].encode())


# --- vectors: messages ------------------------------------------------------------------------

DATA = {
    "EVENTS": wire.Live,
    "HEARTBEAT": wire.Beat,
    "SYNC_REQUEST": wire.Ask,
    "SYNC_RESPONSE": wire.Page,
    "DIGEST_REQUEST": wire.Compare,
    "DIGEST_RESPONSE": wire.Digests,
}
TOPICS = {"EVENTS": wire.TOPIC_EVENTS, "HEARTBEAT": wire.TOPIC_HEARTBEAT}


@vectors("messages")
def test_a_message_is_written_as_it_stands(vector: Vector) -> None:
    data = msgspec.convert(vector["data"], DATA[vector["type"]])
    header = encoding.write_header(vector["source_central"], vector["timestamp"], data)
    assert header.decode() == vector["header"]
    assert TOPICS.get(vector["type"], b"").decode() == vector.get("topic", "")
    by_name = {event["name"]: event for event in VECTORS["events"]}
    events = [by_name[name] for name in vector.get("events", [])]
    if "body" in vector:
        parts = [(event["skeleton"].encode(), event["personal_part"].encode()) for event in events]
        assert encoding.write_body(parts).decode() == vector["body"]


@vectors("messages")
def test_a_message_is_read_as_it_stands(vector: Vector) -> None:
    body = vector.get("body", "").encode() or None
    if "packed_body_base64" in vector:
        packed = base64.b64decode(vector["packed_body_base64"])
        assert wire.unpack(packed) == body
    frames = [vector["header"].encode(), *([body] if body else [])]
    message = wire.read_message(frames)
    assert (message.source, message.timestamp) == (vector["source_central"], vector["timestamp"])
    assert isinstance(message.data, DATA[vector["type"]])
    assert plain(message.data) == vector["data"]
    if body is not None:
        by_hash = {event["hash"]: event["name"] for event in VECTORS["events"]}
        split = wire.split_body(body)
        assert [by_hash[read(*parts).hash] for parts in split] == vector["events"]


@vectors("refused_messages")
def test_what_is_no_message_is_refused(vector: Vector) -> None:
    with pytest.raises(ProtocolError):
        wire.read_message([vector["header"].encode()])


@vectors("older_digests")
def test_the_digest_of_older_epochs(vector: Vector) -> None:
    heads = wire.read_heads(map(tuple, vector["heads"]))
    listed = newest(heads)
    assert [list(head) for head in encoding.write_heads((s, heads[s]) for s in listed)] == sorted(
        vector["listed"]
    )
    assert digest(heads, listed) == vector["older"]
    rest = sorted(head for head in vector["heads"] if head not in vector["listed"])
    text = "".join(f"{origin} {epoch} {seq}\n" for origin, epoch, seq in rest)
    assert text == vector["text"]
    lines = text.splitlines(keepends=True)
    total = sum(int(blake2b(line.encode(), 16), 16) for line in lines)
    assert f"{total % 2**128:032x}" == vector["older"]
    beat = encoding.beat_heads(HeadVector(heads))
    assert beat == (encoding.write_heads((s, heads[s]) for s in listed), vector["older"])


@vectors("digests")
def test_digests_of_ranges(vector: Vector) -> None:
    by_name = {event["name"]: event for event in VECTORS["events"]}
    store = Store(Path(":memory:"), "central-1", "lot-a", "Asia/Ho_Chi_Minh")
    for name in vector["events"]:
        event = by_name[name]
        store.append(read(event["skeleton"].encode(), event["personal_part"].encode()))
    store.settle()
    store.commit()
    ask = wire.Compare("lot-a", 1, vector["of"], [tuple(one) for one in vector["ranges"]])
    assert [blake2b(text.encode()) for text in vector["texts"]] == vector["digests"]
    assert range_digests.answer(store, "lot-a", ask).digests == vector["digests"]
    assert (
        range_digests.answer(store, "lot-a", ask).held == vector["held"] == digest(store.heads, ())
    )
    store.close()


@vectors("disowned")
def test_who_is_disowned_is_as_it_stands(vector: Vector) -> None:
    words = Words()
    kinds = {"MEMBER_DISOWNED": MemberDisowned, "MEMBER_RESTORED": MemberRestored}
    for word in vector["words"]:
        said = msgspec.convert(word["data"], kinds[word["kind"]])
        assert msgspec.json.decode(msgspec.json.encode(said)) == word["data"]
        words.add(Position(*word["position"]), said)
    assert {
        member: {"heads": sorted(map(list, cut.heads.items())), "whole_before": cut.whole_before}
        for member, cut in words.verdicts().disowned.items()
    } == vector["disowned"]


# --- vectors: small functions -----------------------------------------------------------------


@vectors("event_ids", "event_id")
def test_event_ids(vector: Vector) -> None:
    parts = (vector["source_central"], vector["timestamp"], vector["plate_id"])
    assert event_id(*parts) == vector["event_id"]
    close = {"type": "BARRIER_CLOSE", "edge_id": "edge-1", "event_id": vector["event_id"]}
    ref = read_request(json.dumps(close).encode()).event
    assert ref is not None
    assert (ref.origin, ref.timestamp, ref.plate_id) == parts


@vectors("plates", "written")
def test_plates(vector: Vector) -> None:
    if vector["plate_id"] is None:
        with pytest.raises(ValueError, match="3 to 12"):
            normalise_plate(vector["written"])
    else:
        assert normalise_plate(vector["written"]) == vector["plate_id"]
        assert normalise_plate(vector["plate_id"]) == vector["plate_id"]


@pytest.mark.parametrize("vector", VECTORS["fees"])
def test_fees(vector: Vector) -> None:
    charged = pricing.fee(vector["camera_type"], vector["entry_ms"], vector["exit_ms"])
    assert (charged, pricing.CURRENCY) == (vector["fee"], vector["currency"])


@vectors("durations", "duration_s")
def test_durations(vector: Vector) -> None:
    assert duration_text(vector["duration_s"]) == vector["duration"]


@vectors("edge_requests")
def test_edge_requests(vector: Vector) -> None:
    code = None
    try:
        read_request(vector["request"].encode())
    except Refusal as no:
        code = no.code.value
    assert code == vector["refused"]


# --- vectors: folds ---------------------------------------------------------------------------


def events_of(vector: Vector) -> list[Event]:
    """The events of a fold vector, each stream a chain."""
    last: dict[Stream, str] = {}
    events = []
    for row in vector["events"]:
        position = Position(*row["position"])
        written = write(
            position,
            Kind(row["kind"]),
            timestamp=row["timestamp"],
            order=row["order"],
            prev=last.get(position.stream, ""),
            facts=msgspec.convert(row["data"], Facts),
            personal=Personal(salt="00", plate_id=row.get("plate_id")),
        )
        last[position.stream] = written.hash
        events.append(read(written.skeleton, written.personal_part))
    return events


def shown(projection: Projection) -> dict[str, list[Vector]]:
    """A projection in the words of the vectors."""
    stays = sorted(projection.stays.values(), key=lambda stay: stay.entry_key)
    return {
        "stays": [
            {
                "entry": list(stay.entry),
                "camera_type": stay.vehicle.camera_type,
                "plate_id": stay.vehicle.plate_id,
                "entry_ms": stay.entry_ms,
                "edge_id": stay.edge_id,
                "confirmed": stay.confirmed,
                "closed_by": stay.closed_by,
                "closer": list(stay.closer) if stay.closer else None,
                "exit_ms": stay.exit_ms,
                "exit_edge_id": stay.exit_edge_id,
                "fee": stay.fee,
                "duration_s": stay.duration_s,
                "remarks": list(stay.remarks),
            }
            for stay in stays
        ],
        "judged": [
            {
                "position": list(position),
                "verdict": judgement.verdict,
                "instead": list(judgement.instead) if judgement.instead else None,
            }
            for position, judgement in sorted(projection.judged.items())
        ],
    }


@vectors("folds")
def test_a_fold_from_scratch(vector: Vector) -> None:
    events = events_of(vector)
    assert all(event.facts is not None for event in events)
    wanted = {"stays": vector["stays"], "judged": vector["judged"]}
    assert shown(project(events)) == wanted
    assert shown(project([*reversed(events), *events])) == wanted


@pytest.mark.parametrize("reverse", [False, True], ids=["one stream by one", "last stream first"])
@vectors("folds")
def test_a_fold_in_the_database(vector: Vector, reverse: bool) -> None:
    events = events_of(vector)
    store = Store(Path(":memory:"), "central-1", "lot-a", "Asia/Ho_Chi_Minh")
    for stream in sorted({event.position.stream for event in events}, reverse=reverse):
        for event in events:
            if event.position.stream == stream:
                store.append(event)
    store.settle()
    store.commit()
    projection = project(events)
    for entry, stay in projection.stays.items():
        held = store.stay_of(entry)
        assert held is not None
        assert held.stay == stay
    assert store.vehicles_inside() == sum(stay["closed_by"] is None for stay in vector["stays"])
    store.close()


# --- the conversation of edges.md ---------------------------------------------------------------

START_MS = 1_764_646_200_000
_SCRIPT = re.compile(r"^<!-- \+(\d+) s -->$|^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def conversation() -> Iterator[tuple[int, Vector, Vector]]:
    """The time in ms since its start, request and answer of each exchange in edges.md."""
    at_ms = 0
    request: Vector | None = None
    for found in _SCRIPT.finditer((DOCS / "edges.md").read_text("utf-8")):
        if found[1]:
            at_ms += int(found[1]) * 1000
            continue
        block = json.loads(found[2])
        if request is None:
            assert block["type"], "an answer without a request"
            request = block
        else:
            yield at_ms, request, block
            request = None
    assert request is None, "a request without an answer"


def test_edges_md_is_a_real_conversation() -> None:
    zone = "Asia/Ho_Chi_Minh"
    settings = Settings("central-1", "lot-a", zone, ZoneInfo(zone), (), (), 1000, 3000, 100)
    store = Store(Path(":memory:"), "central-1", "lot-a", zone)
    stream = Stream("central-1", 1)
    central = Central(settings, store, stream, bytes(32), 0, Now(START_MS, 0))
    exchanges = list(conversation())
    assert {request["type"] for _, request, _ in exchanges} == {
        "PING",
        "DETECTION",
        "BARRIER_OPEN",
        "BARRIER_CLOSE",
    }
    for at_ms, request, wanted in exchanges:
        asked = FromEdge((b"edge", b""), json.dumps(request).encode())
        [(_, answer)] = central.step(Now(START_MS + at_ms, at_ms), [asked]).replies
        assert json.loads(answer) == wanted
    store.close()


def test_edges_md_names_each_refusal() -> None:
    text = (DOCS / "edges.md").read_text("utf-8")
    table = text.partition("| code | meaning | ask again? |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == [code.value for code in Code]


def test_the_kinds_of_protocol_md_are_those_of_the_code() -> None:
    text = (DOCS / "protocol.md").read_text("utf-8")
    named = re.findall(r"^\| `([A-Z_]+)` \| [A-Z_]+: ", text, re.MULTILINE)
    assert sorted(named) == sorted(kind.value for kind in Kind)


# --- words of the page --------------------------------------------------------------------------

STATIC = ROOT / "zparkd/web/static"
LANGUAGES = ("vi", "en")
_CONFLICTS = [*Remark, *(v for v in Verdict if v != Verdict.REPEATED), "UNMATCHED"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("kind", list(Kind)),
        ("verdict", list(Verdict)),
        ("remark", _CONFLICTS),
        ("remark.why", _CONFLICTS),
        ("closed_by", list(ClosedBy)),
    ],
)
def test_each_code_has_words_on_the_page(group: str, codes: list[str], language: str) -> None:
    words = json.loads((STATIC / f"{language}.json").read_text("utf-8"))
    assert [code for code in codes if f"{group}.{code}" not in words] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_problem_has_words_and_a_way_out_on_the_page(language: str) -> None:
    words = json.loads((STATIC / f"{language}.json").read_text("utf-8"))
    for prefix in ("problem.", "problem.do."):
        known = {word.removeprefix(prefix) for word in words if word.startswith(prefix)}
        assert {name for name in known if name.isupper()} == set(ProblemCode)


# --- limits -------------------------------------------------------------------------------------

_QUOTED = re.compile(r"^\| `([A-Z][A-Z_]+)` \| ([0-9][0-9,]*) \|", re.MULTILINE)


def quoted_limits() -> list[tuple[str, str, int]]:
    return [
        (page.name, name, int(value.replace(",", "")))
        for page in PAGES
        for name, value in _QUOTED.findall(page.read_text("utf-8"))
    ]


def test_limits_are_quoted() -> None:
    pages = [page for page, _, _ in quoted_limits()]
    assert pages.count("protocol.md") > 20
    assert pages.count("edges.md") > 8


@pytest.mark.parametrize(("page", "name", "value"), quoted_limits())
def test_a_quoted_limit_is_that_of_the_code(page: str, name: str, value: int) -> None:
    assert value == getattr(place_of(name), name)


BOUNDS_OF_THE_WIRE = {
    "zparkd/core/limits.py": ("what centrals send each other", "numbers on the wire", "time"),
    "zparkd/core/members/limits.py": ("who is disowned",),
    "zparkd/core/replication/limits.py": (
        "one message",
        "what is kept of a peer",
        "asking",
        "answering",
    ),
}


def test_each_limit_of_the_wire_is_quoted() -> None:
    quoted = {name for _, name, _ in quoted_limits()}
    for path, titles in BOUNDS_OF_THE_WIRE.items():
        source = (ROOT / path).read_text("utf-8")
        parts = re.split(r"^# --- (.*?) -+$", source, flags=re.MULTILINE)
        sections = dict(zip(parts[1::2], parts[2::2], strict=True))
        for title in titles:
            assert set(re.findall(r"^([A-Z_]+) =", sections[title], re.MULTILINE)) <= quoted


# --- files, links, commands ---------------------------------------------------------------------

_FILE = re.compile(r"`((?:zparkd|tests|docs|bin|etc)/[\w./-]*|\.ci/run)`")


@pytest.mark.parametrize("page", READABLE, ids=lambda page: page.name)
def test_each_file_named_exists(page: Path) -> None:
    named = _FILE.findall(page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_each_module_is_in_the_table_of_architecture_md() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    table = re.findall(r"^\| `(zparkd/\S+\.py)` \| .+ \|$", text, re.MULTILINE)
    there = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "zparkd").rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert sorted(table) == sorted(there)


def anchors(page: Path) -> set[str]:
    """What a link may name in a page, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", READABLE, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        led_to = (page.parent / name).resolve() if name else page
        assert led_to.exists(), target
        assert not anchor or anchor in anchors(led_to), target


_FENCE = re.compile(r"^```(?:console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command that a page shows being typed."""
    for block in _FENCE.findall(page.read_text("utf-8")):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            if line.startswith("$ "):
                typed = re.sub(r"\s{2,}\(.*\)$|\s&$", "", line.removeprefix("$ "))
                for command in re.split(r"\s(?:\||&&|;)\s", typed):
                    yield shlex.split(command, comments=True)


def all_commands() -> list[tuple[str, list[str]]]:
    return [(page.name, words) for page in READABLE for words in commands(page)]


def check_options(command: click.Command, words: Iterable[str]) -> None:
    """Walk the words of a command line, subcommands included."""
    names = {
        name: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    left = list(words)
    while left:
        word = left.pop(0)
        if word in ("-h", "--help"):
            continue
        if word.startswith("-"):
            name, given, _ = word.partition("=")
            assert name in names, f"{command.name} has no option {name}"
            if not given and not names[name].is_flag:
                left.pop(0)
        elif isinstance(command, click.Group):
            sub = command.get_command(click.Context(command), word)
            assert sub is not None, f"{command.name} has no command {word}"
            check_options(sub, left)
            return


PROGRAMS = {
    "zparkctl": zparkctl,
    "zparkd": zparkd,
    "zparkd-web": zparkd_web,
    "zparkd-camera": zparkd_camera,
}


def test_commands_are_shown() -> None:
    pages = [page for page, _ in all_commands()]
    assert {"README.md", "CONTRIBUTING.md", "edges.md"} <= set(pages)


@pytest.mark.parametrize(("page", "words"), all_commands(), ids=str)
def test_a_command_shown_exists(page: str, words: list[str]) -> None:
    program, *arguments = words
    if "/" in program and not program.startswith((".venv/", "/")):
        assert (ROOT / program).is_file(), program
    if program.removeprefix("bin/") in PROGRAMS:
        check_options(PROGRAMS[program.removeprefix("bin/")], arguments)
    for word in arguments:
        if re.match(r"(etc|tests|zparkd)/", word):
            assert (ROOT / word.partition("::")[0]).exists(), word
