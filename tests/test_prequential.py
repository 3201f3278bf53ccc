"""Policies of retraining: which model is live in each week, what came of it, and the run that measures all models."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from fraud.loop.pages.prequential_picture import picture
from fraud.loop.prequential import asked, line, title
from fraud.loop.rolling.folds import LABELLED, fold, ingested, windows
from fraud.loop.rolling.policies import METRICS, POLICIES, Fold, History, Step, summary, walk
from repositories import Repository, small

Alarms = dict[int, Iterable[int]]  # By the newest week of a window, the weeks at whose end its verdict is drift.
WINDOW = 3


def measured(**changes: float | None) -> dict[str, Any]:
    return dict.fromkeys(METRICS, 0.5) | {"labelled": 1000, "frauds": 10} | changes


def history(weeks: int = 9, alarms: Alarms | None = None, unseen: int = 1, delay: int = 0) -> History:
    """Return a history of weeks W1, W2, ... in which the window's newest week is the test week."""
    names, folds = [f"W{week}" for week in range(1, weeks + 1)], {}
    for until in range(WINDOW, weeks - delay):
        later = {name: measured() for name in names[until:]}
        folds[f"W{until}"] = Fold(later, frozenset(f"W{week}" for week in (alarms or {}).get(until, ())))
    return History(names, folds, unseen, delay)


def live(found: History, policy: str) -> list[tuple[str, str]]:
    return [(step.week, step.until) for step in walk(found, POLICIES[policy])]


def retrained(found: History, policy: str) -> list[str]:
    return [step.week for step in walk(found, POLICIES[policy]) if step.retrained]


def test_never_keeps_the_first_model() -> None:
    found = history(alarms={3: range(4, 10)})
    assert live(found, "never") == [(f"W{week}", "W3") for week in range(4, 10)]
    assert retrained(found, "never") == []


def test_weekly_takes_a_new_model_every_week_after_the_first() -> None:
    assert live(history(), "weekly") == [(f"W{week}", f"W{week - 1}") for week in range(4, 10)]
    assert retrained(history(), "weekly") == ["W5", "W6", "W7", "W8", "W9"]


def test_on_drift_takes_a_new_model_in_the_week_after_one_that_fired() -> None:
    assert retrained(history(), "on_drift") == []
    found = history(alarms={3: [6, 7], 6: [9]})
    assert live(found, "on_drift") == [("W4", "W3"), ("W5", "W3"), ("W6", "W3"), *((f"W{n}", "W6") for n in (7, 8, 9))]
    assert [step.week for step in walk(found, POLICIES["on_drift"]) if step.fired] == ["W6", "W9"]


def test_a_model_retrained_at_once_has_not_trained_on_the_drifted_week_and_fires_again() -> None:
    found = history(alarms={3: range(6, 10), 6: range(7, 10)})
    assert retrained(found, "on_drift") == ["W7", "W8"]


def test_patience_retrains_once_when_the_drifted_week_is_a_training_week() -> None:
    found = history(alarms={3: range(6, 10), 6: range(7, 10)})
    assert live(found, "on_drift_patiently")[2:] == [("W6", "W3"), ("W7", "W3"), ("W8", "W7"), ("W9", "W7")]


def test_patience_waits_for_a_week_that_drifted_for_one_week_only() -> None:
    assert retrained(history(alarms={3: [5]}), "on_drift_patiently") == ["W7"]


def test_labels_that_come_late_hold_every_model_back() -> None:
    found = history(alarms={3: [7]}, unseen=3, delay=2)
    assert live(found, "weekly") == [("W6", "W3"), ("W7", "W4"), ("W8", "W5"), ("W9", "W6")]
    assert live(found, "on_drift") == [("W6", "W3"), ("W7", "W3"), ("W8", "W5"), ("W9", "W5")]


def test_an_alarm_before_the_first_model_was_live_counts_once_there_is_a_newer_one() -> None:
    found = history(alarms={3: [5]}, unseen=3, delay=2)
    assert live(found, "on_drift")[:2] == [("W6", "W3"), ("W7", "W4")]


def test_a_window_that_lacks_labels_leaves_the_model_before_it_live() -> None:
    found = history()
    del found.folds["W5"], found.folds["W6"]
    assert live(found, "weekly")[1:5] == [("W5", "W4"), ("W6", "W4"), ("W7", "W4"), ("W8", "W7")]


ANY_ALARMS = st.dictionaries(st.integers(3, 12), st.sets(st.integers(4, 12)))


@given(ANY_ALARMS, st.integers(0, 3), st.integers(1, 2), st.sampled_from(sorted(POLICIES)))
def test_no_model_is_live_before_the_labels_of_its_window_are_known(
    alarms: Alarms, delay: int, tested: int, policy: str
) -> None:
    found = history(12, alarms, tested + delay, delay)
    for week, until in live(found, policy):
        assert found.names.index(until) < found.names.index(week) - delay


@given(ANY_ALARMS, st.integers(0, 2), st.integers(8, 11), st.sampled_from(sorted(POLICIES)))
def test_no_policy_knows_a_later_week(alarms: Alarms, delay: int, weeks: int, policy: str) -> None:
    whole, cut = (history(count, alarms, 1 + delay, delay) for count in (12, weeks))
    assert live(whole, policy)[: weeks - WINDOW - delay] == live(cut, policy)


def test_money_and_means_leave_out_what_is_not_known() -> None:
    unknown = dict.fromkeys(METRICS) | {"labelled": 0, "frauds": 0}
    no_fraud = measured(average_precision=None, recall=None, saved_per_1000=-5.0)
    weeks = [measured(saved_per_1000=20.0), no_fraud, measured(average_precision=0.7, labelled=500), unknown]
    found = summary([Step(f"W{place}", "W0", place == 1, False, one) for place, one in enumerate(weeks)])
    assert found["retrainings"] == 1
    assert found["average_precision"] == {"mean": 0.6, "standard_deviation": 0.141421, "weeks": 2}
    assert found["precision"]["weeks"] == 3
    assert found["total_saved"] == 15.25
    assert found["total_saved_per_1000"] == 6.1


def test_a_policy_of_which_nothing_is_known_has_no_numbers() -> None:
    found = summary([Step("W4", "W3", False, False, dict.fromkeys(METRICS) | {"labelled": 0, "frauds": 0})])
    assert found["recall"] == {"mean": None, "standard_deviation": None, "weeks": 0}
    assert found["total_saved"] is found["total_saved_per_1000"] is None
    assert line("never", found) == "| never | 0 | - ± - | - ± - | - ± - | - ± - | - |"


def batch(labelled: int) -> dict[str, int]:
    return {"kept": 100, "unlabelled": 100 - labelled}


SECTION = {"weeks": 3, "label_delay_weeks": 0}


def test_every_window_with_labels_that_leaves_a_later_week_is_a_fold() -> None:
    batches = {f"W{week}": batch(0 if week == 8 else 1) for week in range(1, 9)}
    assert windows(batches, SECTION) == ["W5", "W6", "W7"]
    assert windows(batches, SECTION | {"label_delay_weeks": 2}) == ["W4", "W5"]
    batches["W5"] = batch(0)
    assert windows(batches, SECTION) == ["W4"]


def test_windows_at_the_start_are_left_to_drift_to_learn_from_four_at_most() -> None:
    batches = {f"W{week}": batch(1) for week in range(1, 31)}
    assert windows(batches, SECTION) == [f"W{week}" for week in range(7, 30)]


def test_too_few_batches_are_a_problem_that_says_how_many_it_takes() -> None:
    batches = {f"W{week}": batch(1) for week in range(1, 5)}
    with pytest.raises(
        Problem, match=r"needs 3 labelled batches in a row and 2 after them; found 4 batches, 4 of them"
    ):
        windows(batches, SECTION | {"label_delay_weeks": 1})


def check(week: str, name: str, ratio: float) -> dict[str, str]:
    return {"week": week, "check": name, "effect_over_threshold": str(ratio)}


def test_drift_in_labels_is_seen_when_the_labels_are_known_and_other_drift_at_once() -> None:
    names = [f"W{week}" for week in range(1, 9)]
    checks = [check("W5", "V1", 1.5), check("W4", "V2", 1.0), check("W6", LABELLED[0], 2), check("W7", LABELLED[1], 2)]
    assert fold([], checks, names, 0).alarms == {"W5", "W6", "W7"}
    assert fold([], checks, names, 2).alarms == {"W5", "W8"}


def test_only_weeks_after_the_window_are_measured() -> None:
    realised = dict.fromkeys(METRICS, 0.5)
    parts = [{"week": "W4", "part": "test"}, {"week": "W5", "part": "current"}]
    found = fold([one | {"realised": realised, "labelled": 7, "frauds": 1} for one in parts], [], ["W4", "W5"], 0)
    assert found.weeks == {"W5": realised | {"labelled": 7, "frauds": 1}}


def test_the_checks_that_wait_for_labels_are_called_as_drift_calls_them() -> None:
    checks = {one.split(",")[1] for one in (ROOT / "reports/plots/drift.csv").read_text().splitlines()}
    assert checks >= set(LABELLED)


def test_drift_is_simulated_only_where_it_is_asked_for() -> None:
    assert asked(("DRIFT=", "FROM=", "WEEKS=")) == {}
    assert asked(("DRIFT=shift", "FROM=5", "WEEKS=")) == {
        "simulate.drift": "shift",
        "simulate.drift_from": 5,
        "simulate.weeks": 16,
        "batches": "data/simulate",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FROM=7",), "FROM goes with DRIFT, like `make prequential DRIFT=new_fraud FROM=11 WEEKS=16`"),
        (("DRIFT=shift", "FROM=soon"), "FROM=soon: expected a whole number above 0, like FROM=11"),
        (("DRIFT=shift", "WEEKS=0"), "WEEKS=0: expected a whole number above 0, like WEEKS=16"),
    ],
)
def test_options_that_make_no_sense_are_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(Problem, match=re.escape(message)):
        asked(arguments)


def drawn(found: dict[str, list[Step]]) -> ET.Element:
    return ET.fromstring(picture(found, "a < b"))  # noqa: S314  # made two lines above


def marks(root: ET.Element, kind: str) -> list[str]:
    circles = [one for one in root.findall(".//{*}circle") if kind in one.attrib["class"].split()]
    return ["".join(one.itertext()).split(":")[0] for one in circles]


def test_the_picture_marks_each_retraining_and_each_drifted_week() -> None:
    steps = {"on_drift": walk(history(alarms={3: [6], 6: [9]}), POLICIES["on_drift"])}
    root = drawn(steps)
    assert marks(root, "new")[:-1] == ["W7"]  # The last one is the key.
    assert marks(root, "fired")[:-1] == ["W6", "W9"]


def test_a_week_without_a_metric_is_a_gap_in_the_line_and_not_a_zero() -> None:
    values = [0.8, 0.7, None, 0.9, 0.8]
    steps = [Step(f"W{n}", "W0", False, False, measured(average_precision=one)) for n, one in enumerate(values)]
    (path,) = [one.attrib["d"] for one in drawn({"never": steps}).findall(".//{*}path") if "L" in one.attrib["d"]]
    assert path.count("M") == 2
    assert path.count("L") == 2


def test_a_picture_of_nothing_known_is_still_one() -> None:
    steps = [Step("W4", "W3", False, False, measured(average_precision=None))]
    assert "nan" not in ET.tostring(drawn({"never": steps}), encoding="unicode").lower()


def test_drift_is_simulated_into_the_scratch_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = small(tmp_path / "clone")
    monkeypatch.chdir(repository.path)
    changes = asked(("DRIFT=fraud_rate", "FROM=4", "WEEKS=5"))
    found = ingested(tmp_path / "scratch", changes | {"simulate.rows_per_week": 500})
    assert [one["kept"] for one in found.values()] == [500] * 5
    assert found["2026-W04"]["frauds"] > 2 * found["2026-W03"]["frauds"]
    assert repository.run("git", "status", "--porcelain") == ""
    assert not (repository.path / "data/simulate").exists()


def test_a_stage_that_stops_says_which_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(Problem, match=r"stage simulate, .*: params.yaml, section 'simulate': drift: .*new_fraud"):
        ingested(tmp_path / "scratch", asked(("DRIFT=new_frauds",)))


class Run(NamedTuple):
    """What a whole run left and printed: eight small weeks, no fraud in the seventh, no label in the eighth."""

    path: Path
    printed: str

    def report(self) -> dict[str, Any]:
        return json.loads((self.path / "policies.json").read_text())

    def rows(self) -> list[dict[str, str]]:
        with (self.path / "weeks.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    repository = small(tmp_path_factory.mktemp("prequential"))
    repository.set({"simulate.weeks": 8, "split.weeks": 3, "train.trees": 3})
    repository.run("python", "-m", "fraud.stages.simulate", "data/schemas/creditcard.yaml", "data/simulate")
    for week, label in ((7, "0"), (8, "")):
        path = repository.path / f"data/simulate/2026-W0{week}.csv"
        head, *others = path.read_text().splitlines()
        path.write_text("\n".join([head, *(f"{one.rpartition(',')[0]},{label}" for one in others), ""]))
    printed = repository.run("python", "-m", "fraud.loop.prequential", "DRIFT=", "FROM=", "WEEKS=")
    return Run(repository.path / "reports/prequential", printed)


def test_a_run_writes_a_row_a_policy_and_week(done: Run) -> None:
    weekly = [one for one in done.rows() if one["policy"] == "weekly"]
    assert {one["policy"] for one in done.rows()} == set(POLICIES)
    assert [(one["week"], one["until"], one["retrained"]) for one in weekly] == [
        ("2026-W06", "2026-W05", "0"),
        ("2026-W07", "2026-W06", "1"),
        ("2026-W08", "2026-W07", "1"),
    ]


def test_a_week_without_fraud_and_one_without_labels_have_empty_cells_and_never_nan(done: Run) -> None:
    first, no_fraud, unknown = (one for one in done.rows() if one["policy"] == "weekly")
    assert float(first["average_precision"]) > 0.3
    assert (no_fraud["frauds"], no_fraud["average_precision"], no_fraud["recall"]) == ("0", "", "")
    assert float(no_fraud["saved_per_1000"]) <= 0
    assert (unknown["labelled"], [unknown[name] for name in METRICS]) == ("0", [""] * len(METRICS))
    assert "nan" not in (done.path / "weeks.csv").read_text().lower()


def test_the_summary_and_the_printed_table_tell_the_same(done: Run) -> None:
    assert [done.report()[name]["retrainings"] for name in ("never", "weekly")] == [0, 2]
    for name, one in done.report().items():
        assert line(name, one) in done.printed


def test_the_picture_says_which_data_it_shows(done: Run) -> None:
    drawing = ET.parse(done.path / "weeks.svg").getroot()  # noqa: S314  # our own
    assert drawing.findtext("{*}title") == "What retraining is worth: creditcard"
    assert title(asked(("DRIFT=shift", "FROM=5"))).endswith(", shift from week 5 on")


def test_dvc_reads_the_table_and_the_summary(done: Run) -> None:
    repository = Repository(done.path.parent.parent)
    assert "weekly.total_saved" in repository.run("dvc", "metrics", "show", "reports/prequential/policies.json")
    repository.run("dvc", "plots", "show", "reports/prequential/weeks.csv", "-x", "week", "-y", "average_precision")


def test_the_readme_shows_the_table_of_the_committed_run() -> None:
    found = json.loads((ROOT / "reports/prequential/policies.json").read_text())
    readme = (ROOT / "README.md").read_text()
    for name, one in found.items():
        assert line(name, one) in readme
