"""`/metrics`, `/healthz`, `/readyz`, and the rules that alert on them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.gateway import ROOT, Gateway
from tests.support.harness import enter
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import wait_for
from zparkd.web.api.metrics import _escaped, _family

PROMTOOL = shutil.which("promtool")
RULES = ROOT / "etc" / "prometheus" / "zparkd.rules.yml"
needs_promtool = pytest.mark.skipif(
    not PROMTOOL, reason="promtool is missing: apt-get install prometheus"
)


def samples(gateway: Gateway) -> dict[str, float]:
    answer = gateway.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def test_two_centrals_show_each_other(make_site: MakeSite) -> None:
    with make_site(2) as site:
        site.start()
        site.wait_connected()
        here, there = site.centrals
        enter(here, "29A12345")
        enter(there, "29A54321")
        said = {"last_event_ms": 1_795_231_805_000, "reads": 12, "open_p50_ms": 38.0}
        with here.edge("in-9") as controller:
            assert controller.request("PING", {"lane": said | {"silent": True}})["success"]
        site.wait_equal()
        with Gateway(here) as gateway:
            found = samples(gateway)
            assert found["zparkd_up"] == 1
            assert found["zparkd_vehicles_inside"] == 2
            assert found['zparkd_events_total{source="central-1"}'] == 2
            assert found['zparkd_events_total{source="central-2"}'] == 2
            assert found['zparkd_peer_up{peer="central-2"}'] == 1
            assert found['zparkd_peer_lag_events{peer="central-2"}'] == 0
            assert found["zparkd_config_last_reload_successful"] == 1
            assert found['zparkd_edge_last_seen_timestamp_seconds{edge="in-1"}'] > 1.7e9
            assert found['zparkd_lane_last_event_timestamp_seconds{edge="in-9"}'] == 1795231805
            assert found['zparkd_lane_reads_total{edge="in-9"}'] == 12
            assert found['zparkd_lane_open_median_seconds{edge="in-9"}'] == 0.038
            assert found['zparkd_lane_silent{edge="in-9"}'] == 1
            assert found['zparkd_lane_fault{edge="in-9"}'] == 0
            assert not any("29A" in name for name in found)

            there.stop()
            enter(here, "29A00001")
            unacked = 'zparkd_peer_oldest_unacked_timestamp_seconds{peer="central-2"}'
            wait_for("what it lacks", lambda: samples(gateway).get(unacked, 0) > 1.7e9)
            wait_for(
                "it is away", lambda: samples(gateway)['zparkd_peer_up{peer="central-2"}'] == 0
            )

            assert gateway.get("/readyz").status_code == 200
            text = here.config.read_text()
            here.config.write_text(f"{text}\n[nothing]\n")
            wait_for("a bad file", lambda: gateway.get("/readyz").status_code == 503)
            assert "BAD_CONFIG" in gateway.get("/readyz").json()["error"]["message"]
            wait_for(
                "it is counted",
                lambda: samples(gateway)["zparkd_config_last_reload_successful"] == 0,
            )
            here.config.write_text(text)
            wait_for("it is mended", lambda: gateway.get("/readyz").status_code == 200)

            here.stop()
            wait_for("it is seen", lambda: samples(gateway)["zparkd_up"] == 0)
            assert samples(gateway)['zparkd_events_total{source="central-1"}'] == 4
            assert gateway.get("/readyz").status_code == 503
            assert gateway.get("/healthz").json()["status"] == "OK"
            assert gateway.get("/api/parking/history", plate="29A12345").json()["total"] == 1


def test_any_text_is_a_label() -> None:
    assert _escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    assert _family("x", "gauge", "Y.", []) == ""


@needs_promtool
def test_promtool_finds_no_fault_with_the_metrics(gateway: Gateway) -> None:
    enter(gateway.central, "29A12345")
    text = gateway.get("/metrics").text
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    wrong = text.replace("zparkd_messages_sent_total", "zparkd_messages_sent")
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"],
        input=wrong,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0


@needs_promtool
def test_promtool_finds_no_fault_with_the_rules() -> None:
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_metric_that_a_rule_or_a_page_names_exists() -> None:
    source = (ROOT / "zparkd/web/api/metrics.py").read_text()
    made = {f"zparkd_{name}" for name in re.findall(r'_family\(\s*f?"([a-z_{}]+)"', source)}
    made |= {f"zparkd_{name}" for name in ("messages_sent_total", "messages_received_total")}
    for file in (RULES, ROOT / "docs" / "monitoring.md"):
        named = set(re.findall(r"\bzparkd_[a-z_]+", Path(file).read_text("utf-8")))
        assert named
        assert named <= made, named - made
