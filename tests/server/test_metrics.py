# SPDX-License-Identifier: Apache-2.0
"""The page of figures: what it counts, who gets it, and that nobody is in it."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from fixtures.district import Local, local_district
from fixtures.wire import Speaker, error_of, household, loose_client
from server.api.watching import is_near


def figures(local: Local) -> dict[str, float]:
    with loose_client(local.url) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        sample.name + "".join(f"|{v}" for v in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_page_counts_what_happened_and_names_nobody(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as local:
        speaker = Speaker(local.url, local.admit("平板一", "team"))
        segment = speaker.feed.segment([household(name="陈桂兰"), household(name="单雄信")])
        speaker.sync(speaker.request(segments=[segment]))
        refused = speaker.send("POST", "/v1/sync", b"\x00")
        assert refused.status_code == 400
        found = figures(local)
        assert found["doorstep_requests_total|/v1/sync|200"] == 1
        assert found["doorstep_requests_total|/v1/sync|400"] == 1
        assert found[f"doorstep_errors_total|{error_of(refused)['code']}"] == 1
        assert found["doorstep_records"] == 2
        assert found["doorstep_runs"] == 1
        assert found["doorstep_commit_seconds_count"] >= 1
        assert found["doorstep_tablets|active"] == 1
        assert found["doorstep_connections"] >= 1
        assert found["doorstep_store_bytes"] > 0
        assert found["doorstep_disk_free_bytes"] > 0
        assert found["doorstep_disk_alarm"] in (0, 1)
        assert found["doorstep_bytes_total|in"] > 0
        with loose_client(local.url) as client:
            text = client.get("/metrics").text
        for word in ("陈桂兰", "单雄信", "平板一", speaker.enrolment.device, "127.0.0.1"):
            assert word not in text
        speaker.client.close()


def test_only_this_machine_gets_it() -> None:
    assert is_near(("127.0.0.1", 4))
    assert is_near(("::1", 4))
    for far in (("192.0.2.7", 4), ("::ffff:192.0.2.7", 4), ("not-an-address", 1), None):
        assert not is_near(far)
