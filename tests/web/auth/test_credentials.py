"""What is kept of passwords, also by earlier versions."""

import hashlib
import os
from pathlib import Path

import orjson
import pytest

from tests.support.gateway import Gateway
from tests.web.auth.test_access import PASSWORD, add_user, client, log_in
from tests.web.conftest import MakeSite
from zparkd.web.auth.credentials import FILE, Role, fits, hashed


def old_form(password: str) -> str:
    """As zparkd 0.1.0 kept it."""
    salt = os.urandom(16)
    digest = hashlib.scrypt(
        password.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 2**20, dklen=32
    )
    return f"scrypt${2**15}$8${salt.hex()}${digest.hex()}"


@pytest.mark.parametrize("form", [hashed, old_form])
@pytest.mark.parametrize("also_old", [False, True])
def test_a_password_fits_itself_alone(form, also_old: bool) -> None:
    kept = form(PASSWORD)
    assert PASSWORD not in kept
    assert kept != form(PASSWORD)
    assert fits(PASSWORD, kept, also_old=also_old)
    assert not fits(PASSWORD + " ", kept, also_old=also_old)
    assert not fits("", kept, also_old=also_old)


@pytest.mark.parametrize(
    "kept", ["", "plain", "$argon2id$", "scrypt$32768$8$", "đ", "$7$", "\ud800"]
)
@pytest.mark.parametrize("also_old", [False, True])
def test_nothing_fits_what_is_no_hash(kept: str, also_old: bool) -> None:
    assert not fits("", kept, also_old=also_old)
    assert not fits(kept, kept, also_old=also_old)


def kept_of(folder: Path, name: str) -> str:
    users = orjson.loads((folder / FILE).read_bytes())["users"]
    return next(user["password"] for user in users if user["name"] == name)


def test_who_an_earlier_version_knew_logs_in_and_is_kept_anew(make_site: MakeSite) -> None:
    with make_site(1) as site:
        site.start()
        [central] = site.centrals
        add_user(central, "lan", Role.ADMIN)
        add_user(central, "minh", Role.VIEWER)
        file = central.folder / FILE
        said = orjson.loads(file.read_bytes())
        for user in said["users"]:
            user["password"] = old_form(PASSWORD)
        file.write_bytes(orjson.dumps(said))
        with Gateway(central) as gateway, client(gateway) as first, client(gateway) as second:
            assert log_in(first, "lan", "wrong").status_code == 401
            assert kept_of(central.folder, "lan").startswith("scrypt$")
            assert log_in(first, "lan").status_code == 200
            assert kept_of(central.folder, "lan").startswith("$argon2id$")
            assert kept_of(central.folder, "minh").startswith("scrypt$")
            assert log_in(second, "lan").status_code == 200
            for browser in (first, second):
                assert browser.get("/api/session").json()["user"] == "lan"
