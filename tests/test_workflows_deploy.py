"""deploy.yml and rollback.yml, executed by act: models from a real S3 server, a real server that changes its model."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from histories import History, history
from listening import listening
from s3 import KEY, SECRET, Server, serving
from servers import ADMIN, Live, example, home, pin, running, until
from workflow_runs import ROLE, Place, place
from workflow_runs import TOKEN as GITHUB_TOKEN

OLD, NEW = example(), example(seed=8)
STORE = (
    "[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://bucket/prefix\n    endpointurl = {endpoint}\n"
)
# The image comes later; here it is a look at the file that would go into it.
IMAGE = {"image": 'md5sum models/model.onnx >"$ARTIFACTS/image"', "publish": "true", "promote": "true"}


class World(NamedTuple):
    """A repository on a forge, and the server that it deploys to."""

    place: Place
    made: History
    live: Live

    def serves(self) -> str:
        return str(self.live.get("/ready").json["model"])

    def replace_by(self, md5: str) -> str:
        """Return a command that puts a model and its lock before the server, as a new image would."""
        return f"sh -c 'cp -r {self.place.folder}/images/{md5}/. {self.live.root} && kill -HUP {self.live.process.pid}'"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3"), "bucket") as server:
        for model in OLD, NEW:
            server.set(f"bucket/prefix/files/md5/{model.md5[:2]}/{model.md5[2:]}", model.content)
        yield server


@pytest.fixture
def world(tmp_path: Path, bucket: Server) -> Iterator[World]:
    """Return a world in which main pins the new model, and the server still serves the old one."""
    made = history(tmp_path / "here", OLD.content, NEW.content)
    made.write({".dvc/config": STORE.format(endpoint=bucket.endpoint)})
    for model in OLD, NEW:
        (tmp_path / "images" / model.md5).mkdir(parents=True)
        pin(tmp_path / "images" / model.md5, model)
    forge = place(made, tmp_path)
    forge.key = (KEY, SECRET)
    with running(home(tmp_path / "root", OLD), WORKERS="1") as live:
        ready = World(forge, made, live)
        forge.variables = {"AWS_ROLE": ROLE, "AWS_REGION": "eu-central-1", "WITHIN": "3"}
        forge.variables |= {"SERVER": f"http://127.0.0.1:{live.port}", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
        forge.variables |= {
            "REPLACE_COMMAND": ready.replace_by("$MODEL"),
            "ROLLBACK_COMMAND": ready.replace_by(OLD.md5),
        }
        forge.secrets = {"ADMIN_TOKEN": ADMIN}
        yield ready


def since(commit: str) -> dict[str, str]:
    return {"before": commit, "ref": "refs/heads/main"}


def test_a_push_with_another_model_brings_that_file_alone_and_the_server_serves_it(world: World) -> None:
    run = world.place.run("deploy", "push", payload=since(world.made.head("HEAD~2")), instead=IMAGE)
    assert run.jobs == dict.fromkeys(("model", "image", "deploy"), "success"), run.log
    assert (run.artifacts / "image").read_text().split()[0] == NEW.md5
    assert world.serves() == NEW.md5
    assert run.targets("image") == ["pull-model", "image", "publish"]
    assert run.targets("deploy") == ["deploy", "promote"]
    assert run.environment("image", "publish")["REGISTRY_TOKEN"] == GITHUB_TOKEN
    assert ADMIN not in run.log


def test_a_push_with_the_model_that_is_served_deploys_nothing(world: World) -> None:
    pin(world.live.root, NEW)
    world.live.process.send_signal(signal.SIGHUP)
    until(lambda: world.serves() == NEW.md5)
    run = world.place.run("deploy", "push", payload=since(world.made.head("HEAD~1")), instead=IMAGE)
    assert run.jobs == {"model": "success"}


def test_a_model_that_an_earlier_run_did_not_bring_out_comes_with_the_next_push(world: World) -> None:
    run = world.place.run("deploy", "push", payload=since(world.made.head("HEAD~1")), instead=IMAGE)
    assert run.jobs == dict.fromkeys(("model", "image", "deploy"), "success"), run.log
    assert world.serves() == NEW.md5


def test_without_a_server_the_image_is_all(world: World) -> None:
    del world.place.variables["SERVER"]
    run = world.place.run("deploy", "workflow_dispatch", instead=IMAGE)
    assert run.jobs == {"model": "success", "image": "success"}


def test_a_server_that_does_not_get_there_goes_back_and_somebody_is_told(world: World) -> None:
    other = example(seed=9)
    (world.place.folder / "images" / other.md5).mkdir()
    pin(world.place.folder / "images" / other.md5, other)
    world.place.variables["REPLACE_COMMAND"] = world.replace_by(other.md5)
    with listening() as server:
        world.place.secrets["NOTIFY_URLS"] = server.url.replace("http", "json")
        run = world.place.run("deploy", "workflow_dispatch", instead=IMAGE)
    assert run.jobs["deploy"] == "failure"
    assert (
        f"after 3 s {other.md5[:6]}… is ready, but {NEW.md5[:6]}… should be; {OLD.md5[:6]}… serves as before" in run.log
    )
    assert world.serves() == OLD.md5
    assert [json.loads(body)["title"] for body in server.bodies] == ["deploy failed"]
    assert "promote" not in run.targets("deploy")


def test_a_rollback_is_a_commit_on_main_and_the_same_way_to_the_server(world: World) -> None:
    main = world.place.head("main")
    world.place.run("deploy", "workflow_dispatch", instead=IMAGE)
    assert world.serves() == NEW.md5
    run = world.place.run("rollback", "workflow_dispatch", instead=IMAGE)
    assert run.code == 0, run.log
    assert world.serves() == OLD.md5
    assert (run.artifacts / "image").read_text().split()[0] == OLD.md5
    world.made.run("git", "fetch", "-q", "origin")
    assert world.made.head("origin/main~1") == main
    assert f"md5: {OLD.md5}" in world.made.run("git", "show", "origin/main:dvc.lock")


def test_where_main_is_guarded_a_rollback_waits_to_be_merged(world: World) -> None:
    hook = world.place.remote / "hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)
    main = world.place.head("main")
    run = world.place.run("rollback", "workflow_dispatch", inputs={"to": "HEAD~2"}, instead=IMAGE | {"propose": "true"})
    assert run.jobs == {"rollback": "success", "propose": "success"}, run.log
    assert world.place.head("main") == main
    branch = run.environment("propose", "propose")["BRANCH"]
    assert branch.startswith(f"rollback/{OLD.md5[:8]}-")
    assert world.place.head(branch)
    assert world.serves() == OLD.md5
