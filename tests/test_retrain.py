"""make retrain: a real bucket, a real git remote, the real graph, a real `gh`; what comes out, and what does not."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest

from fraud.errors import Problem
from fraud.loop import retrain
from fraud.loop.notifying import gauges
from fraud.loop.progress import STEPS
from github import GitHub
from loopback import serving as answering
from needed import needed
from pushgateway import pushgateway
from repositories import ENVIRONMENT, small
from s3 import KEY, SECRET, Copy, Server, serving
from workflow_runs import ROLE, Place

Weeks = dict[str, dict[str, bytes]]
ORDINARY, DRIFTED, POISONED = "ordinary", "drifted", "poisoned"
FIRST = [f"2026-W{week:02}" for week in range(1, 9)]
NEW = ["2026-W09", "2026-W10"]
RAW, RECORD = "data/raw/creditcard", "data/raw/creditcard.dvc"
STEP = re.compile(r"\[(\d)/9\] ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3"), "bank", "store") as server:
        yield server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    """Ten weeks of each kind; they differ from the ninth on. In the poisoned ones labels say nothing."""
    repository = small(tmp_path_factory.mktemp("weeks"))
    found = {}
    for kind, drift in {ORDINARY: "none", DRIFTED: "shift"}.items():
        repository.set({"simulate.weeks": 10, "simulate.drift": drift, "simulate.drift_from": 9})
        repository.run("python", "-m", "fraud.stages.simulate", "data/schemas/creditcard.yaml", "data/simulate")
        files = sorted((repository.path / "data/simulate").iterdir())
        found[kind] = {path.name.removesuffix(".csv"): path.read_bytes() for path in files}
    return found | {POISONED: {NEW[0]: poisoned(found[DRIFTED][NEW[0]]), NEW[1]: found[DRIFTED][NEW[1]]}}


def poisoned(week: bytes) -> bytes:
    """Return a week in which the frauds are called legitimate, and a tenth of the others fraud."""
    frame = pd.read_csv(StringIO(week.decode()))
    frame["Class"] = (np.random.default_rng(7).random(len(frame)) < 0.1) & (frame["Class"] == 0)
    frame["Class"] = frame["Class"].astype(int)
    return bytes(frame.to_csv(index=False).encode())


class Begun(NamedTuple):
    """A working copy and its git remote."""

    copy: Copy
    origin: Path


class World:
    """A working copy with its remotes, and GitHub."""

    def __init__(self, copy: Copy, origin: Path, server: Server, made: Weeks, github: GitHub) -> None:
        self.copy, self.origin, self.server, self.made, self.github = copy, origin, server, made, github

    @contextmanager
    def weeks(self, kind: str, *names: str) -> Iterator[None]:
        """Let weeks lie in the bucket."""
        for name in names:
            self.server.set(f"bank/weekly_data/{name}.csv", self.made[kind][name])
        try:
            yield
        finally:
            for name in names:
                self.server.set(f"bank/weekly_data/{name}.csv", None)

    def environment(self) -> dict[str, str]:
        """Return what the loop needs to know beside the key of the bucket."""
        return self.github.environment | {"NOTIFY_URLS": "", "PUSHGATEWAY": "", "REQUEST_LOG": ""}

    def retrain(self, *words: str, code: int = 0, **more: str) -> str:
        given = [f"{name}={value}" for name, value in (self.environment() | more).items()]
        return self.copy.run("env", *given, "python", "-m", "fraud.loop.retrain", *words, code=code)

    def killed_in(self, step: str) -> str:
        """Run the loop, kill it and all its children as soon as it says that it begins a step; return what it said."""
        command = ["python", "-m", "fraud.loop.retrain"]
        said = []
        with subprocess.Popen(
            command,
            cwd=self.copy.path,
            env=ENVIRONMENT | self.copy.settings() | self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if line.startswith(f"[{STEPS.index(step) + 1}/"):
                    os.killpg(process.pid, signal.SIGKILL)
        return "".join(said)

    @contextmanager
    def branch(self, name: str = "retrain/2026-W10") -> Iterator[Copy]:
        """Be on a branch of the git remote, and push what comes of it."""
        self.copy.run("git", "fetch", "-q", "origin")
        self.copy.run("git", "switch", "-q", "--detach", f"origin/{name}")
        yield self.copy
        self.copy.run("git", "push", "-q", "--force", "origin", f"HEAD:{name}")
        self.copy.run("git", "switch", "-q", "main")

    def branches(self) -> dict[str, str]:
        """Return the commit of each branch of the git remote."""
        lines = self.copy.run("git", "ls-remote", "--heads", str(self.origin)).splitlines()
        found = (line.partition("\t") for line in lines)
        return {name.removeprefix("refs/heads/"): commit for commit, _, name in found}

    def show(self, path: str, revision: str) -> str:
        self.copy.run("git", "fetch", "-q", "origin")
        return self.copy.run("git", "show", f"{revision}:{path}")

    def report(self, revision: str) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.show("reports/retrain.json", revision))
        return found


@pytest.fixture(scope="module")
def begun(server: Server, made: Weeks, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """Eight weeks imported from a bucket, a model of them, all pushed."""
    folder = tmp_path_factory.mktemp("begun")
    copy = Copy(small(folder / "copy").path)
    copy.set({"evaluate.samples": 200, "gate.samples": 200})
    # With so few rows the threshold, and all that hangs on it, is a matter of luck.
    for metric, tolerance in {"precision": 1.0, "recall": 0.2, "saved_per_1000": 5000}.items():
        copy.set({f"gate.metrics.{metric}.tolerance": tolerance})
    for name in FIRST:
        server.set(f"bank/weekly_data/{name}.csv", made[ORDINARY][name])
    copy.loop("data", "S3=s3://bank/weekly_data/", f"ENDPOINT={server.endpoint}")
    copy.loop("remote", "S3=s3://store/dvc", f"ENDPOINT={server.endpoint}")
    copy.loop("repro")
    copy.loop("transfer", "push")
    copy.commit()
    copy.run("git", "clone", "-q", "--bare", str(copy.path), str(folder / "origin.git"))
    copy.run("git", "remote", "add", "origin", str(folder / "origin.git"))
    return Begun(copy, folder / "origin.git")


@contextmanager
def world_of(begun: Begun, server: Server, made: Weeks, certificate: Path, folder: Path) -> Iterator[World]:
    """Copy what is begun into a world of its own."""
    needed(shutil.which("gh", path=ENVIRONMENT["PATH"]), "gh")
    origin = folder / "origin.git"
    shutil.copytree(begun.origin, origin)
    copy = begun.copy.twin(folder / "copy")
    copy.run("git", "remote", "set-url", "origin", str(origin))
    with answering(GitHub(origin, certificate)) as github:
        yield World(copy, origin, server, made, github)


@pytest.fixture
def world(begun: Begun, server: Server, made: Weeks, certificate: Path, tmp_path: Path) -> Iterator[World]:
    with world_of(begun, server, made, certificate, tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def first(
    begun: Begun, server: Server, made: Weeks, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A world in which drift was found and a model proposed; its tests change nothing."""
    with world_of(begun, server, made, certificate, tmp_path_factory.mktemp("proposed")) as one:
        with one.weeks(DRIFTED, *NEW):
            one.retrain()
        yield one


@pytest.fixture
def proposed(first: World, certificate: Path, tmp_path: Path) -> Iterator[World]:
    """A copy of that world, whose weeks are still in the bucket."""
    before = Begun(first.copy, first.origin)
    with world_of(before, first.server, first.made, certificate, tmp_path) as one:
        one.github.take_over(first.github)
        with one.weeks(DRIFTED, *NEW):
            yield one


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--reason", "bogus"],
            "REASON=bogus: expected one of schedule, push, force, drift, follow_up; make retrain [",
        ),
        (["--reason", "scheduled"], r"REASON=scheduled: expected .* \(did you mean 'schedule'\?\); make retrain"),
        (["--onyl", "drift"], "unrecognized arguments: --onyl drift; make retrain"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(words: list[str], message: str) -> None:
    with pytest.raises(Problem, match=f"^{message.replace('[', '.')}") as problem:
        retrain.options(words)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(("more", "expected"), [([], b'["drift", "Drift in 2026-W09", "V14"]\n'), (["--dry-run"], b"")])
def test_what_people_are_to_be_told_goes_to_whoever_watches(more: list[str], expected: bytes) -> None:
    reading, writing = os.pipe()
    retrain.tell(retrain.options([f"--messages={writing}", *more]), "drift", "Drift in 2026-W09", "V14")
    os.close(writing)
    with os.fdopen(reading, "rb") as messages:
        assert messages.read() == expected


def test_an_ordinary_week_trains_nothing_and_commits_nothing(world: World) -> None:
    before = world.branches()
    with world.weeks(ORDINARY, NEW[0]):
        said = world.retrain()
    assert "no drift and no other reason to train: nothing to do" in said
    assert "Running stage 'drift'" in said
    assert "Running stage 'train'" not in said
    for hint in ("To track the changes", "git add", "autostage", "dvc push", "git diff"):
        assert hint not in said
    assert world.branches() == before
    assert world.copy.run("git", "status", "--porcelain") == ""
    assert world.github.pulls == {}


def test_the_weeks_of_a_folder_come_too_and_where_it_is_away_the_loop_goes_on_with_what_is_pinned(world: World) -> None:
    copy, folder = world.copy, world.origin.parent / "weekly"
    (copy.path / RAW).rename(folder)
    copy.run("dvc", "remove", RECORD)
    copy.loop("data", f"DIR={folder}")
    copy.loop("repro")
    copy.loop("transfer", "push")
    copy.commit()
    copy.run("git", "push", "-q", "origin", "main")
    for week in NEW:
        (folder / f"{week}.csv").write_bytes(world.made[DRIFTED][week])
    folder.rename(folder.with_name("away"))
    said = world.retrain("--only", "drift")
    assert (
        f"nothing to fetch: the weeks come from the folder {folder}, which is not on this machine; it goes on" in said
    )
    assert "no drift and no other reason to train" in said
    folder.with_name("away").rename(folder)
    said = world.retrain("--only", "candidate")
    assert [line.partition(" (")[0] for line in said.splitlines() if " is new (" in line] == [
        f"{week}.csv is new" for week in NEW
    ]
    assert world.branches().keys() == {"main", "retrain/2026-W10"}
    assert world.show(RECORD, "origin/retrain/2026-W10") != world.show(RECORD, "origin/main")
    assert copy.run("git", "status", "--porcelain") == ""


def test_drift_ends_in_one_commit_and_one_pull_request_however_often_it_runs(proposed: World, begun: Begun) -> None:
    world, main = proposed, begun.copy.run("git", "rev-parse", "main").strip()
    commit = world.branches()["retrain/2026-W10"]
    world.retrain()
    assert world.branches() == {"main": main, "retrain/2026-W10": commit}
    assert [request.line for request in world.github.requests if request.method != "GET"] == []
    (pull,) = world.github.open()
    assert (pull["head"]["ref"], pull["head"]["sha"]) == ("retrain/2026-W10", commit)
    report = world.report(commit)
    assert (report["reason"], report["until"]) == ("drift", {"from": "2026-W08", "to": "2026-W10"})
    assert report["drifted"] == ["2026-W10"]  # The one that the new window only tests on.
    assert world.copy.run("git", "rev-parse", f"{commit}^").strip() == main
    assert world.copy.run("git", "status", "--porcelain") == ""


def test_one_line_of_params_moves_and_the_lock_the_reports_and_the_weeks_follow(first: World) -> None:
    world = first
    world.copy.run("git", "fetch", "-q", "origin")
    changed = world.copy.run("git", "diff", "--name-only", "main", "origin/retrain/2026-W10").split()
    rest = {name for name in changed if not name.startswith("reports/")}
    assert rest == {"dvc.lock", "params.yaml", RECORD, "docs/model-card.md"}
    assert f"| model | `{world.report('origin/retrain/2026-W10')['gate']['candidate']}`" in world.show(
        "docs/model-card.md", "origin/retrain/2026-W10"
    )
    lines = world.copy.run("git", "diff", "-U0", "main", "origin/retrain/2026-W10", "params.yaml").splitlines()[5:]
    old, new = lines
    assert old.startswith("-  until: 2026-W08 ")
    assert new == old.replace("-  until: 2026-W08", "+  until: 2026-W10")


def test_a_stranger_can_pull_what_was_proposed(first: World, tmp_path: Path) -> None:
    command = ["git", "clone", "-q", "-b", "retrain/2026-W10", str(first.origin), str(tmp_path / "clone")]
    first.copy.run(*command)
    stranger = Copy(tmp_path / "clone")
    stranger.loop("transfer", "pull")
    assert stranger.run("dvc", "status", "-q") == ""


def test_killed_in_every_step_it_goes_on_and_doubles_nothing(world: World) -> None:
    with world.weeks(DRIFTED, *NEW):
        for step in STEPS:
            assert str(STEPS.index(step) + 1) in STEP.findall(world.killed_in(step))  # A short one may be over by then.
        world.retrain()
        commit = world.branches()["retrain/2026-W10"]
        world.retrain()
    assert world.branches().keys() == {"main", "retrain/2026-W10"}
    assert world.branches()["retrain/2026-W10"] == commit
    assert len(world.github.pulls) == 1
    world.copy.run("git", "fetch", "-q", "origin")
    assert world.copy.run("git", "rev-list", "--count", f"main..{commit}").strip() == "1"


def test_a_week_that_the_graph_refuses_is_named_and_so_is_where_to_mend_it(world: World) -> None:
    world.made = world.made | {"cut off": {NEW[0]: b"Time,Amount,Class\n1,2,0\n"}}
    with world.weeks("cut off", NEW[0]):
        said = world.retrain(code=1).splitlines()
    assert any(line.startswith("2026-W09.csv: column 'V1' is missing") for line in said)
    assert said[-1] == (
        "the graph did not run to its end; mend what the lines above name, code and params on main and weeks where "
        "they come from, then run `make retrain` again"
    )


def test_late_labels_in_the_window_wait_for_the_next_model_and_set_nothing_off(world: World) -> None:
    late = "2026-W06"
    lines = world.made[ORDINARY][late].decode().splitlines()
    lines[1] = lines[1][:-1] + ("0" if lines[1].endswith("1") else "1")
    there = world.server.folder / f"bank/weekly_data/{late}.csv"
    with world.server.changed(f"bank/weekly_data/{late}.csv", "\n".join([*lines, ""]).encode()):
        assert there.read_bytes() != world.made[ORDINARY][late]
        with world.weeks(ORDINARY, NEW[0]):
            said = world.retrain()
            assert f"changed since main's model was trained, and kept for the next one: {late}\n" in said
            assert "no drift and no other reason to train: nothing to do" in said
            assert "Running stage 'train'" not in said
            said = world.retrain("--force", "--only", "candidate")
    assert "params.yaml: split.until: 2026-W08 -> 2026-W09" in said
    world.copy.run("git", "fetch", "-q", "origin")
    assert "batches: data/raw/creditcard" in world.show("params.yaml", "origin/retrain/2026-W09")
    lock = world.show("dvc.lock", "origin/retrain/2026-W09")
    assert "data/held" not in lock
    assert world.show(RECORD, "origin/retrain/2026-W09") != world.show(RECORD, "origin/main")


def test_a_worse_model_is_not_proposed_and_the_gauges_say_so(world: World, tmp_path: Path) -> None:
    with world.weeks(POISONED, *NEW), pushgateway(tmp_path) as gateway:
        said = world.retrain(code=3, PUSHGATEWAY=gateway.address)
        (group,) = gateway.groups()
    (verdict,) = group["retrain_gate_verdict"]["metrics"]
    assert verdict["labels"]["verdict"] == "worse"
    (pinned,) = group["model_pinned_timestamp_seconds"]["metrics"]
    assert re.fullmatch("[0-9a-f]{32}", pinned["labels"]["md5"])
    assert {"drift_score", "retrain_weeks", "week_average_precision", gauges.CANDIDATE} < group.keys()
    assert not {gauges.SUCCESS, gauges.FAILURE} & group.keys()
    assert "Worse: the candidate is worse than the model of main in" in said
    assert said.splitlines()[-1].startswith("no pull request: worse than the model of main in ")
    assert world.branches().keys() == {"main"}
    assert world.github.pulls == {}
    report = msgspec.json.decode((world.copy.path / ".dvc/tmp/retrain/reports/retrain.json").read_bytes())
    assert report["gate"]["verdict"] == "worse"


def test_a_schedule_is_reason_enough_and_a_torn_week_is_told_of(world: World) -> None:
    torn = world.made[ORDINARY][NEW[1]][:70_000]
    world.made = world.made | {"torn": world.made[ORDINARY] | {NEW[1]: torn}}
    rows = torn.count(b"\n")  # With the last, which is torn, and without the header.
    with world.weeks("torn", *NEW):
        said = world.retrain("--reason", "schedule")
    assert world.report(world.branches()["retrain/2026-W10"])["reason"] == "schedule"
    told = f"{rows} rows (1 of them in quarantine), and 1,500 is the median of the other weeks"
    assert said.index("] drift") < said.index(f"2026-W10: {told}") < said.index("] retrain")
    assert f"`2026-W10`: {told}" in world.github.open()[0]["body"]


def test_without_a_newer_labelled_week_even_force_proposes_nothing(world: World) -> None:
    said = world.retrain("--force")
    assert "the same model as on main came out" in said
    assert world.branches().keys() == {"main"}


def test_weeks_whose_labels_are_not_there_yet_are_not_trained_on(world: World) -> None:
    frame = pd.read_csv(StringIO(world.made[DRIFTED][NEW[1]].decode()))
    frame["Class"] = frame["Class"].where(frame.index % 3 == 0).astype("Int64")
    late = {"late": {NEW[0]: world.made[DRIFTED][NEW[0]], NEW[1]: frame.to_csv(index=False).encode()}}
    world.made = world.made | late
    with world.weeks("late", *NEW):
        world.retrain()
    assert world.branches().keys() == {"main", "retrain/2026-W09"}


def test_a_newer_week_takes_the_place_of_an_older_proposal(world: World) -> None:
    with world.weeks(DRIFTED, NEW[0]):
        world.retrain()
        with world.weeks(DRIFTED, NEW[1]):
            world.retrain()
    (pull,) = world.github.open()
    assert pull["head"]["ref"] == "retrain/2026-W10"
    assert len(world.github.pulls) == 2


def test_a_branch_to_which_a_person_committed_is_left_alone(proposed: World) -> None:
    with proposed.branch() as copy:
        copy.run("git", "commit", "-q", "--allow-empty", "-m", "Look closer")
    mine = proposed.branches()["retrain/2026-W10"]
    said = proposed.retrain(code=1)
    assert "retrain/2026-W10: somebody committed to it on the server" in said
    assert "[5/9]" not in said
    assert proposed.branches()["retrain/2026-W10"] == mine


def test_a_commit_that_a_person_amended_is_left_alone_too(proposed: World) -> None:
    with proposed.branch() as copy:
        bob = ["env", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.com"]
        copy.run(*bob, "git", "commit", "-q", "--amend", "--allow-empty", "--no-edit")
    mine = proposed.branches()["retrain/2026-W10"]
    proposed.retrain(code=1)
    assert proposed.branches()["retrain/2026-W10"] == mine


def test_main_merged_into_the_branch_by_githubs_button_stands_in_nobodys_way(proposed: World) -> None:
    copy = proposed.copy
    copy.run("git", "commit", "-q", "--allow-empty", "-m", "Something else")
    copy.run("git", "push", "-q", "origin", "main")
    with proposed.branch():
        copy.run("git", "merge", "-q", "--no-edit", "main")
    proposed.retrain()
    copy.run("git", "fetch", "-q", "origin")
    assert copy.run("git", "rev-list", "--count", "main..origin/retrain/2026-W10").strip() == "1"


def test_the_clone_has_gits_keys_and_names_and_finds_a_remote_beside_the_working_copy(world: World) -> None:
    copy = world.copy
    copy.run("git", "remote", "set-url", "origin", "../origin.git")
    header = "http.https://github.com/.extraheader"  # So does the checkout of a workflow keep its token.
    copy.run("git", "config", header, "AUTHORIZATION: basic a-key")
    copy.run("git", "config", "user.name", "Alice")
    call = "from fraud.loop.retraining import scratch; scratch.clone(scratch.git('rev-parse', 'HEAD'), 'main')"
    copy.run("python", "-c", call)
    at = ["git", "-C", ".dvc/tmp/retrain"]
    assert copy.run(*at, "config", header) == "AUTHORIZATION: basic a-key\n"
    assert copy.run(*at, "config", "user.name") == "Alice\n"
    assert "refs/heads/main" in copy.run(*at, "ls-remote", "origin")
    assert copy.run("git", "config", "remote.origin.url") == "../origin.git\n"


def test_a_dry_run_of_the_workflow_prints_the_pull_request_and_ends(world: World) -> None:
    at = through_github(world)
    with world.weeks(DRIFTED, *NEW):
        done = at.run("retrain", "workflow_dispatch", inputs={"reason": "drift", "dry_run": "true"})
    assert done.jobs == dict.fromkeys(("collect", "drift", "retrain"), "success"), done.log
    assert "Retrain on 2026-W07 to 2026-W10" in done.log
    assert world.branches().keys() == {"main"}


def test_a_dry_run_prints_the_pull_request_and_leaves_no_trace_outside(world: World) -> None:
    with world.weeks(DRIFTED, *NEW):
        objects = world.server.objects()
        said = world.retrain("--dry-run")
        assert world.server.objects() == objects
    assert "Retrain on 2026-W07 to 2026-W10" in said
    assert "### Both models on the same rows: this decides" in said
    assert "These are different rows" in said
    assert world.branches().keys() == {"main"}
    assert world.github.requests == []
    assert world.copy.run("git", "status", "--porcelain") == ""


def test_a_changed_working_copy_is_refused_before_any_work(world: World) -> None:
    (world.copy.path / "params.yaml").write_text("dataset: creditcard\n")
    assert world.retrain(code=1).splitlines()[-1] == (
        "params.yaml: found changes that are not committed; commit or stash them first"
    )


def test_a_mistake_in_params_is_found_before_weeks_are_fetched(world: World) -> None:
    world.copy.set({"retrain.labelled": 2})
    world.copy.commit()
    said = world.retrain("--dry-run", code=1)
    assert said.splitlines()[-1].startswith("params.yaml, section 'retrain': labelled: ")
    assert "[3/9]" not in said


def test_a_window_without_an_end_is_warned_of(world: World) -> None:
    world.copy.set({"split.until": None})
    world.copy.commit()
    assert "split.until is null: no week comes after the window" in world.retrain("--dry-run")


def test_a_second_run_stops_with_a_word(world: World) -> None:
    lock = world.copy.path / ".dvc/tmp/retrain.lock"
    lock.parent.mkdir(exist_ok=True)
    holder = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True); input()"
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", holder, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert "retrains here already" in world.retrain(code=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"GH_ENTERPRISE_TOKEN": "wrong"}, "the token is not valid, or has expired"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the server refuses these credentials"),
    ],
)
def test_wrong_credentials_are_found_before_any_work(settings: dict[str, str], message: str, world: World) -> None:
    said = world.retrain(code=1, **settings)
    assert message in said.splitlines()[-1]
    assert "[2/9]" not in said


@pytest.mark.parametrize("remote", ["storage", "weekly-creditcard"])
def test_a_missing_bucket_is_found_before_any_work(remote: str, world: World) -> None:
    world.copy.override(remote, url="s3://gone/there", endpointurl=world.server.endpoint)
    said = world.retrain(code=1)
    assert said.splitlines()[-1].startswith("s3://gone/there")
    assert "[2/9]" not in said


def through_github(world: World) -> Place:
    """Return what runs the workflows on the working copy, with its remote and the same fake GitHub."""
    at = Place(world.copy, world.origin.parent / "workflows")
    at.remote, at.key = world.origin, (KEY, SECRET)
    world.copy.run("git", "-C", str(world.origin), "config", "uploadpack.allowAnySHA1InWant", "true")
    at.variables = {"AWS_ROLE": ROLE, "AWS_REGION": "eu-central-1"}
    at.settings = world.github.environment | {"NOTIFY_URLS": ""}
    return at


def test_the_workflow_does_the_same_in_four_jobs(world: World) -> None:
    at = through_github(world)
    with world.weeks(DRIFTED, *NEW):
        done = at.run("retrain", "schedule", instead=dict.fromkeys(("system", "check", "test"), ""))
    assert done.jobs == dict.fromkeys(("collect", "drift", "retrain", "propose"), "success"), done.log
    (pull,) = world.github.open()
    commit = world.branches()["retrain/2026-W10"]
    assert (pull["head"]["ref"], pull["head"]["sha"]) == ("retrain/2026-W10", commit)
    assert [status["state"] for status in world.github.statuses[commit]] == ["success", "pending"]
    assert world.report(commit)["reason"] == "drift"


def test_the_workflow_ends_after_an_ordinary_week(world: World) -> None:
    at = through_github(world)
    with world.weeks(ORDINARY, NEW[0]):
        done = at.run("retrain", "workflow_dispatch", inputs={"reason": "drift"})
    assert done.jobs["drift"] == "success", done.log
    assert "retrain" not in done.jobs
    assert world.branches().keys() == {"main"}
