"""Make weekly batches of labelled payments, so that everything runs without a network and without real data."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from msgspec import Meta
from pyarrow import csv
from tqdm import tqdm

from fraud import params
from fraud.errors import Problem, nearest, run
from fraud.outputs import whole
from fraud.params import Section
from fraud.schema import Schema, load
from fraud.simulators.creditcard import creditcard
from fraud.simulators.payments import payments
from fraud.simulators.traffic import Week

SIMULATORS = {"creditcard": creditcard, "payments": payments}
FIRST_MONDAY = date.fromisocalendar(2026, 1, 1)
Drift = Literal["none", "shift", "amounts", "night", "bursts", "new_fraud", "fraud_rate"]


class Params(Section, frozen=True):
    """Section `simulate` of params.yaml."""

    weeks: Annotated[int, Meta(ge=1)]
    rows_per_week: Annotated[int, Meta(ge=1)]
    fraud_rate: Annotated[float, Meta(ge=0, le=0.1)]
    drift: Drift
    drift_from: Annotated[int, Meta(ge=1)]
    seed: Annotated[int, Meta(ge=0)]


def simulate(schema: Schema, section: Params, week: int) -> pa.Table:
    """Return one week, counted from 1; it depends on its own number and on no other week."""
    drift = section.drift if week >= section.drift_from else "none"
    rng = np.random.default_rng([section.seed, week])
    columns = SIMULATORS[schema.name](rng, Week(week, section.rows_per_week, section.fraud_rate, drift))
    for name in schema.columns:
        if name not in columns:
            raise Problem(
                f"schema '{schema.name}', column '{name}': the simulator makes no such column{nearest(name, columns)}; "
                "take it out of the schema, or bring your own data with `make data`"
            )
    return pa.table({name: columns[name] for name in schema.columns})


def file_name(week: int) -> str:
    """Return the name of a week's batch: its ISO year and week, where week 1 is 2026-W01."""
    year, number, _ = (FIRST_MONDAY + timedelta(weeks=week - 1)).isocalendar()
    return f"{year}-W{number:02d}.csv"


def write_weeks(schema: Schema, section: Params, folder: Path) -> None:
    """Write one CSV file a week into `folder`; a file is there whole or not at all."""
    for week in tqdm(range(1, section.weeks + 1), desc="simulate", unit="week"):
        with whole(folder / file_name(week)) as draft:
            csv.write_csv(simulate(schema, section, week), draft, csv.WriteOptions(quoting_style="needed"))


def main(schema_path: str, target: str) -> None:
    """Write the weeks of the data set that the schema describes into folder `target`."""
    section, schema = params.load("simulate", Params), load(schema_path)
    Path(target).mkdir(parents=True, exist_ok=True)
    if schema.name in SIMULATORS:
        write_weeks(schema, section, Path(target))
    else:
        known = " and ".join(SIMULATORS)
        print(f"{target}: left empty; the simulator knows only {known}, and own data comes with `make data`")


if __name__ == "__main__":
    run(main)
