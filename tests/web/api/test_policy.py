"""`/api/policy`: what is set is what counts, every default shown, and every fault with its line."""

import json

import pytest

from tests.support.gateway import Gateway
from zparkd.core.policy import Policy, whole_document
from zparkd.testbed.loopback import zparkctl

TOML = '[entry]\nfull = "refuse"\n[watch]\n"29A-123.45" = "stolen"\n'


def put(gateway: Gateway, text: str):
    return gateway.http.put("/api/policy", content=text.encode())


def test_a_policy_is_set_seen_and_the_same_on_the_command_line(gateway: Gateway) -> None:
    first = gateway.get("/api/policy").json()
    assert (first["version"], first["set_by"], first["set_at"]) == (None, None, None)
    assert first["policy"] == whole_document(Policy())

    set_ = put(gateway, TOML).json()
    assert (set_["version"], set_["set_by"]) == (1, "central-1")
    assert set_["policy"]["entry"] == {"full": "refuse", "not_taken_after_s": 120}
    assert set_["policy"]["watch"] == {"29A12345": "stolen"}
    assert gateway.get("/api/policy").json() == set_
    told = json.loads(zparkctl(gateway.central.config, "policy", "show", "--json"))
    assert (told["version"], told["policy"]) == (1, set_["policy"])

    again = put(gateway, set_["toml"]).json()
    assert put(gateway, json.dumps(again["policy"])).json() == again, "the same is no news"
    third = put(gateway, "").json()
    assert third["policy"] == whole_document(Policy())
    assert third["version"] > again["version"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[entry", "1: document: is not TOML"),
        ('{"entry": [', "is not JSON"),
        ('[entry]\nfull = "maybe"\n', "2: entry.full"),
        ("[entri]\n", "write entry"),
        ('[watch]\n"?" = "x"\n', "2: watch.?"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_changes_nothing(
    gateway: Gateway, text: str, said: str
) -> None:
    before = gateway.get("/api/policy").json()
    answer = put(gateway, text)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_document")
    assert said in answer.json()["error"]["message"]
    assert gateway.get("/api/policy").json() == before


def test_a_policy_is_judged_without_being_set(gateway: Gateway) -> None:
    before = gateway.get("/api/policy").json()
    judged = gateway.http.post("/api/policy/check", content=TOML.encode()).json()
    assert judged["policy"]["entry"] == {"full": "refuse", "not_taken_after_s": 120}
    refused = gateway.http.post("/api/policy/check", content=b'[entry]\nfull = "maybe"\n')
    assert (refused.status_code, len(refused.json()["faults"])) == (422, 1)
    assert gateway.get("/api/policy").json() == before
