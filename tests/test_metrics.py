"""make metrics: values, their intervals, and those of HEAD."""

from fraud.loop.metrics import table


def test_each_metric_stands_with_its_interval_and_its_value_at_head() -> None:
    ours = {
        "recall": 0.85,
        "recall_interval": [0.8, 0.9],
        "rows": 20000,
        "precision": None,
        "precision_interval": [None, None],
    }
    lines = table(ours, {"recall": 0.75}).splitlines()
    assert lines[1].split() == ["recall", "0.8500", "0.8000", "to", "0.9000", "0.7500"]
    assert lines[2].split() == ["rows", "20000", "-"]
    assert lines[3].split() == ["precision", "-", "-", "to", "-", "-"]
