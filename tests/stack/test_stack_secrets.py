"""Secrets are planted, each another one, all that has to do with them is run, well and badly, and all is searched."""

import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg
import pytest

import github
from examples import ROOT
from mlflow_server import python
from postgres import PROGRAMS, Postgres, database
from proposals import Loop, beside_github
from repositories import ENVIRONMENT, small
from s3 import SECRET, Server, free_port, serving
from servers import example, home, running
from stack.composed import SECRETS
from test_image import goes
from waiting import until

PLANTED = {
    "API_TOKEN": "planted-caller-5d1f",
    "ADMIN_TOKEN": "planted-admin-77ac",
    "REQUEST_LOG": "planted-database-b30e",  # As its password.
    "AWS_SECRET_ACCESS_KEY": SECRET,  # That of the S3 server of the tests.
    "NOTIFY_URLS": "planted-webhook-19d6",  # In an address.
    "GH_ENTERPRISE_TOKEN": github.TOKEN,  # That of the GitHub of the tests.
    "GH_TOKEN": "planted-github-e2c8",
    "MLFLOW_TRACKING_PASSWORD": "planted-mlflow-42fb",
    "REGISTRY_TOKEN": "planted-registry-6c90",
    "METRICS_TOKEN": "planted-metrics-81fe",
    "POSTGRES_PASSWORD": "planted-postgres-03bd",
    "FRAUD_DB_PASSWORD": "planted-owner-9c4a",
    "READER_DB_PASSWORD": "planted-reader-e716",
    "MLFLOW_DB_PASSWORD": "planted-runs-5b0d2",
    "GRAFANA_ADMIN_PASSWORD": "planted-grafana-d28c",
    "S3_SECRET_KEY": "planted-bucket-47ee",
    "SMTP_PASSWORD": "planted-mail-a95c1",
    "SLACK_WEBHOOK": "planted-slack-60fb",  # In an address.
}
NO_SECRETS = {"MLFLOW_TRACKING_USERNAME"}  # They name, and prove nothing.


def forms(secret: str) -> list[bytes]:
    """Return a secret as it may be written: plainly, in an address, and as the password of Basic credentials."""
    shifted = [b64encode(b"x" * pad + secret.encode())[4:-4] for pad in (0, 1, 2)]
    return [secret.encode(), quote(secret, safe="").encode(), *shifted]


class Told(NamedTuple):
    """All that was said and written, by where."""

    places: dict[str, bytes]

    def with_secret(self, secret: str) -> list[str]:
        return [place for place, content in self.places.items() if any(form in content for form in forms(secret))]

    def add(self, name: str, folder: Path) -> None:
        """Read all files below a folder, those of git's and DVC's stores too; tests hold what they plant."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not {".venv", "tests"} & set(path.parts):
                self.places[f"{name}: {path.relative_to(folder)}"] = path.read_bytes()


def environment(log: str, **more: str) -> dict[str, str]:
    """Return an environment with every secret."""
    mute = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
    nowhere = f"json://user:{PLANTED['NOTIFY_URLS']}@127.0.0.1:{free_port()}/{PLANTED['NOTIFY_URLS']}"
    src = {"PYTHONPATH": f"{ROOT}/src", "AWS_MAX_ATTEMPTS": "1", "MLFLOW_TRACKING_USERNAME": "somebody"}
    return ENVIRONMENT | mute | src | PLANTED | {"REQUEST_LOG": log, "NOTIFY_URLS": nowhere} | more


def said(told: Told, name: str, settings: dict[str, str], where: Path, *words: str) -> int:
    """Run a module as make does, and keep what it prints."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=where, env=settings, capture_output=True, check=False, timeout=300)
    told.places[name] = done.stdout + done.stderr
    return done.returncode


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with database() as found:
        with psycopg.connect(found.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE planted LOGIN SUPERUSER PASSWORD '{PLANTED['REQUEST_LOG']}'")
        found.url = f"postgresql://planted:{PLANTED['REQUEST_LOG']}@127.0.0.1:{found.port}/postgres"
        yield found


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3"), "bank") as found:
        yield found


@pytest.fixture(scope="module")
def told(server: Postgres, bucket: Server, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run all of it; what is expected to fail does."""
    found = Told({})
    served(found, server, home(tmp_path_factory.mktemp("server")))
    collected(found, server, bucket)
    retrained(found, server, tmp_path_factory.mktemp("retrain") / "copy")
    proposed(found, server, tmp_path_factory.mktemp("propose"))
    stacked(found, tmp_path_factory.mktemp("stack"))
    backed_up(found, server, tmp_path_factory.mktemp("backup"))
    return found


def served(told: Told, server: Postgres, root: Path) -> None:
    """Serve, refuse, lose the database and the model, and start with a wrong password."""
    settings = environment(server.url)
    tokens = PLANTED["API_TOKEN"], PLANTED["ADMIN_TOKEN"]
    with running(root, **settings) as live:
        payments = example().payments()[:20]
        ids = [one["id"] for one in live.post("/predict", {"data": payments}, token=tokens[0]).json["predictions"]]
        assert live.post("/feedback", {"id": ids[0], "actual_label": 1}, token=tokens[0]).status == 200
        for path in "/metrics", "/prometheus", "/model", "/predictions", "/ready", "/health", "/openapi.json":
            told.places[f"GET {path}"] = live.get(path, token=tokens[0]).body
        for number, token in enumerate((f"{tokens[0]}x", f"{tokens[1]}.{tokens[0]}.x", tokens[1][:-1] + "\x7f")):
            told.places[f"wrong token {number}"] = live.post("/predict", payments[0], token=token).body
        told.places["token in the query"] = live.get(f"/predictions?token={tokens[0]}", token=None).body
        (root / "models/model.onnx").write_bytes(b"no model")
        told.places["reload"] = live.post("/reload-model", token=tokens[1]).body
        server.stop("immediate")
        until(lambda: live.get("/ready").json["status"] == "degraded")
        assert live.post("/predict", payments[0], token=tokens[0]).status == 200
        told.places["away"] = live.post("/feedback", {"id": ids[1], "actual_label": 1}, token=tokens[0]).body
        server.start()
        live.stop()
    wrong = settings | {"REQUEST_LOG": server.url.replace("planted:", "planted:x")}
    (root / "models/model.onnx").write_bytes(example().content)
    assert said(told, "serve with a wrong password", wrong | {"PORT": str(free_port())}, root, "serve") != 0
    told.add("server", root)


def collected(told: Told, server: Postgres, bucket: Server) -> None:
    """Collect into a bucket, and fail to, and read back log and bucket."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("UPDATE requests SET ts = '2026-02-18' || substr(ts, 11)")
    to = ["TO=s3://bank/weekly/", f"ENDPOINT={bucket.endpoint}"]
    settings = environment(server.url)
    assert said(told, "collect", settings, ROOT, "fraud.loop.collect", *to) == 0
    assert b"2026-W08: 2" in told.places["collect"]
    wrong = settings | {"AWS_SECRET_ACCESS_KEY": SECRET + "x"}
    assert said(told, "collect with a wrong key", wrong, ROOT, "fraud.loop.collect", *to) == 1
    wrong = settings | {"REQUEST_LOG": server.url.replace("planted:", "planted:x")}
    assert said(told, "collect with a wrong password", wrong, ROOT, "fraud.loop.collect", *to) == 1
    told.add("bucket", bucket.folder)
    dump = subprocess.run([PROGRAMS[0] / "pg_dump", server.url], capture_output=True, check=True)
    told.places["the request log"] = dump.stdout


def retrained(told: Told, server: Postgres, path: Path) -> None:
    """Train without a trace outside, track here and fail to track elsewhere, and notify where nobody listens."""
    copy = small(path)
    for metric in "precision", "recall", "saved_per_1000":  # Which are a matter of luck with so few rows.
        copy.set({f"gate.metrics.{metric}.tolerance": 5000})
    copy.repro()
    copy.commit()
    (path / ".venv-mlflow").symlink_to(Path(python()).parents[1])
    settings = environment(server.url)
    assert said(told, "retrain", settings, path, "fraud.loop.retrain", "--force", "--dry-run") == 0
    assert b"### Where the labels come from" in told.places["retrain"]
    assert said(told, "track", settings, path, "fraud.loop.track") == 0
    away = settings | {
        "MLFLOW_TRACKING_URI": f"http://user:{PLANTED['MLFLOW_TRACKING_PASSWORD']}@127.0.0.1:{free_port()}"
    }
    assert said(told, "track elsewhere", away, path, "fraud.loop.track") == 1
    said(told, "notify", settings, path, "fraud.loop.notify", "EVENT=failed", "TITLE=a test", "TEXT=of a failure")
    assert b"address 1 of NOTIFY_URLS" in told.places["notify"]
    image = ["fraud.loop.image", "publish", "IMAGE=127.0.0.1/bank/fraud", "BUILDER=none"]
    assert said(told, "publish", settings | {"REGISTRY_USER": "somebody"}, path, *image) == 1
    assert (path / "mlflow.db").stat().st_size
    told.add("copy", path)


def proposed(told: Told, server: Postgres, folder: Path) -> None:
    """Open a pull request, and fail to with another token."""
    with beside_github(folder, github.certificate(folder)) as work:
        work.branch("2026-W12")
        settings = {name: value for name, value in environment(server.url).items() if name != "GH_ENTERPRISE_TOKEN"}
        loop(told, "propose", work, settings)
        loop(told, "propose again", work, settings | {"GH_ENTERPRISE_TOKEN": PLANTED["GH_TOKEN"]})
        told.places["pull requests"] = repr(work.server.pulls).encode()
        told.add("proposed", work.path)
    assert b"#1" in told.places["propose"]
    assert b"Traceback" not in told.places["propose again"]


def stacked(told: Told, folder: Path) -> None:
    """Bring the stack up and down with a program in the place of docker, and refuse secrets that are no good."""
    (folder / "docker").write_text('#!/bin/sh\necho "$@"\n')
    (folder / "docker").chmod(0o755)
    settings = environment("")
    settings |= {"PATH": f"{folder}:{settings['PATH']}", "SLACK_WEBHOOK": f"https://here/{PLANTED['SLACK_WEBHOOK']}"}
    good = settings | {"ADMIN_TOKEN": "zBq7-Xw2_kPd94LmRt6v"}
    wrong = {
        "up with what can be guessed": settings,
        "up with a secret twice": good | {"METRICS_TOKEN": PLANTED["API_TOKEN"]},
        "up with no address": good | {"SLACK_WEBHOOK": PLANTED["SLACK_WEBHOOK"]},
    }
    for name, given in wrong.items():
        assert said(told, name, given, ROOT, "fraud.operations.stack", "up") == 1
        assert told.places[name].startswith(b".env: ")
    assert said(told, "down", good, ROOT, "fraud.operations.stack", "down") == 0
    said(told, "up", good, ROOT, "fraud.operations.stack", "up")  # Which ends well where the model is.
    assert not told.places["up"].startswith(b".env: ")


def backed_up(told: Told, server: Postgres, folder: Path) -> None:
    """Back the log up, drill that, let the reader in, and fail to with a wrong password."""
    verbs = {"db_backup": [f"TO={folder}"], "db_drill": [f"FROM={folder}"], "db_reader": []}
    settings = environment(server.url)
    wrong = settings | {"REQUEST_LOG": server.url.replace("planted:", "planted:x")}
    for verb, words in verbs.items():
        assert said(told, verb, settings, ROOT, f"fraud.operations.{verb}", *words) == 0, told.places[verb]
        assert said(told, f"{verb} with a wrong password", wrong, ROOT, f"fraud.operations.{verb}", *words) == 1
    told.add("backup", folder)
    told.places["PostgreSQL's own log"] = (server.folder.parent / "log").read_bytes()


def loop(told: Told, name: str, work: Loop, settings: dict[str, str]) -> None:
    mine = settings | work.environment() | {key: value for key, value in settings.items() if key.startswith("GH_")}
    said(told, name, mine, work.path, "fraud.loop.propose", "WEEK=2026-W12")


@pytest.mark.parametrize("setting", PLANTED)
def test_a_secret_stands_nowhere_in_what_was_said_and_written(told: Told, setting: str) -> None:
    assert told.with_secret(PLANTED[setting]) == []


def test_the_search_finds_a_secret_in_each_of_its_forms_and_was_not_of_nothing(told: Told) -> None:
    for form in forms("planted/x y"):
        assert Told({"here": b"before " + form + b" after"}).with_secret("planted/x y") == ["here"]
    places = "\n".join(told.places)
    for part in "server: stdout", "the request log", "bucket: bank/weekly/2026-W08.csv", "copy: mlflow.db":
        assert part in places
    for part in "copy: reports/metrics.json", "copy: mlruns/", "copy: .dvc/cache/", "copy: docs/model-card.md":
        assert part in places
    assert len(told.places) > 100


def test_every_secret_of_the_workflows_and_of_the_stack_is_among_those_that_are_planted() -> None:
    texts = "".join(path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml"))
    used = set(re.findall(r"\bsecrets\.([A-Z_]+)", texts)) | set(
        re.findall(r"^ +([A-Z_]+_TOKEN):", texts, re.MULTILINE)
    )
    assert used - NO_SECRETS | set(SECRETS) <= set(PLANTED)


@pytest.mark.parametrize("name", [".env", "data/spool/one.jsonl", "mlflow.db", ".dvc/config.local", "data/requests.db"])
def test_no_file_that_may_hold_a_secret_goes_to_the_builder_of_the_image_or_into_git(name: str) -> None:
    assert not goes(name)
    ignored = subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_the_image_is_told_no_secret() -> None:
    told = re.findall(r"^(?:ARG|ENV|\s+)\s*([A-Z_]+)[= ]", (ROOT / "ops/Dockerfile").read_text(), re.MULTILINE)
    assert not set(told) & set(PLANTED) - {"REQUEST_LOG"}  # Which is a path there.
