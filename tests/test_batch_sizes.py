"""Batches that are far smaller or larger than those beside them: torn, or delivered twice."""

from hypothesis import given
from hypothesis import strategies as st

from fraud.loop.batch_sizes import Size, in_use, uneven


def sizes(*rows: int) -> list[Size]:
    return [Size(f"2026-W{week:02d}", count, 0, count) for week, count in enumerate(rows, start=1)]


def test_a_torn_week_is_named_with_what_it_holds_and_what_the_others_hold() -> None:
    torn = Size("2026-W04", 133, 1, 132)
    assert uneven([*sizes(1500, 1400, 1600), torn]) == [
        "2026-W04: 133 rows (1 of them in quarantine), and 1,500 is the median of the other weeks; "
        "see whether it came whole, and once"
    ]


@given(st.lists(st.integers(950, 1050), min_size=2, max_size=20), st.data())
def test_one_week_that_was_cut_or_doubled_is_named_and_no_ordinary_one_is(rows: list[int], data: st.DataObject) -> None:
    assert uneven(sizes(*rows)) == []
    index = data.draw(st.integers(0, len(rows) - 1))
    rows[index] = data.draw(st.sampled_from([rows[index] * 2, rows[index] // 2]))
    assert f"2026-W{index + 1:02d}" in [sentence.partition(":")[0] for sentence in uneven(sizes(*rows))]
    if len(rows) > 2:
        assert len(uneven(sizes(*rows))) == 1


def test_a_week_alone_is_compared_with_nothing() -> None:
    assert uneven(sizes(7)) == []


def test_the_weeks_of_the_window_and_those_since_are_looked_at_and_none_before() -> None:
    counts = {"rows": 10, "kept": 9, "quarantined": 1, "unlabelled": 4}
    ingested = {"batches": {f"2026-W{week:02d}": counts for week in range(1, 6)}}
    split = {
        "train": {"batches": ["2026-W02", "2026-W03"]},
        "test": {"batches": ["2026-W03"]},
        "current": {"batches": ["2026-W05"]},
    }
    assert in_use(ingested, split) == [Size(f"2026-W{week:02d}", 10, 1, 5) for week in (2, 3, 5)]
