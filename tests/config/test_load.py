"""What `zparkd.toml`, `peers.d` and `edges.d` may say, and how each mistake is named."""

import os
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from zparkd.config.load import (
    Config,
    ConfigError,
    Fault,
    Listen,
    Security,
    SecurityMode,
    default_path,
    load,
    restart_faults,
    secret_key,
)
from zparkd.config.toml import key_lines
from zparkd.core.site import Direction, Lane, Peer

PLAIN = '[central]\nid = "central-1"\nsite = "lot-a"\n[security]\nmode = "plain"\n'
PEER = 'id = "central-2"\naddress = "127.0.0.1"\n'
KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"  # the example of RFC 32/Z85


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "zparkd.toml"
    file.write_text(PLAIN)
    return file


def put(main: Path, name: str, text: str | bytes) -> Path:
    """Write a file beside the main one."""
    file = main.parent / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def faults(main: Path) -> list[str]:
    """The lines a user would see, without the directory."""
    with pytest.raises(ConfigError) as caught:
        load(main)
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]
    return [line.removeprefix(f"{main.parent}/") for line in str(caught.value).splitlines()]


def the_fault(main: Path, text: str) -> str:
    """The one fault of the main file with this text."""
    main.write_text(text)
    (line,) = faults(main)
    assert "; " in line, "says what to write"
    return line


# --- what is accepted


def test_only_id_site_and_plain_mode_must_be_written_the_rest_has_defaults(main: Path) -> None:
    assert load(main) == Config(
        path=main,
        central_id="central-1",
        site="lot-a",
        timezone="Asia/Ho_Chi_Minh",
        listen=Listen("127.0.0.1", 9000, 9001, 9002, Path("/run/zparkd/control.sock")),
        storage_path=Path("/var/lib/zparkd/zparkd.db"),
        heartbeat_s=1.0,
        peer_timeout_s=3.0,
        edge_requests_per_s=100.0,
        security=Security(SecurityMode.PLAIN, allow_insecure=False, secret_key_file=None),
        peers=(),
        lanes=(),
    )


def test_every_key_can_be_written(main: Path) -> None:
    main.write_text("""
        [central]
        id = "c-2"
        site = "lot-b"
        timezone = "Europe/Paris"
        [listen]
        address = "0.0.0.0"
        bus_port = 1
        sync_port = 65535
        edge_port = 7
        control = "/c.sock"
        [storage]
        path = "/z.db"
        [bus]
        heartbeat_s = 2
        peer_timeout_s = 2.5
        [limits]
        edge_requests_per_s = 0
        [security]
        mode = "plain"
        allow_insecure = true
        secret_key_file = "/no/such.key"
    """)
    put(
        main,
        "peers.d/a.toml",
        f'id="p"\naddress="gate-2.lan"\nbus_port=5\nsync_port=4\npublic_key="{KEY}"',
    )
    put(
        main,
        "edges.d/a.toml",
        f'id="Cam_1.a"\npublic_key="{KEY}"\ndirection="EXIT"\ncamera_type="motorbike"\n'
        "reports_close=true",
    )
    assert load(main) == Config(
        path=main,
        central_id="c-2",
        site="lot-b",
        timezone="Europe/Paris",
        listen=Listen("0.0.0.0", 1, 65535, 7, Path("/c.sock")),
        storage_path=Path("/z.db"),
        heartbeat_s=2.0,
        peer_timeout_s=2.5,
        edge_requests_per_s=0.0,
        security=Security(SecurityMode.PLAIN, True, Path("/no/such.key")),
        peers=(Peer("p", "gate-2.lan", 5, 4, KEY),),
        lanes=(Lane("Cam_1.a", KEY, Direction.EXIT, "motorbike", True),),
    )


def test_default_ports_follow_bus_port(main: Path) -> None:
    main.write_text(PLAIN + "[listen]\nbus_port = 7000\n")
    put(main, "peers.d/a.toml", PEER + "bus_port = 8000\n")
    config = load(main)
    assert (config.listen.sync_port, config.listen.edge_port) == (7001, 7002)
    assert config.peers == (Peer("central-2", "127.0.0.1", 8000, 8001),)


def test_relative_paths_are_relative_to_the_files_directory(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main.write_text(
        PLAIN + 'secret_key_file="k"\n[storage]\npath="data/z.db"\n[listen]\ncontrol="./c.sock"\n'
    )
    monkeypatch.chdir(main.parent.parent)
    for path in (main, Path(main.parent.name) / main.name):
        config = load(path)
        assert config.path == path
        assert config.storage_path == main.parent / "data/z.db"
        assert config.listen.control == main.parent / "c.sock"
        assert config.security.secret_key_file == main.parent / "k"


def test_peers_and_lanes_are_sorted_by_id_and_other_files_ignored(main: Path) -> None:
    put(main, "peers.d/1.toml", 'id = "z"\naddress = "localhost"')
    put(main, "peers.d/2.toml", 'id = "a"\naddress = "::1"')
    put(main, "edges.d/1.toml", 'id = "e2"')
    put(main, "edges.d/2.toml", 'id = "e1"')
    for name in ("peers.d/.3.toml", "peers.d/3.toml~", "edges.d/README", "edges.d/x.TOML"):
        put(main, name, "not TOML")
    config = load(main)
    assert [peer.id for peer in config.peers] == ["a", "z"]
    assert [lane.id for lane in config.lanes] == ["e1", "e2"]


def test_a_peer_file_removed_while_reading_is_no_fault(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(main, "peers.d/a.toml", PEER)
    monkeypatch.setattr(os, "listdir", lambda folder: ["a.toml", "gone.toml"])
    assert load(main).peers == (Peer("central-2", "127.0.0.1", 9000, 9001),)


@pytest.mark.parametrize("address", ["127.9.9.9", "::1", "localhost"])
def test_plain_mode_takes_any_loopback_address(main: Path, address: str) -> None:
    main.write_text(PLAIN + f'[listen]\naddress = "{address}"')
    put(main, "peers.d/a.toml", f'id = "p"\naddress = "{address}"')
    assert load(main).peers[0].address == address


def test_plain_mode_takes_any_address_when_insecure_is_allowed(main: Path) -> None:
    main.write_text(PLAIN + 'allow_insecure = true\n[listen]\naddress = "::"')
    put(main, "peers.d/a.toml", 'id = "p"\naddress = "192.168.1.102"')
    assert load(main).listen.address == "::"


def test_crlf_files_are_read(main: Path) -> None:
    main.write_bytes(PLAIN.replace("\n", "\r\n").encode())
    assert load(main).site == "lot-a"


def test_default_path_is_the_environments_or_etc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPARKD_CONFIG", "/tmp/z.toml")
    assert default_path() == Path("/tmp/z.toml")
    for _ in range(2):  # empty, then unset
        monkeypatch.setenv("ZPARKD_CONFIG", "")
        assert default_path() == Path("/etc/zparkd/zparkd.toml")
        monkeypatch.delenv("ZPARKD_CONFIG")
        assert default_path() == Path("/etc/zparkd/zparkd.toml")


# --- values that are refused: (section and line, the start of the fault)


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ('[central]\nid = "Central"', "2: central.id: "),
        ('[central]\nid = ""', "2: central.id: "),
        ('[central]\nid = "central-1\\n"', "2: central.id: "),
        (f'[central]\nid = "{"a" * 33}"', "2: central.id: "),
        ("[central]\nid = 1", "2: central.id: 1 is not a string; "),
        ('[central]\nsite = "-a"', '2: central.site: "-a" does not match '),
        ('[central]\ntimezone = "Asia/Ho_Chi_Min"', "2: central.timezone: "),
        ('[central]\ntimezone = "Asia"', "2: central.timezone: "),
        ('[central]\ntimezone = "../../etc/passwd"', "2: central.timezone: "),
        ('[central]\ntimezone = "/etc/localtime"', "2: central.timezone: "),
        (f'[central]\ntimezone = "{"a/" * 2000}b"', "2: central.timezone: "),
        ('[central]\ntimezone = ""', "2: central.timezone: "),
        ('[central]\ntimezone = "a\\u0000b"', "2: central.timezone: "),
        ('[listen]\naddress = "central.lan"', "2: listen.address: "),
        ('[listen]\naddress = "*"', "2: listen.address: "),
        ('[listen]\naddress = "tcp://127.0.0.1"', "2: listen.address: "),
        ("[listen]\nbus_port = 0", "2: listen.bus_port: 0 is not a port; "),
        ("[listen]\nbus_port = 65536", "2: listen.bus_port: 65536 is not a port; "),
        ("[listen]\nbus_port = true", "2: listen.bus_port: true is not a whole number; "),
        ("[listen]\nbus_port = 9000.0", "2: listen.bus_port: 9000.0 is not a whole number; "),
        ('[listen]\nbus_port = "9000"', '2: listen.bus_port: "9000" is not a whole number; '),
        (f"[listen]\nbus_port = 0x{'f' * 9999}", "2: listen.bus_port: a huge number "),
        ("[listen]\nsync_port = -1", "2: listen.sync_port: "),
        ("[listen]\nedge_port = []", "2: listen.edge_port: a list is not "),
        ('[listen]\ncontrol = ""', '2: listen.control: "" is not a path; '),
        ('[listen]\ncontrol = "a\\u0000"', "2: listen.control: "),
        (f'[listen]\ncontrol = "/{"ế" * 36}"', "2: listen.control: "),
        ("[storage]\npath = 2020-01-01", "2: storage.path: 2020-01-01 is not a string; "),
        ("[storage.path]\na = 1", "1: storage.path: a table is not a string; "),
        ("[bus]\nheartbeat_s = 0", "2: bus.heartbeat_s: 0 is not above 0; "),
        ("[bus]\nheartbeat_s = -0.5", "2: bus.heartbeat_s: "),
        ("[bus]\nheartbeat_s = inf", "2: bus.heartbeat_s: inf is not a finite number; "),
        ("[bus]\nheartbeat_s = nan", "2: bus.heartbeat_s: nan is not a finite number; "),
        ("[bus]\nheartbeat_s = true", "2: bus.heartbeat_s: true is not a number; "),
        ('[bus]\nheartbeat_s = "1"', "2: bus.heartbeat_s: "),
        ("[bus]\npeer_timeout_s = inf", "2: bus.peer_timeout_s: "),
        (f"[bus]\npeer_timeout_s = 1{'0' * 400}", "2: bus.peer_timeout_s: "),
        ("[bus]\npeer_timeout_s = 1", "2: bus.peer_timeout_s: 1 is not above heartbeat_s, 1; "),
        ("[bus]\nheartbeat_s = 3", "2: bus.peer_timeout_s: 3 is not above heartbeat_s, 3; "),
        ("[limits]\nedge_requests_per_s = -1", "2: limits.edge_requests_per_s: -1 is below 0; "),
        ("[limits]\nedge_requests_per_s = inf", "2: limits.edge_requests_per_s: "),
        ('[security]\nmode = "none"', '2: security.mode: "none" is not known here; '),
        ("[security]\nmode = false", "2: security.mode: "),
        ("[security]\nallow_insecure = 1", "2: security.allow_insecure: 1 is not a boolean; "),
        ("[security]\nsecret_key_file = 1", "2: security.secret_key_file: "),
    ],
)
def test_a_wrong_value_is_named_by_its_line_and_key(main: Path, line: str, start: str) -> None:
    rest = {
        "central": {"id": '"central-1"', "site": '"lot-a"'},
        "security": {"mode": '"plain"'},
    }
    section = line[1 : line.index("]")]
    for key, value in rest.pop(section, {}).items():
        if f"\n{key} =" not in line:
            line += f"\n{key} = {value}"
    for section, keys in rest.items():
        line += f"\n[{section}]" + "".join(f"\n{key} = {value}" for key, value in keys.items())
    assert the_fault(main, line).startswith(f"zparkd.toml:{start}")


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ('id = "Central-2"', "1: id: "),
        ("id = 2", "1: id: 2 is not a string; "),
        ('address = "tcp://10.0.0.1"', "1: address: "),
        ('address = "10.0.0.1:9000"', "1: address: "),
        ('address = "10.0.0.300"', '1: address: "10.0.0.300" is not an IP address or host name; '),
        ('address = "10.1"', "1: address: "),
        ('address = "[::1]"', "1: address: "),
        ('address = "a b"', "1: address: "),
        ('address = ""', "1: address: "),
        ('address = "::1%a b"', "1: address: "),
        ('address = "-a.lan"', "1: address: "),
        (f'address = "{"a." * 127}a"', "1: address: "),
        ("bus_port = 70000", "1: bus_port: "),
        ("bus_port = 65535", "1: sync_port: the default, bus_port + 1, is 65536, above 65535; "),
        ("sync_port = 9000", "1: sync_port: 9000 is bus_port too; "),
        ("sync_port = true", "1: sync_port: true is not a whole number; "),
        ('public_key = "..."', "1: public_key: is no public key (a key has 40 characters; "),
        (f'public_key = "{KEY[:39]}"', "1: public_key: "),
        (f'public_key = "{KEY[:39]}~"', "1: public_key: "),
        (f'public_key = "{"#" * 40}"', "1: public_key: "),
        ("public_key = 1", "1: public_key: 1 is not a string; "),
        ("publik_key = 1", "1: publik_key: unknown key; write public_key"),
        ("xyzzy = 1", "1: xyzzy: unknown key; write one of id, address, "),
    ],
)
def test_a_wrong_value_in_a_peer_file(main: Path, line: str, start: str) -> None:
    required = {"id": 'id = "central-2"', "address": 'address = "::1"'}
    required.pop(line.partition(" ")[0], None)
    put(main, "peers.d/p.toml", "\n".join([line, *required.values()]))
    (fault,) = faults(main)
    assert fault.startswith(f"peers.d/p.toml:{start}")
    assert "; " in fault


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ('id = ".e"', "1: id: "),
        (f'id = "{"e" * 65}"', "1: id: "),
        ('direction = "entry"', '1: direction: "entry" is not known here; write "ENTRY" or "EXIT"'),
        ("direction = 1", "1: direction: "),
        ('camera_type = "Car"', "1: camera_type: "),
        ("reports_close = 0", "1: reports_close: 0 is not a boolean; write true or false"),
        ('public_key = "short"', "1: public_key: "),
        ('adress = "127.0.0.1"', "1: adress: unknown key; write "),
    ],
)
def test_a_wrong_value_in_an_edge_file(main: Path, line: str, start: str) -> None:
    required = "" if line.startswith("id") else '\nid = "e"'
    put(main, "edges.d/e.toml", line + required)
    (fault,) = faults(main)
    assert fault.startswith(f"edges.d/e.toml:{start}")


# --- names


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[listen]\nbus_prot = 1", "7: listen.bus_prot: unknown key; write bus_port"),
        ("[listen]\nBus-Port = 1", "7: listen.Bus-Port: unknown key; write bus_port"),
        ("[bus]\nbus_port = 1", "7: bus.bus_port: unknown key; write bus_port in [listen]"),
        ("[limit]\n", "6: limit: unknown section; write [limits]"),
        ('"a b" = 1\n', '6: security."a b": unknown key; write one of mode, allow_insecure, '),
        ('"a\\nb" = 1\n', '6: security."a\\nb": unknown key; '),
        ('"\\u009b" = 1\n', '6: security."\\x9b": unknown key; '),
    ],
)
def test_an_unknown_name_is_a_fault_that_names_the_nearest_known_one(
    main: Path, text: str, fault: str
) -> None:
    assert the_fault(main, PLAIN + text).startswith(f"zparkd.toml:{fault}")


def test_a_name_outside_its_section_is_told_where_it_belongs(main: Path) -> None:
    fault = the_fault(main, "bus_port = 9000\n" + PLAIN)
    assert fault == "zparkd.toml:1: bus_port: unknown section; write bus_port in [listen]"


def test_a_section_that_is_no_table_is_a_fault(main: Path) -> None:
    assert the_fault(main, "bus = 1\n" + PLAIN) == (
        "zparkd.toml:1: bus: 1 is not a section; write [bus]"
    )
    assert the_fault(main, PLAIN + "[[bus]]\n") == (
        "zparkd.toml:6: bus: a list is not a section; write [bus]"
    )


def test_a_missing_required_key_is_a_fault_at_its_table_or_at_line_1(main: Path) -> None:
    security = '[security]\nmode = "plain"\n'
    assert the_fault(main, security + '[central]\nid = "c"\n') == (
        'zparkd.toml:3: central.site: is missing; write site = "lot-a"'
    )
    main.write_text(security)
    put(main, "peers.d/p.toml", "\n")
    put(main, "edges.d/e.toml", "")
    assert faults(main) == [
        'zparkd.toml:1: central.id: is missing; write id = "central-1"',
        'zparkd.toml:1: central.site: is missing; write site = "lot-a"',
        'edges.d/e.toml:1: id: is missing; write id = "edge-1"',
        'peers.d/p.toml:1: id: is missing; write id = "central-2"',
        'peers.d/p.toml:1: address: is missing; write address = "192.168.1.102"',
    ]


def test_the_nearest_time_zone_is_named(main: Path) -> None:
    text = PLAIN.replace("[sec", 'timezone = "Asia/Ho_Chi_Min"\n[sec')
    assert the_fault(main, text).endswith('write "Asia/Ho_Chi_Minh"')


# --- values that don't go together


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("sync_port = 9000", ["7: listen.sync_port: 9000 is bus_port too; "]),
        ("edge_port = 9001", ["7: listen.edge_port: 9001 is sync_port too; "]),
        ("sync_port = 9002", ["7: listen.edge_port: 9002 is sync_port too; "]),
        ("bus_port = 65534", ["7: listen.edge_port: the default, bus_port + 2, is 65536, "]),
        (
            "bus_port = 65535",
            [
                "7: listen.sync_port: the default, bus_port + 1, is 65536, ",
                "7: listen.edge_port: the default, bus_port + 2, is 65537, ",
            ],
        ),
        ("bus_port = 0", ["7: listen.bus_port: 0 is not a port; "]),
    ],
)
def test_listen_ports_are_three_different_ones(
    main: Path, listen: str, expected: list[str]
) -> None:
    main.write_text(PLAIN + f"[listen]\n{listen}\n")
    found = faults(main)
    assert len(found) == len(expected)
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(f"zparkd.toml:{start}")


def test_a_control_path_may_have_107_bytes_as_resolved(main: Path) -> None:
    room = 107 - len(os.fsencode(main.parent)) - 1
    if room < 1:
        pytest.skip("the temporary directory has a long name itself")
    main.write_text(PLAIN + f'[listen]\ncontrol = "{"c" * room}"\n')
    assert len(str(load(main).listen.control)) == 107
    fault = the_fault(main, PLAIN + f'[listen]\ncontrol = "{"c" * (room + 1)}"\n')
    assert fault.startswith("zparkd.toml:7: listen.control: ")
    assert fault.endswith(" has 108 bytes; write a path of at most 107")


def test_an_id_in_two_files_is_a_fault_that_names_both(main: Path) -> None:
    put(main, "peers.d/a.toml", "# first\n" + PEER)
    put(main, "peers.d/b.toml", PEER)
    put(main, "edges.d/a.toml", 'id = "e"')
    put(main, "edges.d/B.toml", 'id = "e"')
    assert faults(main) == [
        f'edges.d/a.toml:1: id: "e" is the id in {main.parent}/edges.d/B.toml:1 too;'
        " write each id once",
        f'peers.d/b.toml:1: id: "central-2" is the id in {main.parent}/peers.d/a.toml:2 too;'
        " write each id once",
    ]


def test_a_peer_and_an_edge_may_share_an_id(main: Path) -> None:
    put(main, "peers.d/a.toml", PEER)
    put(main, "edges.d/a.toml", 'id = "central-2"')
    assert load(main).lanes[0].id == load(main).peers[0].id


def test_a_peer_with_this_centrals_own_id_is_a_fault(main: Path) -> None:
    put(main, "peers.d/a.toml", PEER.replace("central-2", "central-1"))
    assert faults(main) == [
        'peers.d/a.toml:1: id: "central-1" is this central\'s own id;'
        " write the peer's, or remove the file"
    ]


# --- security


CURVE = PLAIN.replace("plain", "curve") + 'secret_key_file = "central.key"\n'
OTHER_KEY = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"


def keyed(main: Path, mode: int = 0o600, content: bytes | None = None) -> Path:
    """A secret key file beside the main one; its path."""
    file = main.parent / "central.key"
    file.write_bytes(zmq.curve_keypair()[1] + b"\n" if content is None else content)
    file.chmod(mode)
    return file


def key_fault(main: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        secret_key(load(main))
    (fault,) = refused.value.faults
    assert fault.key == "security.secret_key_file"
    return fault.text


def test_curve_is_the_default_and_its_key_is_read(main: Path) -> None:
    main.write_text(CURVE.replace('mode = "curve"\n', ""))
    file = keyed(main)
    assert load(main).security.mode is SecurityMode.CURVE
    assert secret_key(load(main)) == file.read_bytes().strip()


def test_plain_mode_needs_no_key(main: Path) -> None:
    main.write_text(PLAIN + 'secret_key_file = "central.key"\n')
    assert secret_key(load(main)) is None


def test_in_curve_mode_each_peer_and_edge_needs_a_key(main: Path) -> None:
    main.write_text(CURVE)
    put(main, "peers.d/a.toml", 'id = "a"\naddress = "10.0.0.1"')
    put(main, "edges.d/b.toml", 'id = "b"\nnext_public_key = "' + KEY + '"')
    text = 'public_key: is missing, and mode is curve; write public_key = "..." with what'
    assert [fault.split(" `")[0] for fault in faults(main)] == [
        f"edges.d/b.toml:1: {text}",
        f"peers.d/a.toml:1: {text}",
    ]


def test_no_two_may_have_the_same_key(main: Path) -> None:
    main.write_text(CURVE)
    put(main, "peers.d/a.toml", f'id = "a"\naddress = "10.0.0.1"\npublic_key = "{KEY}"')
    put(main, "edges.d/b.toml", f'id = "b"\npublic_key = "{OTHER_KEY}"\nnext_public_key = "{KEY}"')
    (fault,) = faults(main)
    assert fault.startswith("edges.d/b.toml:3: next_public_key: is the public_key in ")
    assert "peers.d/a.toml:3 too" in fault


def test_a_key_that_is_none_is_not_repeated(main: Path) -> None:
    main.write_text(CURVE)
    secret = "x" * 39
    put(main, "peers.d/a.toml", f'id = "a"\naddress = "10.0.0.1"\npublic_key = "{secret}"')
    (fault,) = faults(main)
    assert "is no public key" in fault
    assert secret not in fault


def test_without_a_key_file_the_command_that_makes_one_is_told(main: Path) -> None:
    main.write_text(CURVE.replace('secret_key_file = "central.key"\n', ""))
    file = main.parent / "central.key"
    assert f"zparkctl keygen {file}" in key_fault(main)
    main.write_text(CURVE)
    assert key_fault(main) == f"{file}: no such file; make it: zparkctl keygen {file}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_key_that_its_owner_and_group_read_is_taken(main: Path, mode: int) -> None:
    main.write_text(CURVE)
    keyed(main, mode)
    assert secret_key(load(main)) is not None


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o601, 0o620, 0o660, 0o666])
def test_a_key_that_others_can_read_or_change_is_refused(main: Path, mode: int) -> None:
    main.write_text(CURVE)
    keyed(main, mode)
    assert f"has mode {mode:04o}: others could read or change it; chmod 600" in key_fault(main)


@pytest.mark.parametrize("content", [b"", b"no key", b"x" * 41, b"\xff" * 40])
def test_what_is_no_secret_key_is_refused_and_not_repeated(main: Path, content: bytes) -> None:
    main.write_text(CURVE)
    keyed(main, content=content)
    text = key_fault(main)
    assert "no secret key" in text
    assert not content or content.decode("latin-1") not in text


def test_the_key_comes_from_systemd_where_none_is_named(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main.write_text(CURVE.replace('secret_key_file = "central.key"\n', ""))
    credentials = main.parent / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert "is missing" in key_fault(main)
    keyed(main, 0o400).rename(credentials / "central.key")
    assert secret_key(load(main)) == (credentials / "central.key").read_bytes().strip()


def test_a_central_whose_own_key_is_that_of_another_is_refused(main: Path) -> None:
    main.write_text(CURVE)
    own = zmq.curve_public(keyed(main).read_bytes().strip()).decode()
    put(main, "peers.d/a.toml", f'id = "a"\naddress = "10.0.0.1"\npublic_key = "{own}"')
    assert "holds the key of a too" in key_fault(main)


def test_plain_mode_beyond_loopback_is_a_fault_at_each_address(main: Path) -> None:
    main.write_text(PLAIN + '[listen]\naddress = "0.0.0.0"')
    put(main, "peers.d/a.toml", 'id = "a"\naddress = "192.168.1.102"')
    put(main, "peers.d/b.toml", 'id = "b"\n\naddress = "gate.lan"')
    put(main, "peers.d/c.toml", 'id = "c"\naddress = "LOCALHOST"')
    hint = "write a loopback address such as 127.0.0.1, or allow_insecure = true in [security]"
    why = "mode plain protects nothing and"
    assert faults(main) == [
        f"zparkd.toml:7: listen.address: {why} 0.0.0.0 is not loopback; {hint}",
        f"peers.d/a.toml:2: address: {why} 192.168.1.102 is not loopback; {hint}",
        f"peers.d/b.toml:3: address: {why} gate.lan is not loopback; {hint}",
    ]


# --- files that can't be read


def test_a_missing_main_file_has_line_0(tmp_path: Path) -> None:
    for main in (tmp_path / "no.toml", tmp_path / "no" / "no.toml"):
        assert faults(main) == [
            "no.toml:0: file: no such file or directory;"
            " make it: sudo zparkctl setup, or name another: -c FILE"
        ]


def test_a_directory_or_fifo_in_place_of_a_file_has_line_0(main: Path) -> None:
    (main.parent / "peers.d" / "a.toml").mkdir(parents=True)
    (main.parent / "edges.d").mkdir()
    os.mkfifo(main.parent / "edges.d" / "a.toml")
    text = "file: not a regular file; make it a text file that zparkd may read"
    assert faults(main) == [f"edges.d/a.toml:0: {text}", f"peers.d/a.toml:0: {text}"]


def test_a_file_in_place_of_a_directory_has_line_0(main: Path) -> None:
    put(main, "peers.d", "")
    assert faults(main) == [
        "peers.d:0: file: not a directory; make it a directory that zparkd may read"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_has_line_0(main: Path) -> None:
    put(main, "peers.d/a.toml", PEER).chmod(0)
    assert faults(main)[0].startswith("peers.d/a.toml:0: file: permission denied; ")


def test_a_refused_open_has_line_0(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert faults(main) == [
        "zparkd.toml:0: file: permission denied; make it a text file that zparkd may read"
    ]


def test_a_link_to_nowhere_among_the_peers_has_line_0(main: Path) -> None:
    (main.parent / "peers.d").mkdir()
    (main.parent / "peers.d" / "a.toml").symlink_to("nowhere")
    assert faults(main)[0].startswith("peers.d/a.toml:0: file: no such file or directory; ")


def test_a_file_that_is_not_utf8_has_line_0(main: Path) -> None:
    main.write_bytes(PLAIN.encode() + b"# caf\xe9\n")
    assert faults(main) == [
        f"zparkd.toml:0: file: byte {len(PLAIN) + 5} is not UTF-8; save the file as UTF-8"
    ]


def test_a_file_too_large_has_line_0(main: Path) -> None:
    main.write_text(PLAIN + "#" * (1 << 20))
    assert faults(main)[0].startswith("zparkd.toml:0: file: larger than 1048576 bytes; ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[central\n", 1),
        (PLAIN + "bus_port 9000\n", 6),
        (PLAIN + "a = 1\na = 2\n", 7),
        (PLAIN + "\r\n[central]\r\n", 7),
        (PLAIN + 'a = """\n\n', 7),
        (PLAIN + "a = [\n  1,\n  2,\n", 8),
        ("a = " + "9" * 5000, 1),
        ("a = " + "[" * 100_000, 1),
        ("a = 2020-13-01\n", 1),
        ("\ufeff[central]", 1),
    ],
)
def test_a_syntax_fault_has_the_line_tomllib_tells(main: Path, text: str, line: int) -> None:
    main.write_bytes(text.encode())
    (fault,) = faults(main)
    assert fault.startswith(f"zparkd.toml:{line}: syntax: ")
    assert "; " in fault


def test_a_file_name_can_not_break_the_line_of_its_fault(main: Path) -> None:
    folder = main.parent / "peers.d"
    folder.mkdir()
    (folder / "a\n\x1b.toml").write_text("x")
    with open(os.fsencode(folder) + b"/b\xff.toml", "w") as file:
        file.write("x")
    first, second = faults(main)
    assert first.startswith("peers.d/a\\n\\x1b.toml:1: syntax: ")
    assert second.startswith("peers.d/b\\udcff.toml:1: syntax: ")


# --- all faults at once


def test_all_faults_of_all_files_come_at_once_in_order(main: Path) -> None:
    main.write_text('[listen]\nbus_port = 0\nedge_port = "x"\n[central]\nid = "c"\nsit = "lot-a"\n')
    put(main, "peers.d/b.toml", "id = ")
    put(main, "peers.d/a.toml", 'address = "a b"\n')
    put(main, "edges.d/z.toml", "[x")
    assert [fault.split(": ")[0:2] for fault in faults(main)] == [
        ["zparkd.toml:2", "listen.bus_port"],
        ["zparkd.toml:3", "listen.edge_port"],
        ["zparkd.toml:4", "central.site"],
        ["zparkd.toml:6", "central.sit"],
        ["edges.d/z.toml:1", "syntax"],
        ["peers.d/a.toml:1", "id"],
        ["peers.d/a.toml:1", "address"],
        ["peers.d/a.toml:1", "public_key"],
        ["peers.d/b.toml:1", "syntax"],
    ]


def test_peers_are_checked_also_where_the_main_file_is_missing(tmp_path: Path) -> None:
    put(tmp_path / "no.toml", "peers.d/a.toml", "x = 1\n" + PEER)
    assert [fault.split(": ")[:2] for fault in faults(tmp_path / "no.toml")] == [
        ["no.toml:0", "file"],
        ["peers.d/a.toml:1", "x"],
    ]


def contents() -> st.SearchStrategy[bytes]:
    """Any bytes, and TOML that comes near to a configuration."""
    keys = ["central", "id", "site", "timezone", "listen", "address", "bus_port", "control"]
    keys += ["storage", "path", "bus", "heartbeat_s", "security", "mode", "public_key", '"\\n"']
    values = ['"plain"', '"central-1"', '"127.0.0.1"', "65535", "-1", "1e400", "nan", "true"]
    values += ['"\\u0000"', '""', "{}", "[[{a=1}]]", "0x" + "f" * 9999, "1979-05-27", f"'{KEY}'"]
    key, value = st.sampled_from(keys), st.sampled_from(values)
    line = st.one_of(
        key.map("[{}]".format),
        st.tuples(key, value).map(" = ".join),
        st.builds("{}.{} = {}".format, key, key, value),
        st.builds("{} = '{}'".format, key, st.text(max_size=8)),
    )
    likely = st.lists(line, max_size=8).map("\n".join).map(str.encode)
    return st.one_of(st.binary(max_size=64), likely, likely.map(PLAIN.encode().__add__))


MAYBE = st.none() | contents()


@given(MAYBE, MAYBE, MAYBE, MAYBE)
def test_no_bytes_in_any_file_raise_anything_but_config_error(
    main: bytes | None, peer: bytes | None, second: bytes | None, edge: bytes | None
) -> None:
    names = ("zparkd.toml", "peers.d/a.toml", "peers.d/b.toml", "edges.d/a.toml")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zparkd.toml")
        for name, raw in zip(names, (main, peer, second, edge), strict=True):
            if raw is not None:
                put(path, name, raw)
        found: tuple[Fault, ...] = ()
        try:
            config = load(path)
        except ConfigError as error:
            found, config, text = error.faults, None, str(error)
        assert (config is None) == bool(found)
        for fault in found:
            lines = fault.file.read_bytes().count(b"\n") + 1 if fault.file.exists() else 0
            assert 0 <= fault.line <= lines
        if found:
            assert len(text.splitlines()) == len(found)


# --- a reload


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text.replace("central-1", "c-9"), ["2: central.id: "]),
        (lambda text: text.replace("lot-a", "lot-z"), ["3: central.site: "]),
        (lambda text: text + '[storage]\npath = "z.db"', ["7: storage.path: "]),
        (
            lambda text: text.replace("central-1", "c-9").replace("lot-a", "z"),
            ["2: central.id: ", "3: central.site: "],
        ),
        (lambda text: text + "[listen]\nbus_port = 7000\n[bus]\nheartbeat_s = 2", []),
    ],
)
def test_a_reload_is_refused_by_the_name_of_what_needs_a_restart(
    main: Path, change: Callable[[str], str], expected: list[str]
) -> None:
    running = load(main)
    main.write_text(change(PLAIN))
    found = [str(fault) for fault in restart_faults(running, load(main))]
    assert len(found) == len(expected)
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(f"{main}:{start}")
        assert "; restart to apply it" in fault


def test_the_text_of_a_refused_reload_names_both_values(main: Path) -> None:
    running = load(main)
    main.write_text(PLAIN.replace("lot-a", "lot-z"))
    (fault,) = restart_faults(running, load(main))
    assert fault.text == (
        '"lot-z" is not what the running daemon has, "lot-a";'
        " restart to apply it, or write the old value"
    )


def test_where_keys_stand_makes_no_difference_between_configurations(main: Path) -> None:
    before = load(main)
    main.write_text("# moved\n" + PLAIN)
    assert load(main) == before
    assert load(main).fault("central.site", "").line == 4


# --- lines


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # much of it is no TOML
@given(st.one_of(contents(), st.text("a.=[]{}\"'\\#,\n 1", max_size=40).map(str.encode)))
def test_every_key_of_any_toml_is_found(raw: bytes) -> None:
    try:
        text = raw.decode().replace("\r\n", "\n")
        table = tomllib.loads(text)
    except ValueError:
        assume(False)
    lines = key_lines(text)
    for name, value in table.items():
        assert (name,) in lines
        for key in value if isinstance(value, dict) else ():
            assert (name, key) in lines
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def test_keys_are_found_however_they_are_written() -> None:
    text = '''# [no]
title.a = 1 # no = 1
"quoted key"."b.c" = """
no = 1
[no]
"""""
'lit' = \'\'\'
[no]\'\'\'
"esc\\u0041" = "a # \\" b"
list = [ # [no
  { x = [1, "]"], y = 2 },
  [ "a = 1" ], { z = { deep = 1 } },
]
inline = { k = 1, l.m = "}", n = [] }

[ listen ] # comment
bus_port=1
  sync_port = 1979-05-27 07:32:00
[listen . "sub"]
deep = 1
[[many]]
one = 1.5
[[many]]
two = ''
'''
    lines = key_lines(text)
    assert {".".join(place): line for place, line in lines.items()} == {
        "title": 2,
        "title.a": 2,
        "quoted key": 3,
        "quoted key.b.c": 3,
        "lit": 7,
        "escA": 9,
        "list": 10,
        "list.x": 11,
        "list.y": 11,
        "list.z": 12,
        "inline": 14,
        "inline.k": 14,
        "inline.l": 14,
        "inline.n": 14,
        "listen": 16,
        "listen.bus_port": 17,
        "listen.sync_port": 18,
        "listen.sub": 19,
        "many": 21,
        "many.one": 22,
        "many.two": 24,
    }


@pytest.mark.parametrize("name", ["Asia/Hanoi", "Hanoi", "Asia/Ha_Noi", "Vietnam", "Asia/HCM"])
def test_what_people_of_vietnam_write_suggests_its_zone(main: Path, name: str) -> None:
    main.write_text(f'[central]\nid = "a"\nsite = "b"\ntimezone = "{name}"\n')
    found = [fault for fault in faults(main) if "timezone" in fault]
    assert len(found) == 1
    assert found[0].endswith('write "Asia/Ho_Chi_Minh"')
