"""make track: one MLflow run for each distinct dvc.lock, one version for each model, aliases by branch."""

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from fraud.loop.tracking import mlflow_place, tracked
from fraud.loop.tracking.mlflow_place import cause, place, shown
from fraud.loop.tracking.revisions import Revision
from fraud.scoring import Model
from mlflow_server import Run, Server, environment, python, serving, until_it_answers, warm_python
from repositories import Repository, warmed
from s3 import Copy, empty, free_port
from servers import TOKEN, Example, example, home, running

DVC_YAML = 'stages:\n  train: {cmd: "true", outs: [models/model.onnx]}\n'
WEEKS = [
    {"week": "2026-W08", "estimated": {"recall": [0.7, 0.6, 0.8]}, "realised": {"recall": 0.75}},
    {"week": "2026-W09", "estimated": {"recall": [0.5, 0.4, 0.6]}, "realised": {"recall": None}},
]
REPORTS: dict[str, Any] = {
    "metrics": {"average_precision": 0.8, "average_precision_interval": [0.7, 0.9], "frauds": 7, "precision": None},
    "drift": {"drift": True, "largest_effect": 0.3, "features": [{"effect": 0.3, "threshold": 0.1}], "others": []},
    "estimate": {"weeks": WEEKS},
    "retrain": {"reason": "drift", "week": "2026-W09", "gate": {"verdict": "better"}},
}


def pin(copy: Copy, served: Example, **settings: Any) -> None:
    """Commit what the graph would commit with a model, and keep the model in DVC's cache."""
    (copy.path / "models").mkdir(exist_ok=True)
    (copy.path / "models/model.onnx").write_bytes(served.content)
    copy.keep(served.content)
    out = {"path": "models/model.onnx", "hash": "md5", "md5": served.md5, "size": len(served.content)}
    deps = [{"path": path, "md5": path[-5:]} for path in ("data/split/train.parquet", "data/raw/cards")]
    stages = {"train": {"cmd": "true", "deps": deps, "outs": [out], "params": {"params.yaml": settings}}}
    given = {"dataset": served.schema.name, "batches": "data/raw/cards", "split": {"until": None, "weeks": 4}}
    written = {f"reports/{name}.json": json.dumps(report) for name, report in REPORTS.items()}
    lock = json.dumps({"schema": "2.0", "stages": stages})  # JSON is YAML.
    copy.write({"dvc.yaml": DVC_YAML, "params.yaml": json.dumps(given | settings), "dvc.lock": lock, **written})
    copy.write({"reports/plots/cost.csv": "threshold,cost_per_1000\n0.5,7\n"})
    copy.commit()


class Story(NamedTuple):
    """A working copy, and what it tracks in an experiment and a model of its own."""

    copy: Copy
    server: Server
    name: str

    def settings(self) -> dict[str, str]:
        return {"MLFLOW_TRACKING_URI": self.server.uri, "MLFLOW_EXPER": self.name, "MLFLOW_REG": self.name}

    def command(self, verb: str, *arguments: str) -> list[str]:
        settings = [f"{name}={value}" for name, value in self.settings().items()]
        return ["env", *settings, warm_python(), "-m", f"fraud.loop.{verb}", *arguments]

    def track(self, *arguments: str, verb: str = "track", code: int = 0) -> str:
        """Do what `make track` does."""
        return self.copy.run(*self.command(verb, *arguments), code=code)

    def start(self, python: str = "", at: Copy | None = None) -> subprocess.Popen[str]:
        """Start what `make track` does, here or in a clone, in a group of processes of its own."""
        more = {"PATH": warmed()["PATH"], "PYTHONPATH": f"{ROOT}/src"}
        settings = environment(**self.settings(), **more)
        words = [python or warm_python(), "-m", "fraud.loop.track"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(words, cwd=(at or self.copy).path, env=settings, start_new_session=True, **pipes)

    def runs(self) -> list[Run]:
        return self.server.runs(self.name)

    def run(self) -> Run:
        """Return the only run, once it is finished."""
        (found,) = self.runs()
        assert found.status == "FINISHED"
        return found

    def versions(self) -> dict[str, dict[str, str]]:
        return self.server.versions(self.name)

    def aliases(self) -> dict[str, str]:
        return self.server.aliases(self.name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("mlflow")) as one:
        yield one


def story(path: Path, server: Server) -> Story:
    """Return a new working copy without a model."""
    copy = empty(path)
    copy.write({".gitignore": "/models/\n/data/\n"})
    copy.commit()
    return Story(copy, server, uuid4().hex)


@pytest.fixture
def told(tmp_path: Path, server: Server) -> Story:
    return story(tmp_path / "copy", server)


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Story:
    """A story of one commit on main, tracked; its tests change nothing."""
    one = story(tmp_path_factory.mktemp("track") / "copy", server)
    pin(one.copy, example())
    one.track()
    return one


def test_a_run_says_what_its_commit_says(main: Story) -> None:
    run, served = main.run(), example()
    assert run.params == {
        "dataset": "creditcard", "batches": "data/raw/cards", "split.until": "null", "split.weeks": "4"
    }  # fmt: skip
    numbers = {"average_precision": 0.8, "average_precision_low": 0.7, "average_precision_high": 0.9, "frauds": 7}
    assert run.metrics.items() >= (numbers | {"drift": 1, "drift_effect": 0.3}).items()
    assert run.metrics["drift_effect_over_threshold"] == pytest.approx(3)
    assert "precision" not in run.metrics
    commit = main.copy.run("git", "rev-parse", "HEAD").strip()
    tags = {"git_revision": commit, "author": "a test", "branch": "main", "dataset": "creditcard", "drift": "fired"}
    sums = {"model_md5": served.md5, "training_md5": "rquet", "batches_md5": "cards"}
    verdicts = {"retrain_reason": "drift", "retrain_week": "2026-W09", "gate": "better"}
    assert run.tags.items() >= (tags | sums | verdicts).items()


def test_weeks_are_the_steps_of_what_is_estimated(main: Story) -> None:
    run = main.run()
    assert run.history("estimated_recall") == [(0, 0.7), (1, 0.5)]
    assert run.history("estimated_recall_high") == [(0, 0.8), (1, 0.6)]
    assert run.history("realised_recall") == [(0, 0.75)]


def test_a_run_begins_and_ends_when_its_commit_was_made(main: Story) -> None:
    seconds = int(main.copy.run("git", "show", "--no-patch", "--format=%ct", "HEAD"))
    assert {main.run().info["start_time"], main.run().info["end_time"]} == {seconds * 1000}


def test_a_run_holds_reports_plots_and_the_model_with_its_signature(main: Story) -> None:
    files = main.run().files()
    assert files >= {"params.yaml", "dvc.lock", "reports/metrics.json", "reports/plots/cost.csv"}
    assert files >= {"model/MLmodel", "model/model.onnx", "model/input_example.json"}


def test_tracking_again_changes_nothing(main: Story) -> None:
    before, versions = main.run().info, main.versions()
    main.track()
    assert main.run().info == before
    assert main.versions() == versions == {"1": versions["1"]}
    assert versions["1"]["model_md5"] == example().md5


SCORE = """
import hashlib, sys
import mlflow, numpy as np, pandas as pd
name, rows, target, *names = sys.argv[1:]
folder = mlflow.artifacts.download_artifacts(f"models:/{name}@champion")
print(hashlib.md5(open(f"{folder}/model.onnx", "rb").read()).hexdigest())
model = mlflow.pyfunc.load_model(folder)
frame = pd.DataFrame(np.load(rows), columns=names)
np.save(target, model.predict(frame[names[::-1]])["probability"].to_numpy())
example = model.input_example
print(len(example), *example.columns)
"""


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
def test_the_champion_comes_back_byte_for_byte_and_scores_as_the_pipeline_to_the_last_bit(
    dataset: str, told: Story, tmp_path: Path
) -> None:
    served = example(dataset, "logistic_regression")
    pin(told.copy, served)
    told.track()
    rows, target = tmp_path / "rows.npy", tmp_path / "scores.npy"
    np.save(rows, served.features)
    settings = [*told.command("track")[:4], "MLFLOW_DISABLE_TELEMETRY=true"]
    said = told.copy.run(*settings, python(), "-c", SCORE, told.name, str(rows), str(target), *served.schema.features)
    lines = said.splitlines()
    assert served.md5 in lines
    assert f"1 {' '.join(served.schema.features)}" in lines
    expected = Model(served.content).probabilities(served.features)
    assert np.load(target).tobytes() == expected.tobytes()


@pytest.mark.parametrize("seconds", [0, 0.5])
def test_a_run_that_was_killed_half_way_is_done_anew_and_leaves_no_trace(seconds: float, told: Story) -> None:
    pin(told.copy, example())
    process = told.start(python())
    while not told.runs():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    told.track()
    assert "model/model.onnx" in told.run().files()
    assert list(told.versions()) == ["1"]


def test_two_at_once_in_two_clones_leave_one_run_and_one_version(told: Story, tmp_path: Path) -> None:
    pin(told.copy, example())
    other = told.copy.clone(tmp_path / "other")
    other.keep(example().content)
    processes = [told.start(), told.start(at=other)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "model/model.onnx" in told.run().files()
    assert list(told.versions()) == ["1"]


def test_two_at_once_in_one_working_copy_wait_for_each_other(told: Story) -> None:
    pin(told.copy, example())
    processes = [told.start(), told.start()]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert any("is at work here" in text for text in said)
    told.run()


def test_what_is_proposed_is_challenger_what_main_pins_is_champion_and_a_rollback_moves_it_back(told: Story) -> None:
    old, new = example(), example(seed=8)
    pin(told.copy, old)
    told.track()
    assert told.aliases() == {"champion": "1"}
    told.copy.run("git", "checkout", "-q", "-b", "retrain/2026-W09")
    pin(told.copy, new)
    told.track()
    assert told.aliases() == {"champion": "1", "challenger": "2"}
    told.copy.run("git", "checkout", "-q", "main")
    told.copy.run("git", "merge", "-q", "--squash", "retrain/2026-W09")
    told.copy.commit()
    told.track()
    assert told.aliases() == {"champion": "2"}
    told.copy.run("git", "revert", "--no-edit", "HEAD")
    assert "champion is version 1" in told.track()
    assert told.aliases() == {"champion": "1"}
    assert [tags["model_md5"] for _, tags in sorted(told.versions().items())] == [old.md5, new.md5]
    assert len(told.runs()) == 2


def test_another_branch_gets_a_run_but_neither_version_nor_alias_until_it_is_promoted(told: Story) -> None:
    pin(told.copy, example())
    told.track()
    told.copy.run("git", "checkout", "-q", "-b", "idea")
    pin(told.copy, example(seed=8))
    told.track()
    assert len(told.runs()) == 2
    assert (list(told.versions()), told.aliases()) == (["1"], {"champion": "1"})
    told.copy.run("git", "checkout", "-q", "--detach")
    assert "version 2 is champion" in told.track(verb="promote")
    assert told.aliases() == {"champion": "2"}


def test_with_all_each_distinct_lock_of_mains_history_is_one_run(told: Story) -> None:
    pin(told.copy, example())
    pin(told.copy, example(), seed=1)
    pin(told.copy, example(seed=8), seed=2)
    told.copy.run("git", "revert", "--no-edit", "HEAD")
    told.track()
    assert len(told.runs()) == 1
    told.track("ALL=1")
    assert sorted(run.params.get("seed", "") for run in told.runs()) == ["", "1", "2"]
    assert all("model/model.onnx" in run.files() for run in told.runs())
    assert sorted(tags["model_md5"] for tags in told.versions().values()) == sorted(
        [example().md5, example(seed=8).md5]
    )
    assert told.versions()[told.aliases()["champion"]]["model_md5"] == example().md5


def test_a_model_that_cannot_be_had_is_said_and_added_once_it_can(told: Story) -> None:
    pin(told.copy, example())
    (told.copy.path / "models/model.onnx").unlink()
    kept = next((told.copy.path / ".dvc/cache/files/md5").rglob(f"{example().md5[2:]}"))
    kept.unlink()
    said = told.track()
    assert "without its model: " in said
    assert "neither in the cache here nor in the DVC remote" in said
    assert "neither in the cache" in told.run().tags["model_missing"]
    assert "model/model.onnx" not in told.run().files()
    assert "neither in the cache" in told.track(verb="promote", code=1)
    before = told.run().id
    told.copy.keep(example().content)
    told.track()
    assert "model_missing" not in told.run().tags
    assert (told.run().id, told.aliases()) == (before, {"champion": "1"})


def test_a_lock_that_is_not_committed_is_not_tracked(told: Story) -> None:
    pin(told.copy, example())
    with (told.copy.path / "dvc.lock").open("a") as file:
        file.write("\n")
    assert "dvc.lock: differs from that of HEAD" in told.track()
    assert told.run().tags["dvc_lock_md5"]


def test_a_server_that_is_away_is_one_line_without_the_secret(told: Story) -> None:
    pin(told.copy, example())
    uri = f"http://anna:s3cret@127.0.0.1:{free_port()}"
    said = told.copy.run("env", f"MLFLOW_TRACKING_URI={uri}", warm_python(), "-m", "fraud.loop.track", code=1)
    assert said.splitlines() == [
        f"MLFLOW_TRACKING_URI={uri.replace('anna:s3cret@', '')}: nobody answers there; check the address, or unset "
        "it to keep runs in sqlite:///mlflow.db"
    ]


@pytest.mark.parametrize("uri", ["file:./mlruns", "file:///srv/mlruns", "./mlruns", "mlruns"])
def test_a_folder_gets_an_error_that_names_the_replacement(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(Problem, match=f"^MLFLOW_TRACKING_URI={uri}: .*; use sqlite:///mlflow.db$"):
        place()


def test_without_its_environment_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match=r"^\.venv-mlflow/bin/python is missing; run `make \.venv-mlflow/ready`"):
        mlflow_place.in_its_environment("fraud.loop.track")


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=12).map("zq".__add__)


@given(WORD, WORD, st.sampled_from(["http", "https", "postgresql", "postgresql+psycopg2", "mysql"]))
def test_no_secret_of_an_address_is_shown(user: str, password: str, scheme: str) -> None:
    uri = f"{scheme}://{user}:{password}@host:5000/runs?token={password}"
    assert shown(uri) == f"{scheme}://host:5000/runs"
    for said in (f"cannot use {uri}", f"wrong password {password}", f"API request to {uri}/x failed: code 500"):
        assert password not in cause(said, uri)


NUMBERS = st.one_of(st.floats(), st.integers(-(10**6), 10**6), st.none(), st.text(), st.booleans())


@given(st.dictionaries(st.text(min_size=1), st.one_of(NUMBERS, st.lists(NUMBERS, max_size=3))))
def test_only_finite_numbers_of_a_report_become_metrics(report: Mapping[str, Any]) -> None:
    revision = Revision("0" * 40, "main", False, "anna", 0, b"")
    found = tracked.metrics(tracked.Tracked(revision, {}, {}, {"metrics": report, "drift": {}, "estimate": {}}))
    assert all(math.isfinite(one.value) and not isinstance(one.value, bool) for one in found)
    plain = {name for name, value in report.items() if type(value) in (int, float) and math.isfinite(value)}
    assert {one.name for one in found} >= plain


def test_each_experiment_of_dvc_exp_run_is_one_run_in_the_default_database_and_its_pages_show_them(
    tmp_path: Path, finished: Repository
) -> None:
    repository = finished.copy(tmp_path / "small")
    for trees in (6, 7):
        repository.run("dvc", "exp", "run", "-q", "-n", f"trees-{trees}", "-S", f"train.trees={trees}")
    repository.run("git", "checkout", "-q", "params.yaml")
    (repository.path / ".venv-mlflow").symlink_to(Path(python()).parents[1])
    for _ in range(2):
        repository.run("python", "-m", "fraud.loop.track")
    port = free_port()
    words = ["-m", "fraud.loop.mlflow_pages", str(port)]
    with (tmp_path / "said").open("w") as said:
        settings = environment(PYTHONPATH="src")
        pages = subprocess.Popen([python(), *words], cwd=repository.path, env=settings, stdout=said, stderr=said)
    try:
        assert b"<title>MLflow</title>" in until_it_answers(f"http://127.0.0.1:{port}/", pages, tmp_path / "said")
        runs = {
            run.tags.get("experiment", "main"): run for run in Server(f"http://127.0.0.1:{port}").runs("FraudDetection")
        }
    finally:
        pages.terminate()
        pages.wait()
    assert {name: run.params["train.trees"] for name, run in runs.items()} == {
        "main": "5", "trees-6": "6", "trees-7": "7"
    }  # fmt: skip
    assert all(run.status == "FINISHED" and run.metrics["average_precision"] > 0 for run in runs.values())
    assert len({run.tags["model_md5"] for run in runs.values()}) == 3
    assert f"http://127.0.0.1:{port}/ shows sqlite:///mlflow.db" in (tmp_path / "said").read_text()


CLIENT = """
import json, sys
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
host, port, rows = sys.argv[1:]
client = ScoringServerClient(host, port)
client.ping()
answer = client.invoke(pd.DataFrame(json.loads(rows)))
print(json.dumps([client.get_version(), answer.get_predictions().to_dict("records")]))
"""


def test_an_unchanged_client_of_mlflow_gets_its_predictions_from_the_server_here(tmp_path: Path) -> None:
    served = example()
    with running(home(tmp_path, served)) as live:
        words = [f"any:{TOKEN}@127.0.0.1", str(live.port), json.dumps(served.payments()[:5])]
        done = subprocess.run(
            [python(), "-c", CLIENT, *words], capture_output=True, text=True, check=True, env=environment()
        )
    version, predictions = json.loads(done.stdout.splitlines()[-1])
    assert version == "3.17.2"
    expected = Model(served.content).probabilities(served.features[:5])
    assert [one["fraud_probability"] for one in predictions] == expected.tolist()
