"""The real Prometheus and Alertmanager with the files of ops/, on a real server under traffic."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fraud.yamlfile import read_yaml
from needed import needed
from stack.monitoring import AMTOOL, OPS, PROMTOOL, RUNBOOKS, Watched, configured
from waiting import until

RULES = [
    rule
    for path in sorted((OPS / "prometheus/rules").iterdir())
    for group in read_yaml(path)["groups"]
    for rule in group["rules"]
]
WORDS = {
    "absent",
    "and",
    "avg_over_time",
    "histogram_quantile",
    "increase",
    "offset",
    "or",
    "rate",
    "sqrt",
    "sum",
    "time",
    "unless",
}
SECRETS = {
    "ALERT_WEBHOOK": "http://alerts.example.org/it's?a=b#c: d",
    "SLACK_WEBHOOK": "https://hooks.example.org/$A/{b}",
}
EMAIL = {
    "ALERT_EMAIL": "fraud@example.org, night@example.org",
    "ALERT_EMAIL_FROM": "alerts@example.org",
    "SMTP_HOST": "mail.example.org:587",
    "SMTP_USER": "alerts",
    "SMTP_PASSWORD": "'\"$HOME`id`: #",
}


def test_prometheus_reads_the_server_with_the_token_of_a_file_and_the_pushgateway(watched: Watched) -> None:
    targets = watched.prometheus.get("/api/v1/targets", state="active")["activeTargets"]
    assert {one["labels"]["job"]: (one["health"], one["lastError"]) for one in targets} == {
        "fraud-api": ("up", ""),
        "pushgateway": ("up", ""),
    }


def test_prometheus_has_every_prediction_that_the_server_made(watched: Watched) -> None:
    made = watched.server.metric('predictions_total{label="fraud"}')
    until(lambda: watched.prometheus.values('predictions_total{label="fraud"}') == [made])
    assert made > 0


def test_drift_that_the_loop_pushed_reaches_people_with_a_link_to_what_to_do(watched: Watched) -> None:
    def told() -> list[Any]:
        return [one for body in watched.webhook.bodies for one in json.loads(body)["alerts"]]

    until(lambda: "DriftDetected" in {one["labels"]["alertname"] for one in told()})
    alert = next(one for one in told() if one["labels"]["alertname"] == "DriftDetected")
    assert (alert["status"], alert["labels"]["dataset"], alert["labels"]["job"]) == (
        "firing",
        "creditcard",
        "fraud_retrain",
    )
    until(lambda: f"{RUNBOOKS}docs/runbook.md#driftdetected" in str(watched.slack.bodies))


def test_every_rule_asks_for_metrics_that_there_are(watched: Watched) -> None:
    records = {rule["record"] for rule in RULES if "record" in rule}
    there = set(watched.prometheus.get("/api/v1/label/__name__/values")) | records
    for rule in RULES:
        bare = re.sub(r"\b(by|without) \([^)]*\)|\{[^}]*\}|\[\w+\]|\b\d[\d.]*[dhms]?", " ", rule["expr"])
        assert set(re.findall(r"[a-z_]\w*(?::\w+)*", bare)) - WORDS <= there


def test_no_alert_fires_of_a_sound_server_but_those_that_the_loop_caused(watched: Watched) -> None:
    def fired() -> set[str]:
        alerts = watched.prometheus.get("/api/v1/alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    until(lambda: fired() == {"DriftDetected"})  # A failure before the success fires for a moment.


def test_promtool_finds_nothing_wrong_with_the_files(watched: Watched) -> None:
    command = [needed(PROMTOOL, "promtool"), "check", "config", "--lint-fatal", str(watched.files / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_stays_silent_when_it_should() -> None:
    tests = sorted((OPS / "prometheus/tests").iterdir())
    command = [needed(PROMTOOL, "promtool"), "test", "rules", *map(str, tests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    cases = [case for path in tests for test in read_yaml(path)["tests"] for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in RULES if "alert" in rule}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


@pytest.mark.parametrize("rule", [rule for rule in RULES if "alert" in rule], ids=lambda rule: rule["alert"])
def test_each_alert_says_how_bad_it_is_what_it_means_and_where_the_runbook_tells_what_to_do(rule: Any) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (OPS.parent / file).read_text(), flags=re.MULTILINE)
    assert (anchor, rule["alert"]) == (rule["alert"].lower(), next(one for one in headings if one.lower() == anchor))


@pytest.mark.parametrize("given", [{}, SECRETS, EMAIL, SECRETS | EMAIL], ids=["none", "hooks", "email", "all"])
def test_each_setting_adds_a_receiver_and_arrives_as_it_was_given(given: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "alertmanager.yml"
    place.write_text(configured(given))
    subprocess.run([needed(AMTOOL, "amtool"), "check-config", str(place)], capture_output=True, check=True)
    (receiver,) = read_yaml(place)["receivers"]
    found = str([entry for kind in receiver.values() if isinstance(kind, list) for entry in map(dict.values, kind)])
    assert all(repr(value) in found for value in given.values())
    assert receiver.keys() - {"name"} == {
        kind
        for kind, setting in {
            "webhook_configs": "ALERT_WEBHOOK",
            "slack_configs": "SLACK_WEBHOOK",
            "email_configs": "ALERT_EMAIL",
        }.items()
        if setting in given
    }


def test_mail_without_a_host_is_refused_at_the_start() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        configured({"ALERT_EMAIL": "fraud@example.org", "ALERT_EMAIL_FROM": "alerts@example.org"})
    assert "SMTP_HOST: set it to host:port, as ALERT_EMAIL is set" in caught.value.stderr


def test_the_readme_of_ops_names_every_setting_of_alertmanager_and_no_other() -> None:
    script = (OPS / "alertmanager/configure.sh").read_text()
    section = (OPS / "README.md").read_text().partition("## Prometheus, Alertmanager, Grafana\n")[2]
    named = re.findall(r"`([A-Z_]+)`", section)
    assert set(re.findall(r"\$\{?([A-Z][A-Z_]+)", script)) == set(named)
