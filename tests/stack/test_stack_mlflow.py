"""The MLflow server of ops/compose.yaml: its own command and environment, on a real PostgreSQL and a real S3 server."""

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

import s3
from examples import ROOT
from mlflow_server import Server, environment, python, until_it_answers
from postgres import Postgres
from servers import example
from stack.composed import filled
from test_track import Story, pin, story

PASSWORD = "a-password-of-mlflow"  # noqa: S105  # of a database that lives for a test
COMMAND = json.loads(re.findall(r"^CMD (.+)$", (ROOT / "ops/mlflow.Dockerfile").read_text(), re.MULTILINE)[-1])
MAIN, PROPOSED = example(), example(seed=8)
OURS, THEIRS = ("localhost:5001", "127.0.0.1:5001", "mlflow:5001"), ("mlflow.example.com", "10.0.0.7:5001")
DOWNLOAD = """
import hashlib, sys, mlflow
folder = mlflow.artifacts.download_artifacts(f"models:/{sys.argv[1]}@champion")
print(hashlib.md5(open(f"{folder}/model.onnx", "rb").read()).hexdigest())
"""


class Stack(NamedTuple):
    """The parts of the stack that MLflow needs; `service` is how Compose would start it."""

    postgres: Postgres
    bucket: s3.Server
    port: int
    folder: Path

    @property
    def service(self) -> dict[str, Any]:
        places = {"S3_ENDPOINT": self.bucket.endpoint, "MLFLOW_ARTIFACTS": "s3://fraud/mlflow"}
        keys = {"MLFLOW_DB_PASSWORD": PASSWORD, "S3_ACCESS_KEY": s3.KEY, "S3_SECRET_KEY": s3.SECRET}
        return filled("mlflow", **places, **keys)

    @contextmanager
    def serving(self) -> Iterator[tuple[Server, "subprocess.Popen[bytes]"]]:
        """Serve until the block ends, with the addresses of this machine in the place of those in a container."""
        given = {name: str(value) for name, value in self.service["environment"].items()}
        place = f"@127.0.0.1:{self.postgres.port}/"
        given["MLFLOW_BACKEND_STORE_URI"] = given["MLFLOW_BACKEND_STORE_URI"].replace("@postgres/", place)
        words = [{"0.0.0.0": "127.0.0.1", "5001": str(self.port)}.get(word, word) for word in COMMAND]  # noqa: S104
        with (self.folder / "said").open("ab") as said:
            command = [python(), "-m", *words]
            process = subprocess.Popen(command, cwd=self.folder, env=environment(**given), stdout=said, stderr=said)
        try:
            uri = f"http://127.0.0.1:{self.port}"
            until_it_answers(f"{uri}/health", process, self.folder / "said")
            yield Server(uri), process
        finally:
            process.terminate()
            process.wait()

    def healthy(self) -> bool:
        """Run the check of health that the compose file names."""
        kind, program, *words = self.service["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        here = [word.replace("5001", str(self.port)) for word in words]
        return subprocess.run([python(), *here], capture_output=True, check=False).returncode == 0

    def told(self) -> tuple[Any, ...]:
        """Return how many runs and models its database holds."""
        place = f"postgresql://mlflow:{PASSWORD}@127.0.0.1:{self.postgres.port}/mlflow"
        with psycopg.connect(place) as connection:
            counts = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM registered_models)"
            return tuple(connection.execute(counts).fetchone() or ())


@pytest.fixture(scope="module")
def stack(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE mlflow LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("CREATE DATABASE mlflow OWNER mlflow")
    folder = tmp_path_factory.mktemp("stack")
    with s3.serving(folder / "buckets", "fraud") as bucket:
        yield Stack(postgres, bucket, s3.free_port(), folder)


def answer(port: int, host: str, path: str = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default") -> int:
    """Return the status for a request that was sent to a server under the name `host`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


class Told(NamedTuple):
    """What was seen of a server that tracked main and a proposal, and was stopped then."""

    story: Story
    aliases: dict[str, str]
    places: set[str]
    command: str
    healthy: list[bool]
    answers: dict[str, int]


@pytest.fixture(scope="module")
def told(stack: Stack) -> Told:
    """One start of the server for all that is asked of it: a start takes seconds of processor time."""
    with stack.serving() as (server, process):
        one = story(stack.folder / "copy", server)
        pin(one.copy, MAIN)
        one.track()
        one.copy.run("git", "checkout", "-q", "-b", "retrain/2026-W09")
        pin(one.copy, PROPOSED)
        one.track()
        places = {run.info["artifact_uri"].partition(":")[0] for run in one.runs()}
        command = Path(f"/proc/{process.pid}/cmdline").read_text()
        healthy, answers = [stack.healthy()], {name: answer(stack.port, name) for name in (*OURS, *THEIRS)}
        aliases = one.aliases()
    return Told(one, aliases, places, command, [*healthy, stack.healthy()], answers)


def test_main_is_champion_the_proposal_is_challenger_and_postgresql_keeps_it(stack: Stack, told: Told) -> None:
    assert told.aliases == {"champion": "1", "challenger": "2"}
    assert stack.told() == (2, 1)


def test_files_go_through_the_server_which_alone_has_the_key_of_the_bucket(stack: Stack, told: Told) -> None:
    assert told.places == {"mlflow-artifacts"}
    objects = stack.bucket.objects()
    assert all(path.is_relative_to(stack.bucket.folder / "fraud/mlflow") for path in objects)
    kept = [content for path, content in objects.items() if path.name == "model.onnx"]
    assert sorted(kept) == sorted([MAIN.content, PROPOSED.content])


def test_it_is_healthy_while_it_serves_and_its_password_is_in_no_command_line(told: Told) -> None:
    assert told.healthy == [True, False]
    assert "server" in told.command
    assert PASSWORD not in told.command


def test_it_answers_under_its_own_names_alone(told: Told) -> None:
    assert told.answers == dict.fromkeys(OURS, 200) | dict.fromkeys(THEIRS, 403)


def test_after_a_restart_the_champion_is_there_with_the_pinned_md5_for_a_client_without_a_key(
    stack: Stack, told: Told
) -> None:
    keys = ["AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="]
    with stack.serving():
        said = told.story.copy.run(*told.story.command("track")[:4], *keys, python(), "-c", DOWNLOAD, told.story.name)
        assert told.story.aliases() == told.aliases
    assert said.strip().splitlines()[-1] == MAIN.md5
