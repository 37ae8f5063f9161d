"""`[external_api]`: what may be written there, and that nobody else pays for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from zparkd.config.load import ConfigError, ExternalApi, load

MAIN = '[central]\nid = "central-1"\nsite = "lot-a"\n[security]\nmode = "plain"\n'


def loaded(folder: Path, section: str) -> ExternalApi | None:
    file = folder / "zparkd.toml"
    file.write_text(f"{MAIN}{section}")
    return load(file).external_api


def test_without_an_address_there_is_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") is None
    assert loaded(tmp_path, "[external_api]\ninterval_s = 5\n") is None


def test_it_has_defaults_and_a_token_beside_the_configuration(tmp_path: Path) -> None:
    url = "http://192.168.1.10:8080/api"
    assert loaded(tmp_path, f'[external_api]\nurl = "{url}/"\n') == ExternalApi(url, 300, 10, None)
    section = f'[external_api]\nurl = "{url}"\ninterval_s = 1\ntimeout_s = 2\ntoken_file = "t"\n'
    assert loaded(tmp_path, section) == ExternalApi(url, 1, 2, tmp_path / "t")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("192.168.1.10", "is not an HTTP address"),
        ("ftp://host/", "is not an HTTP address"),
        ("http://", "is not an HTTP address"),
        ("http://host:99999/", "is not an HTTP address"),
        ("http://host/a b", "is not an HTTP address"),
        ("http://host/\u1ea1", "is not an HTTP address"),
        ("http://user:secret@host/", "has a user, a query or a fragment"),
        ("http://host/?key=secret", "has a user, a query or a fragment"),
    ],
)
def test_what_is_no_address_is_refused_and_shows_no_secret(
    tmp_path: Path, url: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, f'[external_api]\nurl = "{url}"\n')
    [fault] = refused.value.faults
    assert (fault.line, fault.key) == (7, "external_api.url")
    assert said in fault.text
    assert "secret" not in fault.text


def test_a_daemon_without_one_loads_no_http_library() -> None:
    code = "import sys, zparkd.daemon.main; print('urllib3' in sys.modules, 'ssl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "False"
