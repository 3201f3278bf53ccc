"""What the tests of the stack share: one server under watch, with real traffic and a loop that has run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from listening import listening
from pushgateway import pushgateway
from s3 import free_port
from servers import ADMIN, Live, Traffic, example, home, running
from stack.monitoring import RUNBOOKS, Watched, alertmanager, prometheus, tell, working_copy
from waiting import until


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A server, Pushgateway, Prometheus and Alertmanager, after some traffic and one round of the loop."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "home").mkdir()
    alerts, port = free_port(), free_port()
    with (
        running(home(folder / "home")) as server,
        pushgateway(folder) as gateway,
        listening() as webhook,
        listening() as slack,
        alertmanager(folder, alerts, {"ALERT_WEBHOOK": webhook.url, "SLACK_WEBHOOK": slack.url, "RUNBOOKS": RUNBOOKS}),
        prometheus(folder, port, addresses(server, gateway, alerts)) as (program, files),
    ):
        until(lambda: program.values('up{job="fraud-api"}') == [1])
        here = Watched(server, gateway, program, files, webhook, slack)
        visit(server)
        run(here, working_copy(folder / "copy"))
        yield here


def addresses(server: Live, gateway: Any, alerts: int) -> dict[str, str]:
    """Return where on loopback the services of the compose file are."""
    return {
        "api:8000": f"127.0.0.1:{server.port}",
        "pushgateway:9091": gateway.address.removeprefix("http://"),
        "alertmanager:9093": f"127.0.0.1:{alerts}",
    }


def visit(server: Live) -> None:
    """Ask for predictions until Prometheus has seen them grow; give labels, make mistakes, reload."""
    payments = example().payments()
    answers = server.post("/predict", {"data": payments}).json["predictions"]
    frauds = [one for one in answers if one["is_fraud"]]
    for one in [*frauds[:10], *answers[:10]]:
        server.post("/feedback", {"id": one["id"], "actual_label": one["is_fraud"]})
    assert server.post("/predict", {"V1": "much"}).status == 422
    assert server.post("/reload-model", token=ADMIN).status == 200
    seen = server.metric("prediction_latency_seconds_count")
    with Traffic(server, payments[0], threads=1) as traffic:
        until(lambda: server.metric("prediction_latency_seconds_count") > seen + 100)
    assert traffic.statuses == {200}


def run(here: Watched, copy: Path) -> None:
    """Let the loop tell of a round, and wait until Prometheus has it."""
    tell(copy, here.gateway, "failed", "looked", "judged", "success")
    until(lambda: here.prometheus.values("retrain_last_success_timestamp_seconds") != [])
    until(lambda: here.prometheus.values('ALERTS{alertname="DriftDetected", alertstate="firing"}') == [1])
