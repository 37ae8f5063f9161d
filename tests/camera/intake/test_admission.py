"""Who may send messages for a lane."""

from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.camera.rig import Bridge
from tests.support.examples import examples
from zparkd.camera.config import LaneConfig, load
from zparkd.camera.digest import authorization
from zparkd.camera.intake.admission import Admission, Asked
from zparkd.camera.secret_files import Secret

ASKED = Asked("192.168.1.64", "POST", "/in-1?channel=1", {}, {})


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> LaneConfig:
    bridge = Bridge(tmp_path_factory.mktemp("camera") / "camera")
    bridge.lane("in-1", ["tcp://127.0.0.1:9002"], allow=["192.168.1.0/24", "fd00::/8"])
    return load(bridge.config).lanes[0]


def with_secret(lane: LaneConfig, secret: Secret, allow: bool = False) -> LaneConfig:
    return replace(lane, secret=secret, allow=lane.allow if allow else ())


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("192.168.1.64", True),
        ("::ffff:192.168.1.64", True),
        ("fd00::1", True),
        ("192.168.2.64", False),
        ("127.0.0.1", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_only_the_addresses_of_the_lane_may_send(
    lane: LaneConfig, address: str, good: bool
) -> None:
    assert Admission().admits(lane, replace(ASKED, address=address)) is good


def test_what_a_header_says_of_where_it_came_from_is_nothing(lane: LaneConfig) -> None:
    forged = {"x-forwarded-for": "192.168.1.64", "forwarded": "for=192.168.1.64"}
    assert not Admission().admits(lane, replace(ASKED, address="10.0.0.1", headers=forged))


def test_where_address_and_secret_are_asked_for_both_must_be_good(lane: LaneConfig) -> None:
    both = with_secret(lane, Secret(None, "open-sesame"), allow=True)
    good = replace(ASKED, query={"secret": "open-sesame"})
    assert Admission().admits(both, good)
    assert not Admission().admits(both, ASKED)
    assert not Admission().admits(both, replace(good, address="10.0.0.1"))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer open-sesame"},
        {"authorization": "Token open-sesame"},
        {"x-secret": "open-sesame"},
        {"authorization": "Basic " + b64encode(b"anybody:open-sesame").decode()},
    ],
)
def test_a_secret_may_come_in_any_header_that_cameras_know(
    lane: LaneConfig, headers: dict[str, str]
) -> None:
    asked = replace(ASKED, headers=headers)
    assert Admission().admits(with_secret(lane, Secret(None, "open-sesame")), asked)
    assert not Admission().admits(with_secret(lane, Secret(None, "open-sesamE")), asked)


def test_a_user_that_the_file_names_must_be_the_one_who_asks(lane: LaneConfig) -> None:
    ours = with_secret(lane, Secret("camera", "open-sesame"))
    for user, good in ((b"camera", True), (b"admin", False)):
        said = "Basic " + b64encode(user + b":open-sesame").decode()
        assert Admission().admits(ours, replace(ASKED, headers={"authorization": said})) is good


def test_digest_is_admitted_with_our_nonce_alone(lane: LaneConfig) -> None:
    ours, admission = with_secret(lane, Secret("camera", "open-sesame")), Admission()

    def asked(challenge: str, password: str = "open-sesame", user: str = "camera") -> Asked:
        said = authorization(challenge, user, password, "POST", "/in-1?channel=1")
        assert said is not None
        return replace(ASKED, headers={"authorization": said})

    assert admission.admits(ours, asked(admission.challenge()))
    assert not admission.admits(ours, asked(admission.challenge(), "guessed"))
    assert not admission.admits(ours, asked(admission.challenge(), user="admin"))
    assert not admission.admits(ours, asked(Admission().challenge()))
    elsewhere = replace(asked(admission.challenge()), target="/out-1")
    assert not admission.admits(ours, elsewhere)


@examples(40)
@given(said=st.text(max_size=60) | st.builds("Digest {}".format, st.text(max_size=60)))
def test_whatever_is_said_nobody_gets_in_by_it(lane: LaneConfig, said: str) -> None:
    headers = {"authorization": said, "x-secret": said}
    asked = replace(ASKED, headers=headers, query={"secret": said})
    assert not Admission().admits(with_secret(lane, Secret("camera", "open-sesame")), asked)


@pytest.mark.programs
def test_an_outsider_is_refused_and_counted_and_opens_nothing(bridge: Bridge, folder: Path) -> None:
    file = folder / "secret"
    file.write_text("camera:open-sesame\n")
    file.chmod(0o600)
    bridge.lane("in-1", ["tcp://127.0.0.1:1"], allow=["10.1.2.3"])
    bridge.lane("in-2", ["tcp://127.0.0.1:1"], secret_file=str(file), dry_run=True)
    bridge.start()
    forged = {"X-Forwarded-For": "10.1.2.3"}
    assert bridge.send("in-1", b"<a/>", headers=forged)[0] == 403
    assert bridge.send("in-2", b"<a/>")[0] == 401
    assert bridge.send("in-2", b"<a/>", headers={"X-Secret": "open-sesame"})[0] == 400
    assert bridge.send("in-3", b"<a/>")[0] == 404
    assert bridge.send("in-2", b"", headers={"X-Secret": "open-sesame"}, method="GET")[0] == 200
    shown = bridge.status()
    assert (shown["in-1"]["denied"], shown["in-2"]["denied"]) == (1, 1)
    assert (shown["in-1"]["messages"], shown["in-2"]["messages"]) == (0, 1)
