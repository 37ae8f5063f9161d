"""`/api/members`: who belongs to the site, an invitation as text and QR code, and a removal."""

from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import PATIENCE_S, zparkctl
from tests.web.conftest import MakeSite
from zparkd.config.load import SecurityMode
from zparkd.core.members.token import decode
from zparkd.testbed.loopback import LoopbackCentral, wait_for


def test_without_keys_there_is_nothing_to_invite_to(gateway: Gateway) -> None:
    answer = gateway.http.post("/api/members/invite", json={"member": "central-2"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "plain"


@pytest.mark.parametrize(
    "fields",
    [{}, {"member": "No"}, {"member": "a", "hours": 0}, {"member": "a", "role": "boss"}],
)
def test_a_bad_invitation_is_refused_by_its_field(
    gateway: Gateway, fields: dict[str, object]
) -> None:
    answer = gateway.http.post("/api/members/invite", json=fields)
    assert answer.status_code == 400


def test_who_is_invited_at_the_page_joins_and_is_removed_there(
    make_site: MakeSite, tmp_path: Path
) -> None:
    (first,) = make_site(1, mode=SecurityMode.CURVE).centrals
    first.start()
    second = LoopbackCentral(tmp_path / "second", "central-9", mode=SecurityMode.CURVE)
    with Gateway(first) as gateway:
        answer = gateway.http.post("/api/members/invite", json={"member": "central-9"})
        assert answer.status_code == 200, answer.text
        given = answer.json()
        assert decode(given["token"]).member == "central-9"
        assert (given["qr"]["side"] - 17) % 4 == 0  # as QR codes are
        listed = gateway.get("/api/members").json()
        assert [one["member"] for one in listed["invitations"]] == ["central-9"]
        done = zparkctl(second.config, "join", given["token"])
        assert done.returncode == 0, done.stderr
        listed = gateway.get("/api/members").json()
        assert listed["invitations"] == []
        rows = {row["id"]: row for row in listed["centrals"]}
        assert rows["central-9"]["public_key"] == second.public_key
        # It is a member for all centrals, and not this one's to change as a peer.
        wait_for(
            "it is a peer",
            lambda: gateway.get("/api/p2p/config").json()["config"]["peer_centrals"],
            PATIENCE_S,
        )
        config = gateway.get("/api/p2p/config").json()["config"]
        answer = gateway.http.put("/api/p2p/config", json={**config, "peer_centrals": []})
        assert answer.status_code == 409
        assert "zparkctl member remove central-9" in answer.json()["error"]["message"]
        answer = gateway.http.post("/api/members/remove", json={"member": "central-9"})
        assert answer.status_code == 200, answer.text
        wait_for("its file is gone", lambda: not first.peer_file("central-9").exists(), PATIENCE_S)
