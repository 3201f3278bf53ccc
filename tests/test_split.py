"""Split: which rows train, test and are current."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import Problem
from fraud.stages.split import Params, Window, split, window

PARAMS = Params(method="time", until="W08", weeks=4, test_weeks=1, label_delay_weeks=0, test_fraction=0.25, seed=7)
WEEKS = [f"W{week:02d}" for week in range(1, 13)]


def params(**changes: Any) -> Params:
    return msgspec.structs.replace(PARAMS, **changes)


def batch(name: str, labels: Sequence[int | None]) -> pa.Table:
    row = [f"{name}/{place}" for place in range(len(labels))]
    return pa.table({"row": row, "fraud": pa.array(labels, pa.int64()), "batch": [name] * len(labels)})


def tables(names: list[str]) -> dict[str, pa.Table]:
    return {name: batch(name, [0, 1, 0, None, 0, 1, 0, 0]) for name in names}


def test_training_ends_where_the_test_weeks_begin_and_current_is_what_came_after() -> None:
    assert window(WEEKS, PARAMS) == (["W05", "W06", "W07"], ["W08"], ["W09", "W10", "W11", "W12"])


def test_weeks_whose_labels_were_not_known_are_left_out() -> None:
    assert window(WEEKS, params(label_delay_weeks=1, test_weeks=2)) == (["W05"], ["W07", "W08"], WEEKS[8:])


def test_no_until_means_the_newest_batch() -> None:
    assert window(WEEKS, params(until=None)) == (["W09", "W10", "W11"], ["W12"], [])


def test_a_new_batch_changes_current_and_nothing_else() -> None:
    before, after = window(WEEKS, PARAMS), window([*WEEKS, "W13"], PARAMS)
    assert before[:2] == after[:2]
    assert after.current == [*before.current, "W13"]


@given(
    st.integers(1, 8),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from(WEEKS),
    st.sampled_from(["time", "stratified"]),
)
def test_every_labelled_row_lands_in_one_part_at_most(
    weeks: int, test_weeks: int, delay: int, until: str, method: str
) -> None:
    section = params(weeks=weeks, test_weeks=test_weeks, label_delay_weeks=delay, until=until, method=method)
    try:
        parts = window(WEEKS, section)
    except Problem:
        return
    found = split(tables(WEEKS), parts, "fraud", section)
    rows = [row for part in found for row in part["row"].to_pylist()]
    assert len(rows) == len(set(rows))
    expected = {row for name in {*parts.train, *parts.test} for row in tables(WEEKS)[name]["row"].to_pylist()}
    assert {row for row in expected if not row.endswith("/3")} <= set(rows)


def test_rows_without_a_label_are_only_ever_current() -> None:
    found = split(tables(WEEKS), window(WEEKS, PARAMS), "fraud", PARAMS)
    assert [part["fraud"].null_count for part in found] == [0, 0, 4]


def test_a_stratified_split_keeps_the_share_of_frauds_in_both_parts() -> None:
    section = params(method="stratified", weeks=1)
    whole = {name: batch(name, [0] * 80 + [1] * 20) for name in WEEKS}
    found = split(whole, window(WEEKS, section), "fraud", section)
    assert [(len(part), sum(part["fraud"].to_pylist())) for part in found[:2]] == [(75, 15), (25, 5)]


def test_a_stratified_split_depends_on_its_seed_alone() -> None:
    sections = [params(method="stratified", seed=seed) for seed in (1, 1, 2)]
    first, again, other = (split(tables(WEEKS), window(WEEKS, one), "fraud", one).test for one in sections)
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"until": "W8"}, r"until is 'W8' \(did you mean 'W08'\?\), but the batches are W01 to W12"),
        ({"until": "W03"}, r"weeks is 4, but there are 3 batches up to W03; lower weeks, or bring more"),
        ({"test_weeks": 3, "label_delay_weeks": 1}, r"test_weeks \(3\) and label_delay_weeks \(1\) leave none"),
    ],
)
def test_a_window_that_cannot_be_cut_says_which_key_to_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        window(WEEKS, params(**changes))


def test_without_current_batches_the_current_part_is_an_empty_table_of_the_same_columns() -> None:
    section = params(until=None)
    found = split(tables(WEEKS), Window(["W01"], ["W02"], []), "fraud", section)
    assert found.current.num_rows == 0
    assert found.current.schema == found.train.schema
