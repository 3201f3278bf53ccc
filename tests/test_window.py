"""Up to which week the loop trains, and for which reason."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fraud.loop.retraining.window import Window, cause, later, newest_labelled, waiting

WEEKS = [f"2026-W{week:02}" for week in range(1, 13)]


def batch(kept: int, unlabelled: int) -> dict[str, int]:
    return {"kept": kept, "unlabelled": unlabelled}


def window(until: str, test_weeks: int = 1) -> Window:
    return Window("time", until, 4, test_weeks, 0)


def drift(*weeks: str) -> dict[str, Any]:
    return {"drift": bool(weeks), "weeks": list(weeks), "sentences": ["drift in V14" if weeks else "no drift"]}


def test_a_week_counts_once_enough_of_its_rows_have_a_label() -> None:
    weeks = {"2026-W01": batch(100, 0), "2026-W02": batch(100, 50), "2026-W03": batch(100, 51)}
    assert newest_labelled(weeks, 0.5, list(weeks)) == "2026-W02"
    assert newest_labelled(weeks, 0.4, list(weeks)) == "2026-W03"


def test_a_week_without_rows_has_no_labels() -> None:
    assert newest_labelled({"2026-W01": batch(0, 0)}, 0.5, ["2026-W01"]) is None


@given(st.sampled_from([*WEEKS, None]), st.sampled_from([*WEEKS, None]))
def test_the_window_never_moves_back(until: str | None, newest: str | None) -> None:
    found = later(WEEKS, until, newest)
    assert found in {until, newest}
    assert all(WEEKS.index(found or "") >= WEEKS.index(one) for one in (until, newest) if one)


def test_drift_is_the_reason_before_all_others() -> None:
    found = cause(drift("2026-W11"), "force", ["2026-W09"])
    assert found
    assert (found.reason, found.sentence, list(found.weeks)) == ("drift", "drift in V14", ["2026-W11"])


def test_without_drift_a_week_that_waits_comes_before_what_was_asked_for() -> None:
    found = cause(drift(), "schedule", ["2026-W09"])
    assert found
    assert (found.reason, list(found.weeks)) == ("follow_up", ["2026-W09"])


def test_without_any_reason_there_is_none() -> None:
    assert cause(drift(), None, []) is None


def test_a_drifted_week_waits_until_the_window_trains_on_it_instead_of_testing() -> None:
    before = {"drifted": ["2026-W09"]}
    assert waiting(before, WEEKS, window("2026-W09")) == []
    assert waiting(before, WEEKS, window("2026-W10")) == ["2026-W09"]
    assert waiting(before, WEEKS, window("2026-W10", test_weeks=2)) == []


def test_a_drifted_week_that_is_no_batch_any_more_waits_for_nothing() -> None:
    assert waiting({"drifted": ["2025-W50"]}, WEEKS, window("2026-W10")) == []
