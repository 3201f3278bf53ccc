"""Score the test rows with the very file that the server loads, and say how well it does and how sure that is."""

import sys
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from fraud import params
from fraud.cost import Cost
from fraud.curves import curves
from fraud.days import Days, days
from fraud.errors import Problem, run
from fraud.metrics import Scored, report, scored
from fraud.outputs import write_csv, write_json
from fraud.params import Section
from fraud.rows import Rows, labelled
from fraud.schema import load as load_schema
from fraud.scoring import Model, load
from fraud.slices import cuts, slices
from fraud.tables import read_table

FEW = 20  # Frauds, below which an interval of the recall is more than 0.4 wide.


class Params(Section, frozen=True):
    """Section `evaluate` of params.yaml."""

    samples: Annotated[int, Meta(ge=20)]
    seed: Annotated[int, Meta(ge=0)]


def evaluate(model: Model, rows: Rows, cost: Cost, when: Days | None = None) -> Scored:
    """Return the test rows with the probability that the model gives each, and its score before calibration."""
    if not len(rows.labels):
        raise Problem("the test rows are none: no row of the test weeks has a label; set split.until to an older batch")
    probabilities = model.probabilities(rows.features)
    found = scored(probabilities, rows.labels, rows.lost, model.contract.threshold, cost)
    raw = model.contract.calibration.scores(found.probability)
    return found._replace(raw=raw, days=when and Days(when.period[found.places], when.length))


def _warning(frauds: int, rows: int) -> list[str]:
    """Return a line about test rows that say little, or none."""
    if frauds in (0, rows):
        kinds = "no fraud" if frauds == 0 else "frauds only"
        return [f"the test rows hold {kinds}: what takes both kinds is null in the reports; raise split.test_weeks\n"]
    return [f"the test rows hold {frauds} frauds: read the intervals, not the values\n"] if frauds < FEW else []


def main(schema_path: str, model_path: str, source: str, *targets: str) -> None:
    """Evaluate the model file on the Parquet file `source`; write metrics, slices and points of plots."""
    metrics, sliced, plots = targets
    section, cost, schema = params.load("evaluate", Params), params.load("cost", Cost), load_schema(schema_path)
    table = read_table(source)
    rows = evaluate(load(model_path), labelled(table, schema, cost), cost, days(table, schema))
    print(*_warning(int(rows.fraud.sum()), len(rows.fraud)), sep="", end="", file=sys.stderr)
    for name, points in curves(rows).items():
        write_csv(Path(plots) / f"{name}.csv", points)
    write_json(sliced, slices(rows, cuts(table, schema), section.samples, section.seed))
    write_json(metrics, report(rows, section.samples, section.seed))


if __name__ == "__main__":
    run(main)
