"""The table of experiments: what DVC says of runs that did not end well, and of the parameters that differ."""

from typing import Any

from fraud.loop.experiments import Run, cells, changed, runs, table


def data(**parameters: Any) -> dict[str, Any]:
    metrics = {"average_precision": 0.8765, "recall": 0.5, "precision": None, "saved_per_1000": 1234.5}
    return {
        "params": {"params.yaml": {"data": parameters}},
        "metrics": {"reports/metrics.json": {"data": metrics}, "reports/drift.json": {"data": {"drift": True}}},
    }


def test_only_parameters_that_differ_are_named() -> None:
    base = data(train={"model": "extra_trees", "ratio": 0.1}, dataset="creditcard")
    assert changed(data(train={"model": "extra_trees", "ratio": 0.5}, dataset="payments"), base) == (
        "train.ratio=0.5 dataset=payments"
    )
    assert changed(base, base) == "-"


def test_a_run_shows_its_interval_and_an_undefined_metric_as_a_dash() -> None:
    shown = cells(Run("main", "abc", data()), data(), [0.8, 0.95])
    assert shown == ["main", "-", "0.876 (0.800 to 0.950)", "0.500", "-", "1234", "yes"]


def test_a_run_that_failed_or_waits_is_a_line_that_says_so() -> None:
    failed: list[dict[str, Any] | None] = [None, {"metrics": {}}]
    for found in failed:
        assert cells(Run("slow-one", "abc", found), data(), None)[:2] == [
            "slow-one",
            "no metrics: it failed, waits or runs",
        ]


def test_a_commit_stands_before_its_experiments_and_a_run_without_a_name_has_its_hash() -> None:
    experiment = {"name": None, "revs": [{"rev": "1234567890", "data": None}]}
    shown: list[dict[str, Any]] = [
        {"name": None, "rev": "workspace", "data": {}, "experiments": None},
        {"name": "main", "rev": "abcdef", "data": {}, "experiments": [experiment]},
    ]
    assert [one.name for one in runs(shown)] == ["workspace", "main", "1234567"]


def test_no_line_is_longer_than_120_letters_and_no_word_is_lost() -> None:
    change = " ".join(f"train.a_long_parameter_{number}=0.123456" for number in range(6))
    text = table([["a-name-of-more-than-eighteen-letters", change, "0.877 (0.821 to 0.929)", "0.5", "0.5", "1", "no"]])
    assert max(map(len, text.splitlines())) <= 120
    assert all(f"parameter_{number}" in text for number in range(6))
