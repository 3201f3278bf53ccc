"""Train with each sampler on the training rows and say how far to trust the probabilities on the test rows."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from fraud import params
from fraud.cost import Cost
from fraud.errors import Problem, run
from fraud.loop.bench.graph import stage
from fraud.loop.files import PARAMS, SCHEMAS, TEST, TRAIN
from fraud.metrics import report, scored
from fraud.params_file import change
from fraud.rows import Rows, read_rows
from fraud.schema import load as load_schema
from fraud.scoring import Model, load
from fraud.yamlfile import read_yaml

SAMPLERS = [("none", 1.0), ("undersample", 0.1), *(("smote", ratio) for ratio in (0.02, 0.05, 0.1, 0.5, 1.0))]
SAMPLES, SEED = 1000, 7
HEAD = """| sampler | slope before | after | predicted / observed before | after | Brier score before | after | skill |
|---|---|---|---|---|---|---|---|"""


def trained(folder: Path, schema: Path, sampler: str, ratio: float) -> Model:
    """Return what the stage makes of the training rows with this sampler."""
    (folder / PARAMS).write_bytes(Path(PARAMS).read_bytes())
    change({"train.sampler": sampler, "train.ratio": ratio}, folder / PARAMS)
    stage(folder, "train", str(schema.resolve()), str(Path(TRAIN).resolve()), "model.onnx")
    return load(folder / "model.onnx")


def before_and_after(model: Model, rows: Rows, cost: Cost) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics of the scores and those of the probabilities.

    The log-odds of a probability are those of its score, moved and stretched by the calibration: so is the slope.
    """
    curve, after = model.contract.calibration, model.probabilities(rows.features)
    scores = (curve.scores(after), after)
    first, second = (report(scored(one, rows.labels, rows.lost, 0.5, cost), SAMPLES, SEED) for one in scores)
    first["calibration_slope"] = _stretched(second["calibration_slope"], curve.slope)
    first["calibration_slope_interval"] = [
        _stretched(bound, curve.slope) for bound in second["calibration_slope_interval"]
    ]
    return first, second


def line(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return a row of the table."""
    pairs = [("calibration_slope", 2), ("predicted_to_observed", 2), ("brier", 5)]
    cells = [_cell(one, metric, digits) for metric, digits in pairs for one in (before, after)]
    return f"| {' | '.join([name, *cells, _cell(after, 'brier_skill', 2)])} |"


def _cell(metrics: dict[str, Any], name: str, digits: int) -> str:
    shown = [metrics[name], *metrics[f"{name}_interval"]]
    value, low, high = ("-" if one is None else f"{one:.{digits}f}" for one in shown)
    return f"{value} ({low} to {high})"


def _stretched(slope: float | None, by: float) -> float | None:
    return None if slope is None else slope * by


def main() -> None:
    """Print the table, a row a sampler."""
    if not (Path(TRAIN).exists() and Path(TEST).exists()):
        raise Problem(f"{Path(TRAIN).parent} lacks training or test rows; run `make repro`, which makes them")
    schema = Path(f"{SCHEMAS}/{read_yaml(PARAMS)['dataset']}.yaml")
    cost = params.load("cost", Cost)
    rows = read_rows(TEST, load_schema(schema), cost)
    print(f"{len(rows.labels):,} test rows, {rows.labels.sum()} of them fraud; 95 % intervals in brackets\n\n{HEAD}")
    for sampler, ratio in SAMPLERS:
        name = sampler if sampler == "none" else f"{sampler} {ratio:g}"
        print(f"{name} ...", end="\r", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            print(line(name, *before_and_after(trained(Path(folder), schema, sampler, ratio), rows, cost)), flush=True)


if __name__ == "__main__":
    run(main)
