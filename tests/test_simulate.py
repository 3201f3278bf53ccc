"""The simulator: which weeks it makes, and that each drift scenario does what its name says."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import csv

from fraud.errors import Problem
from fraud.schema import Column, Schema, load
from fraud.stages.simulate import Params, file_name, main, simulate

SCHEMAS = Path(__file__).parents[1] / "data" / "schemas"
CREDITCARD, PAYMENTS = load(SCHEMAS / "creditcard.yaml"), load(SCHEMAS / "payments.yaml")
ORDINARY = Params(weeks=3, rows_per_week=4000, fraud_rate=0.02, drift="none", drift_from=2, seed=7)
SCENARIOS = ["shift", "amounts", "night", "bursts", "new_fraud", "fraud_rate"]
HOUR, DAY, WEEK = 3_600, 86_400, 604_800
each_data_set = pytest.mark.parametrize("schema", [CREDITCARD, PAYMENTS], ids=lambda schema: schema.name)


def params(**changes: Any) -> Params:
    return msgspec.structs.replace(ORDINARY, **changes)


def both_weeks(schema: Schema, drift: str, **changes: Any) -> tuple[pa.Table, pa.Table]:
    """Return week 2 without and with the drift."""
    return simulate(schema, params(**changes), 2), simulate(schema, params(drift=drift, **changes), 2)


def values(table: pa.Table, column: str) -> NDArray[Any]:
    return table[column].drop_null().to_numpy()


def frauds(table: pa.Table, schema: Schema) -> pa.Table:
    return table.filter(table[schema.label].to_numpy() == 1)


def distance(one: pa.Table, other: pa.Table, column: str) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance; categories count in alphabetical order."""
    first, second = np.sort(values(one, column)), np.sort(values(other, column))
    places = np.concatenate([first, second])
    shares = [np.searchsorted(sample, places, side="right") / len(sample) for sample in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def moved(before: pa.Table, after: pa.Table, column: str) -> float:
    """Return by how many standard deviations the mean moved."""
    return float((values(after, column).mean() - values(before, column).mean()) / values(before, column).std())


def hours(table: pa.Table) -> NDArray[Any]:
    return values(table, "hour") if "hour" in table.column_names else values(table, "Time") % DAY // HOUR


def run_main(folder: Path, section: Params, schema: Path = SCHEMAS / "payments.yaml") -> dict[str, bytes]:
    """Run the stage in `folder` and return what it wrote."""
    (folder / "params.yaml").write_bytes(b"simulate: " + msgspec.json.encode(section))
    main(str(schema), "data/simulate")
    return {path.name: path.read_bytes() for path in sorted((folder / "data/simulate").iterdir())}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@each_data_set
def test_the_same_parameters_make_the_same_week(schema: Schema) -> None:
    assert simulate(schema, ORDINARY, 2).equals(simulate(schema, ORDINARY, 2))


@each_data_set
def test_another_seed_and_another_week_make_other_payments(schema: Schema) -> None:
    week = simulate(schema, ORDINARY, 2)
    amounts = values(week, str(schema.amount))
    for other in (simulate(schema, params(seed=8), 2), simulate(schema, ORDINARY, 3)):
        assert not np.array_equal(amounts, values(other, str(schema.amount)))


def test_weeks_keep_their_bytes_when_more_weeks_follow(project: Path) -> None:
    before = run_main(project, params(weeks=2, rows_per_week=50))
    after = run_main(project, params(weeks=4, rows_per_week=50))
    assert list(after) == ["2026-W01.csv", "2026-W02.csv", "2026-W03.csv", "2026-W04.csv"]
    assert before == {name: after[name] for name in before}


def test_names_roll_over_into_the_next_year_after_its_last_iso_week() -> None:
    assert [file_name(week) for week in (1, 52, 53, 54)] == [
        "2026-W01.csv",
        "2026-W52.csv",
        "2026-W53.csv",
        "2027-W01.csv",
    ]


@each_data_set
def test_main_writes_one_file_a_week_that_reads_back_as_the_table(schema: Schema, project: Path) -> None:
    written = run_main(project, params(rows_per_week=60), SCHEMAS / f"{schema.name}.yaml")
    for week, content in enumerate(written.values(), start=1):
        expected = simulate(schema, params(rows_per_week=60), week)
        assert csv.read_csv(pa.BufferReader(content)).to_pydict() == expected.to_pydict()


def test_an_unknown_data_set_gets_an_empty_folder_and_a_way_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = project / "own.yaml"
    own.write_bytes((SCHEMAS / "payments.yaml").read_bytes())
    assert run_main(project, ORDINARY, own) == {}
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert all(word in said for word in ("creditcard", "payments", "`make data`"))


def test_a_column_that_the_simulator_does_not_make_is_named() -> None:
    own = Schema("payments", {**PAYMENTS.columns, "amuont": Column(role="feature", type="number")})
    with pytest.raises(Problem, match=r"column 'amuont'.*did you mean 'amount'.*make data"):
        simulate(own, ORDINARY, 1)


@each_data_set
def test_columns_are_the_schemas_in_its_order(schema: Schema) -> None:
    backwards = Schema(schema.name, dict(reversed(schema.columns.items())))
    assert simulate(schema, ORDINARY, 1).column_names == list(schema.columns)
    assert simulate(backwards, ORDINARY, 1).column_names == list(backwards.columns)


@each_data_set
@pytest.mark.parametrize("drift", ["none", *SCENARIOS])
def test_every_value_is_one_that_the_schema_allows(schema: Schema, drift: str) -> None:
    week = simulate(schema, params(drift=drift), 2)
    for name, column in schema.columns.items():
        found = values(week, name)
        assert column.missing or week[name].null_count == 0, name
        if column.categories:
            assert set(found) == set(column.categories)
        else:
            assert found.min() >= (-np.inf if column.min is None else column.min), name
            assert found.max() <= (np.inf if column.max is None else column.max), name


@each_data_set
def test_one_row_without_fraud_is_a_week_too(schema: Schema) -> None:
    assert simulate(schema, params(rows_per_week=1, fraud_rate=0.0), 2)[schema.label].to_pylist() == [0]


@each_data_set
@pytest.mark.parametrize("drift", ["none", "night", "bursts"])
def test_as_many_payments_are_fraud_as_the_rate_says(schema: Schema, drift: str) -> None:
    week = simulate(schema, params(rows_per_week=40_000, drift=drift), 2)
    assert values(week, schema.label).mean() == pytest.approx(0.02, abs=0.003)


@each_data_set
def test_few_payments_and_a_larger_share_of_frauds_happen_at_night(schema: Schema) -> None:
    week = simulate(schema, params(rows_per_week=40_000), 2)
    night, fraud = hours(week) < 6, values(week, schema.label)
    assert night.mean() < 0.1
    assert fraud[night].mean() > 2 * fraud[~night].mean()


@pytest.mark.parametrize("week", [1, 3])
def test_time_goes_on_from_week_to_week_and_orders_the_rows(week: int) -> None:
    time = values(simulate(CREDITCARD, ORDINARY, week), "Time")
    assert (week - 1) * WEEK <= time[0] <= time[-1] < week * WEEK
    assert (np.diff(time) >= 0).all()


def test_hours_and_days_of_payments_are_in_the_order_of_time() -> None:
    week = simulate(PAYMENTS, ORDINARY, 2)
    assert (np.diff(values(week, "day_of_week") * 24 + values(week, "hour")) >= 0).all()
    assert set(values(week, "day_of_week")) == set(range(7))


def test_nothing_is_known_of_what_was_before_a_customers_first_payment() -> None:
    week = simulate(PAYMENTS, ORDINARY, 2)
    first = week["previous_amount"].is_null()
    assert first.equals(week["time_since_last"].is_null())
    assert 0.01 < np.mean(first.to_numpy()) < 0.05


def test_a_fifth_of_the_card_frauds_are_of_exactly_one() -> None:
    stolen = frauds(simulate(CREDITCARD, params(fraud_rate=0.1, rows_per_week=20_000), 2), CREDITCARD)
    assert np.mean(values(stolen, "Amount") == 1.0) == pytest.approx(0.2, abs=0.03)


@each_data_set
def test_ordinary_weeks_look_alike(schema: Schema) -> None:
    section = params(rows_per_week=20_000, fraud_rate=0.0075)
    weeks = {number: simulate(schema, section, number) for number in (5, 6, 7, 9, 10, 11, 12)}
    early, late = (pa.concat_tables([weeks[number] for number in part]) for part in ((5, 6, 7), (9, 10, 11, 12)))
    assert max(distance(early, late, name) for name in schema.features) < 0.02


@each_data_set
@pytest.mark.parametrize("drift", SCENARIOS)
def test_drift_acts_from_its_week_on_and_not_before(schema: Schema, drift: str) -> None:
    section = params(rows_per_week=2000, drift=drift, drift_from=3)
    ordinary = params(rows_per_week=2000)
    same = [simulate(schema, section, week).equals(simulate(schema, ordinary, week)) for week in (1, 2, 3, 4)]
    assert same == [True, True, False, False]


@pytest.mark.parametrize(
    ("schema", "columns"),
    [(CREDITCARD, {"V4", "V10", "V12", "V14"}), (PAYMENTS, {"previous_amount", "time_since_last"})],
    ids=["creditcard", "payments"],
)
def test_shift_moves_a_few_means_by_half_to_one_standard_deviation(schema: Schema, columns: set[str]) -> None:
    before, after = both_weeks(schema, "shift", fraud_rate=0.0075, rows_per_week=20_000)
    means = {name: abs(moved(before, after, name)) for name in schema.features if name != "merchant_category"}
    assert {name for name, size in means.items() if size > 0.01} == columns
    assert all(0.45 < means[name] < 1.1 for name in columns)


@each_data_set
def test_amounts_jump_from_about_20_to_about_2500(schema: Schema) -> None:
    before, after = both_weeks(schema, "amounts")
    medians = [np.median(values(week, str(schema.amount))) for week in (before, after)]
    assert 15 < medians[0] < 25
    assert 2000 < medians[1] < 3000


@pytest.mark.parametrize(("schema", "column"), [(CREDITCARD, "V3"), (PAYMENTS, "hour")], ids=["creditcard", "payments"])
def test_night_moves_payments_into_the_night_and_a_feature_shows_it(schema: Schema, column: str) -> None:
    before, after = both_weeks(schema, "night")
    assert np.mean(hours(after) < 6) > 4 * np.mean(hours(before) < 6)
    assert distance(before, after, column) > 0.1


def test_bursts_put_many_similar_small_card_payments_into_the_same_minutes() -> None:
    for week, least, most in zip(both_weeks(CREDITCARD, "bursts"), (0.0, 0.2), (0.1, 1.0), strict=True):
        a_minute = np.bincount((values(week, "Time") - WEEK) // 60, minlength=7 * 24 * 60)
        busiest = np.sort(a_minute)[-80:].sum() / week.num_rows
        small = np.mean((values(week, "Amount") >= 2) & (values(week, "Amount") <= 4))
        assert least < busiest < most
        assert least < small < most


def test_bursts_follow_within_two_minutes_of_each_other_in_payments() -> None:
    before, after = both_weeks(PAYMENTS, "bursts")
    soon = [np.mean(values(week, "time_since_last") <= 2) for week in (before, after)]
    assert soon[0] < 0.02
    assert soon[1] > 0.2


@each_data_set
def test_new_fraud_changes_the_frauds_and_hardly_any_feature_as_a_whole(schema: Schema) -> None:
    before, after = both_weeks(schema, "new_fraud", fraud_rate=0.0075, rows_per_week=20_000)
    assert max(distance(before, after, name) for name in schema.features) < 0.01
    stolen = [frauds(week, schema) for week in (before, after)]
    assert abs(stolen[0].num_rows - stolen[1].num_rows) < 20
    assert max(distance(stolen[0], stolen[1], name) for name in schema.features) > 0.4


@each_data_set
def test_fraud_rate_brings_three_times_the_frauds(schema: Schema) -> None:
    before, after = (
        values(week, schema.label).sum() for week in both_weeks(schema, "fraud_rate", rows_per_week=20_000)
    )
    assert after / before == pytest.approx(3, rel=0.1)
