"""The graph as its users run it: a real `dvc repro` in a small working copy."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud.loop.repro import forget_the_dead
from fraud.params_file import Value
from fraud.yamlfile import read_yaml
from repositories import Repository

STAGES = ["simulate", "ingest", "split", "train", "evaluate", "estimate", "drift", "card"]


@pytest.fixture
def repository(finished: Repository, tmp_path: Path) -> Repository:
    return finished.copy(tmp_path / "copy")


@pytest.fixture
def without_cache(repository: Repository) -> Repository:
    """A working copy in which nothing can be taken from DVC's cache."""
    shutil.rmtree(repository.path / ".dvc/cache")
    return repository


def ran(output: str) -> list[str]:
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


def test_one_command_makes_batches_verdict_model_metrics_and_a_lock_that_pins_them(finished: Repository) -> None:
    outs = {out["path"] for stage in read_yaml(finished.path / "dvc.lock")["stages"].values() for out in stage["outs"]}
    assert {"data/simulate", "models/model.onnx", "reports/metrics.json", "reports/drift.json"} <= outs
    assert all((finished.path / path).exists() for path in outs)
    assert finished.run("git", "status", "--porcelain") == ""


def test_a_second_run_has_nothing_to_do(repository: Repository) -> None:
    assert ran(repository.repro()) == []


def test_a_new_week_leaves_the_training_rows_alone_so_that_nothing_is_trained(repository: Repository) -> None:
    before = read_yaml(repository.path / "dvc.lock")["stages"]
    repository.set({"simulate.weeks": 10})
    assert ran(repository.repro()) == ["simulate", "ingest", "split", "estimate", "drift", "card"]
    after = read_yaml(repository.path / "dvc.lock")["stages"]
    assert after["train"] == before["train"]
    rows = json.loads((repository.path / "reports/drift.json").read_text())["rows"]
    assert rows == {"reference": 4500, "current": 3000}


def test_the_window_moves_with_one_line_and_then_a_model_is_trained(repository: Repository) -> None:
    repository.set({"split.until": "2026-W09"})
    assert ran(repository.repro()) == ["split", "train", "evaluate", "estimate", "drift", "card"]
    assert "no batch came after" in (repository.path / "reports/drift.json").read_text()


def test_one_option_switches_the_data_set_and_the_experiment_can_be_compared(repository: Repository) -> None:
    repository.run("dvc", "exp", "run", "-q", "-n", "shops", "-S", "dataset=payments", "-S", "simulate.drift=amounts",
                   "-S", "simulate.drift_from=9")  # fmt: skip
    assert json.loads((repository.path / "reports/drift.json").read_text())["drift"] is True
    table = repository.run("python", "-m", "fraud.loop.experiments")
    line = next(line for line in table.splitlines() if line.startswith("shops"))
    assert "dataset=payments" in line
    assert line.endswith("yes")
    assert " to " in line
    assert max(map(len, table.splitlines())) <= 120
    for command in (["metrics", "show"], ["metrics", "diff"], ["plots", "diff"], ["exp", "show"], ["params", "diff"]):
        repository.run("dvc", *command)
    assert "dataset" in repository.run("dvc", "params", "diff")


def test_a_schema_of_ones_own_needs_no_change_of_code(repository: Repository) -> None:
    folder = repository.path / "data/raw/shops"
    folder.mkdir(parents=True)
    (repository.path / "data/schemas/shops.yaml").write_text(
        "columns:\n"
        "  order: {role: identifier}\n"
        "  size: {role: feature, type: number, missing: true}\n"
        "  kind: {role: feature, type: category, categories: [card, cash]}\n"
        "  bad: {role: label, type: integer}\n"
    )
    for week in range(1, 6):
        rows = [f"o{week}-{row},{row % 17 if row % 9 else ''},{'card' if row % 3 else 'cash'},{int(row % 17 > 14)}"
                for row in range(400)]  # fmt: skip
        (folder / f"week-{week}.csv").write_text("order,size,kind,bad\n" + "\n".join(rows) + "\n")
    repository.set({"dataset": "shops", "batches": "data/raw/shops", "split.until": "week-4"})
    output = repository.repro()
    assert "left empty; the simulator knows only creditcard and payments" in output
    metrics = json.loads((repository.path / "reports/metrics.json").read_text())
    assert metrics["rows"] == 400
    assert metrics["average_precision"] > 0.8


@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_any_stage_the_next_run_ends_with_the_same_lock(
    stage: str, finished: Repository, without_cache: Repository
) -> None:
    with without_cache.start("python", "-m", "fraud.loop.repro", "--force", "--single-item", stage) as running:
        assert running.stdout
        for line in running.stdout:
            if "Running stage" in line:
                break
        time.sleep(0.8)  # Somewhere inside of the stage; where exactly must not matter.
        os.killpg(running.pid, signal.SIGKILL)
    without_cache.repro()
    assert without_cache.lock() == finished.lock()
    assert "up to date" in without_cache.run("dvc", "status")


@pytest.mark.parametrize(
    ("content", "left"), [('{"data": {"write": {"pid": %d', True), ('{"pid": 99999999}', False), ("", False)]
)
def test_a_lock_of_dvc_that_only_the_dead_hold_is_forgotten(content: str, left: bool, tmp_path: Path) -> None:
    lock = tmp_path / "rwlock"
    lock.write_text(content.replace("%d", str(os.getpid())))
    forget_the_dead(lock)
    assert lock.exists() == left


@pytest.mark.parametrize("share", [0.2, 0.5, 0.77, 0.93])
def test_a_lock_that_was_torn_by_a_kill_is_mended_by_the_next_run(
    share: float, finished: Repository, tmp_path: Path
) -> None:
    torn = finished.copy(tmp_path / "torn")
    text = torn.lock()
    (torn.path / ".dvc/tmp/dvc.lock.before").write_text(text)
    (torn.path / "dvc.lock").write_text(text[: text.index("path:", int(share * len(text))) + 9])
    output = torn.repro()
    assert "dvc.lock was torn" in output
    assert ran(output) == []
    assert torn.lock() == text


def test_a_lock_with_a_conflict_of_a_merge_is_left_to_its_owner(repository: Repository) -> None:
    conflict = f"<<<<<<< HEAD\n{repository.lock()}"
    (repository.path / "dvc.lock").write_text(conflict)
    repository.repro(code=1)
    assert repository.lock() == conflict


def test_a_second_run_at_the_same_time_says_who_runs_and_waits(repository: Repository) -> None:
    repository.set({"train.seed": 8})
    with repository.start("python", "-m", "fraud.loop.repro") as first:
        lock = repository.path / ".dvc/tmp/repro.lock"
        while lock.read_text() != f"process {first.pid}":
            assert first.poll() is None
            time.sleep(0.02)
        output = repository.repro()
        assert first.communicate()[0].count("Running stage") == 5
    assert f"process {first.pid} is at work here; waiting" in output
    assert ran(output) == []


def mount(*arguments: str) -> None:
    if subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system takes root")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", "-l", folder], check=False, capture_output=True)


def test_on_a_full_disk_the_last_line_says_so_and_with_space_the_lock_is_that_of_an_undisturbed_run(
    finished: Repository, mounted: Path
) -> None:
    mount("-t", "tmpfs", "-o", "size=13m", "none", str(mounted))
    finished.run("git", "clone", "-q", str(finished.path), str(mounted / "clone"))
    clone = Repository(mounted / "clone")
    output = clone.repro(code=1)
    assert "Traceback" not in output
    assert output.splitlines()[-1].endswith("the disk is full: free some, then run `make repro` again")
    mount("-o", "remount,size=200m", str(mounted))
    clone.repro()
    assert clone.lock() == finished.lock()


def test_a_folder_that_cannot_be_written_is_named_in_one_line(repository: Repository) -> None:
    models = str(repository.path / "models")
    mount("--bind", models, models)
    try:
        mount("-o", "remount,ro,bind", models)
        repository.set({"train.seed": 8})
        output = repository.repro(code=1)
    finally:
        subprocess.run(["umount", "-l", models], check=True)
    assert "Traceback" not in output
    assert "Read-only file system" in next(line for line in output.splitlines() if "models/model.onnx'" in line)
    assert ran(repository.repro()) == ["train", "evaluate", "estimate", "drift", "card"]


def test_an_output_that_is_pinned_but_not_kept_is_named(repository: Repository) -> None:
    pinned = next(out["md5"] for out in read_yaml(repository.path / "dvc.lock")["stages"]["train"]["outs"])
    (repository.path / f".dvc/cache/files/md5/{pinned[:2]}/{pinned[2:]}").unlink()
    check = 'from fraud.errors import run; from fraud.loop.repro import check_kept; run(lambda: check_kept(""))'
    output = repository.run("python", "-c", check, code=1)
    assert output == "DVC could not keep models/model.onnx; free some space\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train.model": "random_forrest"},
            "section 'train': model: invalid enum value 'random_forrest'; use",
        ),
        ({"split.until": "2026-W99"}, "params.yaml, section 'split': until is '2026-W99'"),
        ({"batches": "data/raw/none"}, "data/raw/none"),
        ({"dataset": "creditcards"}, "data/schemas/creditcards.yaml"),
    ],
)
def test_a_mistake_in_params_ends_in_one_line_that_names_it(
    change: dict[str, Value], message: str, repository: Repository
) -> None:
    repository.set(change)
    output = repository.repro(code=1)
    assert "Traceback" not in output
    assert message in output
