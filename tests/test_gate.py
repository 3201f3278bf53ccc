"""make gate: a candidate against the champion of another commit, on the same rows."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import COST, NUMBERS, ROOT, params, payments
from fraud import gate_rule
from fraud.cost import losses
from fraud.errors import Problem
from fraud.features import Values, matrix
from fraud.gate_rule import Finding, Limit, Pair, differences, findings, interval, ranked, resampled, verdict
from fraud.loop import gate
from fraud.loop.judging.champion import NotComparable
from fraud.loop.judging.gate_table import sentence, table
from fraud.metrics import measure
from fraud.outputs import md5_of, write_json
from fraud.params_file import set_value
from fraud.rows import Rows
from fraud.schema import Column, Schema
from fraud.tables import write_table
from repositories import ENVIRONMENT, warmed
from s3 import Copy, empty, serving
from test_train import file_of, fitted

LIMITS = {
    "average_precision": Limit("higher", 0.01),
    "recall": Limit("higher", 0.05),
    "brier": Limit("lower", 0.001),
}
HIGHER, LOWER = Limit("higher", 0.01), Limit("lower", 0.01)


def pair(noise: tuple[float, float], rows: int = 3000, seed: int = 7) -> Pair:
    """Return two models that see the same signal through noise of their own."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(rows) < rows // 30).astype(np.int64)
    signal = 4 * labels + rng.normal(size=rows)
    held = Rows(np.empty((rows, 0)), labels, labels * rng.lognormal(4, 1, rows))
    scores = [signal + scale * rng.normal(size=rows) for scale in noise]
    sides = [ranked(1 / (1 + np.exp(3 - score)), held, 0.5, COST) for score in scores]
    return Pair(sides[0], sides[1], np.ones(rows))


def drawn(both: Pair, samples: int = 300) -> list[dict[str, Values]]:
    return [differences(both, weights) for weights in resampled(both, samples, 7)]


def found(both: Pair) -> dict[str, Finding]:
    return findings(both, drawn(both), LIMITS)


def test_identical_scores_differ_by_exactly_nothing() -> None:
    one = pair((0.5, 1)).champion
    both = Pair(one, one, np.ones(len(one.order)))
    assert all((part[name] == 0).all() for part in drawn(both) for name in LIMITS)
    assert {finding.verdict for finding in found(both).values()} == {"no different"}


@settings(max_examples=10)
@given(st.integers(0, 999), st.floats(0, 3))
def test_swapping_champion_and_candidate_mirrors_differences_and_verdicts(seed: int, noise: float) -> None:
    there = pair((0.5, noise), rows=600, seed=seed)
    back = Pair(there.candidate, there.champion, there.counts)
    mirrored, others = {"better": "worse", "worse": "better"}, found(back)
    for name, finding in found(there).items():
        other = others[name]
        assert (other.low, other.high) == pytest.approx((-finding.high, -finding.low), abs=1e-12)
        assert other.verdict == mirrored.get(finding.verdict, finding.verdict)


def test_each_model_gets_the_same_resampled_rows() -> None:
    both = pair((0.3, 0.3))
    weights = next(resampled(both, 5, 7))
    frauds = [weights[:, side.order] @ side.rows.fraud for side in (both.champion, both.candidate)]
    assert (frauds[0] == frauds[1]).all()
    assert (weights.sum(axis=1) == len(both.counts)).all()
    candidate = measure(both.candidate.rows, weights[:, both.candidate.order])["recall"]
    champion = measure(both.champion.rows, weights[:, both.champion.order])["recall"]
    assert differences(both, weights)["recall"] == pytest.approx(candidate - champion)


def test_a_shared_signal_cancels_so_that_the_interval_is_narrower_than_that_of_unpaired_rows() -> None:
    both = pair((0.3, 0.3))
    unpaired = Pair(both.champion, pair((0.3, 0.3), seed=8).candidate, both.counts)
    widths = [np.ptp(interval(np.concatenate([part["average_precision"] for part in drawn(one)]), 0.05))
              for one in (both, unpaired)]  # fmt: skip
    assert widths[0] < 0.7 * widths[1]


def test_the_same_seed_gives_the_same_findings() -> None:
    assert found(pair((0.5, 1))) == found(pair((0.5, 1)))


def test_much_more_noise_is_worse_in_all_that_it_spoils() -> None:
    assert {name: one.verdict for name, one in found(pair((0.3, 3))).items()} == dict.fromkeys(LIMITS, "worse")


def test_more_metrics_make_each_interval_wider_so_that_they_hold_together() -> None:
    both = pair((0.5, 0.6))
    many = found(both)["recall"]
    alone = findings(both, drawn(both), {"recall": LIMITS["recall"]})["recall"]
    assert many.low < alone.low < alone.high < many.high


@pytest.mark.parametrize(
    ("difference", "bounds", "limit", "expected"),
    [
        (0.03, (0.01, 0.05), HIGHER, "better"),
        (-0.03, (-0.05, -0.001), HIGHER, "worse"),
        (0.03, (0.01, 0.05), LOWER, "worse"),
        (-0.03, (-0.05, -0.001), LOWER, "better"),
        (-0.009, (-0.05, -0.001), HIGHER, "cannot tell"),
        (-0.03, (-0.05, 0.001), HIGHER, "cannot tell"),
        (-0.009, (-0.01, -0.001), HIGHER, "no different"),
        (0, (-0.01, 0.01), LOWER, "no different"),
        (0, (0, 0), Limit("higher", 0), "no different"),
        (np.nan, (np.nan, np.nan), HIGHER, "cannot tell"),
    ],
)
def test_worse_is_beyond_the_tolerance_and_beyond_chance(
    difference: float, bounds: tuple[float, float], limit: Limit, expected: str
) -> None:
    assert verdict(difference, bounds, limit) == expected


def test_a_candidate_that_never_raises_an_alert_has_no_precision_and_is_worse_in_recall() -> None:
    both = pair((0.3, 0.3))
    silent = both._replace(candidate=both.candidate._replace(rows=both.candidate.rows._replace(threshold=2.0)))
    limits = LIMITS | {"precision": HIGHER}
    judged = findings(silent, drawn(silent), limits)
    assert judged["precision"].verdict == "cannot tell"
    assert judged["recall"].verdict == "worse"
    line = next(
        line for line in table(judged, limits, 100).splitlines() if "precision" in line and "average" not in line
    )
    assert line.endswith("| - | - | - to - | 0.01 | cannot tell with 100 frauds |")


def test_samples_in_which_a_metric_is_not_defined_are_left_out_of_its_interval() -> None:
    assert interval(np.array([np.nan, 1, 2, 3, np.nan]), 0.5) == (1.5, 2.5)


SAME = Finding(0.8, 0.8, 0, 0, "no different")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("better", "worse", "cannot tell"), "Worse: the candidate is worse than the model of main in recall."),
        (("better", "cannot tell", "no different"), "Better: .* in average_precision, and worse in none."),
        (("no different", "cannot tell", "no different"), "Not worse, as far as 81 frauds can tell: .* how recall"),
        (("no different", "no different", "no different"), "No different: .* within the tolerance of each metric."),
    ],
)
def test_one_worse_metric_decides_and_else_one_better(verdicts: tuple[Any, ...], expected: str) -> None:
    judged = {name: SAME._replace(verdict=word) for name, word in zip(LIMITS, verdicts, strict=True)}
    assert re.search(expected, sentence(judged, "main", 81))


def test_decimals_follow_the_tolerance() -> None:
    one = Finding(0.0123456, 0.0123999, -0.00001, 0.0001, "no different")
    lines = table({"brier": one}, {"brier": Limit("lower", 0.0002)}, 81).splitlines()
    numbers = "0.012346 | 0.012400 | +0.000054 | -0.000010 to +0.000100 | 0.0002"
    assert lines[2] == f"| brier | {numbers} | no different within the tolerance |"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("metrics: {recal: {better: higher, tolerance: 0}}", r"unknown metric 'recal' \(did you mean 'recall'\?\)"),
        ("metrics: {recall: {better: hihger, tolerance: 0}}", r"metric 'recall': better: .*; use higher, lower"),
        ("metrics: {recall: {better: higher, tolerance: -1}}", r"metric 'recall': tolerance: expected `float` >= 0"),
        (
            "metrics: {recall: {better: higher, tolerence: 0}}",
            r"metric 'recall': unknown key 'tolerence' \(did you mean",
        ),
        ("metrics: {recall: 0.05}", r"metric 'recall': found 0.05, expected the keys better, tolerance"),
        ("metrics: {}", r"metrics: found none, expected one at least"),
    ],
)
def test_a_mistake_in_the_section_is_named_with_its_place(
    section: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"gate:\n  {section}\n  samples: 200\n  seed: 7\n")
    with pytest.raises(Problem, match=r"^params.yaml, section 'gate'.*" + message):
        gate_rule.load()


def test_the_section_of_this_repository_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, limits = gate_rule.load()
    assert {"average_precision", "recall", "precision", "saved_per_1000", "brier"} <= set(limits)


DVC_YAML = """\
stages:
  split: {cmd: "true", outs: [data/split/test.parquet, reports/split.json: {cache: false}]}
  train: {cmd: "true", outs: [models/model.onnx]}
"""
INTEGERS = Schema("numbers", NUMBERS.columns | {"speed": Column(role="feature", type="integer")}, "amount")


def speeding(rows: int, seed: int) -> pa.Table:
    """Return payments of which most frauds are fast."""
    table = payments(NUMBERS, rows=rows, seed=seed)
    speed = np.random.default_rng(seed).normal(10, 1, rows) + 3 * np.asarray(table["fraud"])
    return table.set_column(table.column_names.index("speed"), "speed", pa.array(np.round(speed, 2)))


UNSEEN = speeding(1500, seed=8)


class Pins(NamedTuple):
    """What a commit pins."""

    model: bytes
    trained: str = "week-1"
    dataset: str = "numbers"
    rows: pa.Table = UNSEEN.slice(0, 1000)


def pin(copy: Copy, pins: Pins) -> None:
    """Commit a model and a split as the graph would pin them."""
    (copy.path / "models").mkdir(exist_ok=True)
    (copy.path / "models/model.onnx").write_bytes(pins.model)
    rows = pins.rows.append_column("batch", pa.array(["week-2"] * len(pins.rows)))
    write_table(copy.path / "data/split/test.parquet", rows)
    split = {"dataset": pins.dataset, "train": {"batches": [pins.trained]}, "test": {"batches": ["week-2"]}}
    write_json(copy.path / "reports/split.json", split)
    paths = ["models/model.onnx", "data/split/test.parquet", "reports/split.json"]
    model, rows, report = (f"{{path: {path}, hash: md5, md5: {md5_of(copy.path / path)}}}" for path in paths)
    lock = f"schema: '2.0'\nstages:\n  split: {{cmd: 'true', outs: [{rows}, {report}]}}\n"
    copy.write({"dvc.yaml": DVC_YAML, "dvc.lock": f"{lock}  train: {{cmd: 'true', outs: [{model}]}}\n"})
    copy.keep((copy.path / "models/model.onnx").read_bytes())
    copy.commit()


def cached(copy: Copy, path: str) -> Path:
    md5 = md5_of(copy.path / path)
    return copy.path / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"


def on_branch(copy: Copy, name: str, pins: Pins) -> None:
    copy.run("git", "checkout", "-q", "-b", name, "main")
    pin(copy, pins)


def model(schema: Schema = NUMBERS, spoiled: float = 0) -> bytes:
    """Return a model file; a share of the rows that it is trained on can have the features of other rows."""
    table, rng = speeding(1500, seed=7), np.random.default_rng(7)
    labels, rows = np.asarray(table["fraud"], dtype=np.int64), np.arange(1500)
    other = np.where(rng.random(1500) < spoiled, rng.permutation(rows), rows)
    held = Rows(matrix(table, schema)[other], labels, losses(table, labels, schema, COST))
    trained, _ = fitted(held, schema, params(sampler="none"))
    return file_of(trained, held, schema, params(sampler="none"))


class World(NamedTuple):
    """A working copy with a good model, branches with other ones to compare it with, and the bytes of a bad one."""

    copy: Copy
    bad: bytes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    copy = empty(tmp_path_factory.mktemp("gate") / "copy")
    text = set_value((ROOT / "params.yaml").read_text(), "gate.samples", 200)
    copy.write({"params.yaml": text, ".gitignore": "/models/\n/data/\n"})
    copy.commit()
    bad = model(spoiled=0.5)
    on_branch(copy, "bad", Pins(bad))
    on_branch(copy, "integers", Pins(model(INTEGERS)))
    on_branch(copy, "shops", Pins(bad, dataset="shops"))
    on_branch(copy, "seen", Pins(bad, trained="week-2", rows=UNSEEN))
    on_branch(copy, "stratified", Pins(bad, trained="week-2"))
    on_branch(copy, "foreign", Pins(b"not a model"))
    on_branch(copy, "lost", Pins(b"lost"))
    cached(copy, "models/model.onnx").unlink()
    on_branch(copy, "torn", Pins(b"torn"))
    cached(copy, "models/model.onnx").write_bytes(b"TORN")
    on_branch(copy, "good", Pins(model()))
    return World(copy, bad)


@pytest.fixture
def inside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in the working copy of the good model."""
    monkeypatch.chdir(world.copy.path)
    monkeypatch.setenv("PATH", warmed()["PATH"])


@pytest.mark.usefixtures("inside")
def test_a_better_candidate_passes_with_a_table_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    gate.main("bad")
    said = capsys.readouterr().out.splitlines()
    assert f"Candidate: {md5_of('models/model.onnx')[:6]}… of the working copy." in said[0]
    assert said[0].endswith("1000 test rows with 97 frauds.")
    assert [line.split(" | ")[0].strip("| ") for line in said if line.startswith("| ")][1:] == list(gate_rule.load()[1])
    assert re.fullmatch("Better: the candidate is better than the model of bad in .*average_precision.*", said[-1])


def test_a_worse_candidate_ends_with_code_1_and_says_in_what(world: World, tmp_path: Path) -> None:
    worse = world.copy.twin(tmp_path / "worse")
    on_branch(worse, "worse", Pins(world.bad))
    said = worse.loop("gate", "good", code=1)
    assert "Traceback" not in said
    assert "\nWorse: the candidate is worse than the model of good" in said
    assert re.fullmatch(r"models/model.onnx: worse than the model of good.* in average_precision, .*section 'gate', .*",
                        said.splitlines()[-1])  # fmt: skip


@pytest.mark.usefixtures("inside")
def test_the_same_model_passes_without_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    gate.main("HEAD")
    assert capsys.readouterr().out.startswith("The same model: HEAD and the working copy both pin ")


@pytest.mark.usefixtures("inside")
def test_test_rows_that_both_commits_pin_were_unseen_whatever_their_batches() -> None:
    gate.main("stratified")


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("nowhere", "BASE=nowhere: git knows no such commit; .*BASE=origin/main"),
        ("--all", "BASE=--all: git knows no such commit"),
        ("main", "main: its dvc.lock pins no models/model.onnx, so there is no champion yet; merge the first one"),
        ("shops", "shops: its model is for data set 'shops', the one here for 'numbers'; name a BASE"),
        ("seen", "seen: its model was trained on week-2, .*; set split.until in params.yaml to a newer batch"),
        ("integers", "integers: its model takes other columns than the schema here has, like 'speed'; merge the first"),
        ("foreign", "foreign: its models/model.onnx cannot be read here: .*not a model of this project"),
        ("lost", r"lost: its models/model.onnx did not come: [0-9a-f]{32} is neither in the cache here nor in .*; "
                 "`make push` where lost is whole"),
        ("torn", "torn: its models/model.onnx came as [0-9a-f]{6}…, but .* pins [0-9a-f]{6}…; remove files/md5/"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_told_apart_by_its_code(base: str, message: str) -> None:
    with pytest.raises(NotComparable, match=f"^{message}") as problem:
        gate.main(base)
    assert "\n" not in str(problem.value)
    assert problem.value.code == 2


def test_the_code_reaches_the_caller(world: World) -> None:
    said = world.copy.loop("gate", "nowhere", code=2)
    assert said.count("\n") == 1


def test_a_base_whose_report_names_no_batches_cannot_be_compared(world: World, tmp_path: Path) -> None:
    copy = world.copy.twin(tmp_path / "copy")
    copy.run("git", "checkout", "-q", "-b", "mute", "bad")
    copy.write({"reports/split.json": "{}"})
    copy.commit()
    copy.run("git", "checkout", "-q", "good")
    assert "mute: its reports/split.json does not say which batches" in copy.loop("gate", "mute", code=2)


def test_too_few_frauds_cannot_be_compared(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = world.copy.twin(tmp_path / "copy")
    pin(copy, Pins((copy.path / "models/model.onnx").read_bytes(), rows=UNSEEN.slice(0, 50)))
    monkeypatch.chdir(copy.path)
    monkeypatch.setenv("PATH", ENVIRONMENT["PATH"])
    with pytest.raises(NotComparable, match=r"data/split/test.parquet: found \d frauds, expected 20 .*test_weeks"):
        gate.main("bad")


@pytest.mark.parametrize("path", ["models/model.onnx", "data/split/test.parquet", "reports/split.json"])
@pytest.mark.parametrize("content", ["changed", None])
def test_files_that_the_lock_does_not_pin_are_an_ordinary_problem(
    path: str, content: str | None, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = world.copy.twin(tmp_path / "copy")
    (copy.path / path).unlink()
    copy.write({path: content} if content else {})
    monkeypatch.chdir(copy.path)
    with pytest.raises(Problem, match=f"^{path} is .*; run `make repro`") as problem:
        gate.main("bad")
    assert problem.value.code == 1


def test_a_champion_comes_from_s3_and_what_is_wrong_there_is_told(world: World, tmp_path: Path) -> None:
    with serving(tmp_path / "s3", "bucket") as server:
        copy = world.copy.twin(tmp_path / "copy")
        copy.run("git", "checkout", "-q", "bad")
        copy.loop("remote", "S3=s3://bucket", f"ENDPOINT={server.endpoint}")
        copy.run("git", "commit", "-qam", "S3")
        copy.run("git", "checkout", "-q", "good")
        copy.run("git", "checkout", "-q", "bad", "--", ".dvc/config")
        md5 = hashlib.md5(world.bad, usedforsecurity=False).hexdigest()
        key = f"files/md5/{md5[:2]}/{md5[2:]}"
        (server.folder / "bucket" / key).parent.mkdir(parents=True)
        shutil.move(copy.path / ".dvc/cache" / key, server.folder / "bucket" / key)
        server.set(f"bucket/{key}", world.bad)
        assert "Better: " in copy.loop("gate", "bad")
        server.set(f"bucket/{key}", b"damaged")
        assert f"; remove {key} from .dvc/cache or the remote" in copy.loop("gate", "bad", code=2)
        server.set(f"bucket/{key}", None)
        assert f"{md5} is neither in the cache here nor in s3://bucket at " in copy.loop("gate", "bad", code=2)
        copy.proof = "wrong"
        assert "the server refuses these credentials" in copy.loop("gate", "bad", code=2)
