"""People log in, machines send tokens, and nobody does more than their role may."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import Gateway, account, zparkd_web
from tests.support.harness import QUICK
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for
from zparkd.web.app import TABLE
from zparkd.web.auth.credentials import FILE, Role

PASSWORD = "đường vào bãi xe"


def add_user(central: LoopbackCentral, name: str, role: Role, password: str = PASSWORD) -> None:
    done = account(central, "user", "add", name, "--role", role, said=f"{password}\n")
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def tokens() -> dict[Role, str]:
    return {}


@pytest.fixture(scope="module")
def guarded(tokens: dict[Role, str]) -> Iterator[Gateway]:
    """A gateway that others can reach, with a person and a token of each role."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 1, more=f"allow_insecure = true\n{QUICK}") as site,
    ):
        site.start()
        [central] = site.centrals
        for role in Role:
            add_user(central, role, role)
            made = account(central, "token", "add", f"machine-{role}", "--role", role)
            tokens[role] = made.stdout.strip()
        with Gateway(central, "--host", "0.0.0.0") as gateway:
            yield gateway


def client(gateway: Gateway) -> httpx.Client:
    """Another browser."""
    return httpx.Client(base_url=gateway.url, timeout=30, trust_env=False)


def log_in(browser: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    answer = browser.post("/api/login", json={"user": name, "password": password})
    if answer.status_code == 200:
        browser.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return answer


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


GUARDED = [(method, path, role) for method, path, role, _ in TABLE if role is not None]


@pytest.mark.parametrize(("method", "path", "role"), GUARDED)
def test_nobody_gets_in_without_saying_who(
    guarded: Gateway, method: str, path: str, role: Role
) -> None:
    for headers in ({}, bearer("zpw_wrong"), {"Cookie": "zparkd_session=x"}):
        answer = guarded.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "login_required")
        assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
@pytest.mark.parametrize("role", Role)
def test_a_machine_may_what_its_role_may(
    guarded: Gateway, tokens: dict[Role, str], method: str, path: str, needed: Role, role: Role
) -> None:
    with guarded.http.stream(method, path, headers=bearer(tokens[role])) as answer:
        assert (answer.status_code == 403) is not role.covers(needed)
        assert answer.status_code != 401


def test_a_person_logs_in_acts_and_logs_out(guarded: Gateway) -> None:
    with client(guarded) as browser:
        before = browser.get("/api/session").json()
        assert (before["login_required"], before["user"], before["role"]) == (True, None, "viewer")
        answer = log_in(browser, "operator")
        assert answer.json()["role"] == "operator"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        session = browser.get("/api/session").json()
        assert (session["user"], session["role"]) == ("operator", "operator")
        assert session["csrf"] == browser.headers["X-CSRF-Token"]
        body = {"edge_id": "desk", "plate_id": "29A12345"}
        assert browser.post("/api/edge/detection", json=body).status_code == 200
        assert browser.put("/api/p2p/config", json={}).status_code == 403
        cookie = browser.cookies["zparkd_session"]
        assert browser.post("/api/logout").status_code == 200
        assert browser.get("/api/p2p/status").status_code == 401
        old = guarded.http.get("/api/p2p/status", headers={"Cookie": f"zparkd_session={cookie}"})
        assert old.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_a_session_changes_nothing_without_its_csrf_token(guarded: Gateway, token: str) -> None:
    with client(guarded) as browser:
        log_in(browser, "operator")
        headers = {"X-CSRF-Token": token.encode()}
        for path in ("/api/edge/barrier/open", "/api/logout"):
            answer = browser.post(path, json={"edge_id": "e", "plate_id": "29A1"}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
        assert browser.get("/api/p2p/status").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"user": "operator", "password": "wrong"},
        {"user": "nobody", "password": PASSWORD},
        {"user": "operator", "password": ""},
        {"user": "\x00\n", "password": "\ud800".encode(errors="replace").decode()},
    ],
)
def test_a_wrong_login_says_no_more_than_that(guarded: Gateway, body: dict[str, str]) -> None:
    answer = guarded.http.post("/api/login", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_login")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", ["", "[]", '{"user": 1, "password": []}', "{}"])
def test_a_login_that_is_none_is_refused(guarded: Gateway, body: str) -> None:
    assert guarded.http.post("/api/login", content=body).status_code == 400


def test_who_is_removed_is_out_at_once(guarded: Gateway, tokens: dict[Role, str]) -> None:
    central = guarded.central
    add_user(central, "lan", Role.VIEWER)
    secret = account(central, "token", "add", "screen").stdout.strip()
    with client(guarded) as browser:
        wait_for("lan is known", lambda: log_in(browser, "lan").status_code == 200)
        guarded.http.headers.pop("Authorization", None)
        wait_for(
            "the token is known",
            lambda: guarded.http.get("/api/p2p/status", headers=bearer(secret)).is_success,
        )
        account(central, "user", "remove", "lan")
        account(central, "token", "remove", "screen")
        wait_for("lan is out", lambda: browser.get("/api/p2p/status").status_code == 401)
        assert guarded.http.get("/api/p2p/status", headers=bearer(secret)).status_code == 401


def test_an_open_page_ends_with_its_session(guarded: Gateway) -> None:
    with client(guarded) as browser:
        log_in(browser, "viewer")
        with browser.stream("GET", "/api/stream") as answer:
            lines = answer.iter_lines()
            while not next(lines).startswith("event: status"):
                pass
            assert browser.post("/api/logout").status_code == 200
            assert all(not line.startswith("event: event") for line in lines)


def test_the_file_of_credentials_holds_no_secret_and_is_for_few(
    guarded: Gateway, tokens: dict[Role, str]
) -> None:
    file = guarded.central.folder / FILE
    text = file.read_text()
    assert PASSWORD not in text
    assert all(token not in text for token in tokens.values())
    assert file.stat().st_mode & 0o777 == 0o640
    assert account(guarded.central, "user", "list").stdout.split() == [
        word for role in Role for word in (role, role)
    ]


def test_a_file_of_credentials_that_others_can_read_lets_nobody_in(guarded: Gateway) -> None:
    file = guarded.central.folder / FILE
    with client(guarded) as browser:
        wait_for("a login", lambda: log_in(browser, "viewer").status_code == 200)
        file.chmod(0o644)
        try:
            wait_for("all are out", lambda: browser.get("/api/p2p/status").status_code == 401)
            done = zparkd_web(guarded.central, "--host", "0.0.0.0", "--port", "0")
            assert (done.returncode, "chmod 640" in done.stderr) == (78, True)
        finally:
            file.chmod(0o640)
        wait_for("it is used again", lambda: browser.get("/api/p2p/status").status_code == 200)


def test_guessing_passwords_is_slowed_down_and_a_right_one_then_too(guarded: Gateway) -> None:
    with Gateway(guarded.central) as other:  # whose count begins anew
        # Six at once, and six a minute: a slow machine may check some more before it is refused.
        statuses, answer = [], None
        while 429 not in statuses and len(statuses) < 60:
            answer = other.http.post(
                "/api/login", json={"user": "admin", "password": f"guess {len(statuses)}"}
            )
            statuses.append(answer.status_code)
        assert set(statuses[:6]) == {401}
        assert statuses[-1] == 429
        assert answer is not None
        assert int(answer.headers["retry-after"]) > 0
        right = other.http.post("/api/login", json={"user": "admin", "password": PASSWORD})
        assert right.status_code == 429


def test_no_other_address_without_credentials(gateway: Gateway) -> None:
    for host in ("0.0.0.0", "192.0.2.1"):
        done = zparkd_web(gateway.central, "--host", host, "--port", "0")
        assert done.returncode == 78
        assert "user add NAME --role admin" in done.stderr


def test_nothing_is_spoken_in_clear_beyond_loopback_unless_that_is_allowed(
    make_site: MakeSite,
) -> None:
    [central] = make_site(1).centrals
    add_user(central, "lan", Role.VIEWER)
    done = zparkd_web(central, "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 78
    for way in ("--certificate", "--proxy 127.0.0.1", "allow_insecure = true in [security]"):
        assert way in done.stderr


def test_a_cookie_is_for_https_alone_where_a_known_proxy_says_so(make_site: MakeSite) -> None:
    [central] = make_site(1).centrals
    add_user(central, "lan", Role.VIEWER)
    body = {"user": "lan", "password": PASSWORD}
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    with Gateway(central, "--proxy", "127.0.0.1") as gateway:
        behind = gateway.http.post("/api/login", json=body, headers=said)
        assert "secure" in behind.headers["set-cookie"].lower()
        assert "from 192.0.2.7" in gateway.log.read_text()
        direct = gateway.http.post("/api/login", json=body)
        assert "secure" not in direct.headers["set-cookie"].lower()
    with Gateway(central, "--proxy", "192.0.2.1") as gateway:
        other = gateway.http.post("/api/login", json=body, headers=said)
        assert "secure" not in other.headers["set-cookie"].lower()
        assert "from 127.0.0.1" in gateway.log.read_text()


def test_on_loopback_its_account_is_admin_until_somebody_has_credentials(gateway: Gateway) -> None:
    session = gateway.get("/api/session").json()
    assert session == {
        "success": True,
        "login_required": False,
        "first_login": f"zparkd-web -c {gateway.central.config} user add NAME --role admin",
        "user": None,
        "staff_id": None,
        "role": "admin",
        "csrf": "",
        "central": "central-1",
        "site": "lot-a",
        "timezone": "Asia/Ho_Chi_Minh",
        "language": "vi",
    }
    add_user(gateway.central, "lan", Role.VIEWER)
    wait_for("a login is needed", lambda: gateway.get("/api/p2p/status").status_code == 401)
    (gateway.central.folder / FILE).unlink()
    wait_for(
        "it was read",
        lambda: (
            not gateway.http.post(
                "/api/login", json={"user": "lan", "password": PASSWORD}
            ).is_success
        ),
    )
    assert gateway.get("/api/p2p/status").status_code == 401, "it opens by a restart alone"


@pytest.mark.parametrize(
    ("arguments", "said", "why"),
    [
        (("user", "add", "a b"), PASSWORD, "is no name"),
        (("user", "add", "lan"), "short", "characters"),
        (("user", "add", "lan", "--role", "king"), PASSWORD, "king"),
        (("user", "remove", "nobody"), "", "nobody is not in"),
        (("token", "remove", "nobody"), "", "nobody is not in"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(
    guarded: Gateway, arguments: tuple[str, ...], said: str, why: str
) -> None:
    done = account(guarded.central, *arguments, said=f"{said}\n")
    assert done.exit_code != 0
    assert why in done.stderr


@pytest.mark.parametrize("text", ["{", "[]", '{"users": 1}', json.dumps({"admins": []})])
def test_a_file_that_is_none_of_ours_is_named(guarded: Gateway, tmp_path: Path, text: str) -> None:
    config = tmp_path / "zparkd.toml"
    config.write_text(guarded.central.config.read_text())
    file = tmp_path / FILE
    file.write_text(text)
    file.chmod(0o600)
    copy = LoopbackCentral(tmp_path / "other", "central-1")
    copy.config = config
    done = zparkd_web(copy, "--port", "0")
    assert (done.returncode, str(file) in done.stderr) == (78, True)
