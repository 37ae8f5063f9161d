"""`zparkctl config check` and `config show`: no daemon runs in any of these."""

import re

import orjson

from tests.cli.conftest import Central

PEER = 'id = "central-2"\naddress = "127.0.0.1"\nbus_port = 9200\n'
EDGE = 'id = "edge-1"\ndirection = "ENTRY"\n'


def test_check_of_a_good_configuration_says_what_it_is(central: Central) -> None:
    central.add("peers.d/central-2.toml", PEER)
    done = central.spawn("config", "check")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (f"{central.file}: good: central-1 of site lot-a, 1 peer, 0 edges\n")


def test_check_prints_all_faults_one_a_line_and_exits_78(central: Central) -> None:
    bad_peer = central.add("peers.d/central-2.toml", PEER + 'adress = "x"\n')
    central.write(more='[centrall]\nid = "x"\n')
    done = central.spawn("config", "check")
    assert done.returncode == 78
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert re.match(rf"{re.escape(str(central.file))}:\d+: centrall: .*central", lines[0])
    assert lines[1].startswith(f"{bad_peer}:4: adress: ")


def test_check_with_json_prints_the_faults_on_output_too(central: Central) -> None:
    result = central.run("config", "check", "--json")
    assert orjson.loads(result.stdout) == {
        "success": True,
        "path": str(central.file),
        "faults": [],
        "of_roster": {"peers": [], "edges": []},
        "by_hand": {"peers": [], "edges": []},
    }
    central.file.write_text("[central\n")
    result = central.run("config", "check", "--json")
    assert result.exit_code == 78
    printed = orjson.loads(result.stdout)
    assert printed["success"] is False
    assert printed["faults"] == result.stderr.splitlines()


def test_check_tells_the_files_of_the_roster_from_those_by_hand(central: Central) -> None:
    central.add("peers.d/central-2.toml", PEER)
    mark = "# zparkd roster: kept up to date by the daemon\n"
    other = PEER.replace("central-2", "central-3").replace("9200", "9300")
    central.add("peers.d/central-3.toml", mark + other)
    central.add("edges.d/edge-1.toml", EDGE)
    said = central.run("config", "check").stdout
    assert "2 peers (1 of 2 of the roster), 1 edge\n" in said
    printed = orjson.loads(central.run("config", "check", "--json").stdout)
    assert printed["of_roster"] == {"peers": ["central-3"], "edges": []}
    assert printed["by_hand"] == {"peers": ["central-2"], "edges": ["edge-1"]}


def test_a_missing_file_exits_78_with_line_0(central: Central) -> None:
    central.file.unlink()
    done = central.spawn("config", "check")
    assert done.returncode == 78
    assert done.stderr.startswith(f"{central.file}:0: ")


def test_a_named_file_wins_over_the_environment(central: Central) -> None:
    other = central.add("other.toml", "[central\n")
    assert central.spawn("config", "check", ZPARKD_CONFIG=str(other)).returncode == 0


def test_show_fills_in_the_defaults(central: Central) -> None:
    central.add("peers.d/central-2.toml", PEER)
    central.add("edges.d/edge-1.toml", EDGE)
    printed = orjson.loads(central.run("config", "show", "--json").stdout)
    assert printed["central"] == {
        "id": "central-1",
        "site": "lot-a",
        "timezone": "Asia/Ho_Chi_Minh",
    }
    assert printed["listen"]["bus_port"] == 9000
    assert printed["storage"]["path"] == str(central.database)
    assert printed["security"] == {
        "mode": "plain",
        "allow_insecure": True,
        "secret_key_file": None,
        "known_keys": {},
    }
    assert [peer["sync_port"] for peer in printed["peers"]] == [9201]
    assert printed["edges"] == [
        {
            "id": "edge-1",
            "direction": "ENTRY",
            "camera_type": None,
            "reports_close": False,
            "public_key": None,
            "next_public_key": None,
        }
    ]


def test_show_for_people_has_nothing_blank(central: Central) -> None:
    central.add("peers.d/central-2.toml", PEER)
    text = central.run("config", "show").stdout
    lines = [re.split(r"  +", line) for line in text.splitlines()]
    assert ["central.timezone", "Asia/Ho_Chi_Minh"] in lines
    assert ["security.secret_key_file", "none"] in lines
    assert ["ID", "ADDRESS", "BUS PORT", "SYNC PORT", "PUBLIC KEY", "NEXT PUBLIC KEY"] in lines
    assert ["central-2", "127.0.0.1", "9200", "9201", "none", "none"] in lines
    assert ["edges: none"] in lines
