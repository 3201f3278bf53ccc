"""Say whether the current rows still look like the training rows."""

from typing import Any

from fraud import params
from fraud.batches import in_order
from fraud.drift_rule import Difference, Rule, differences
from fraud.errors import run
from fraud.features import Matrix, matrix
from fraud.outputs import write_json
from fraud.schema import BATCH, Schema, load
from fraud.tables import read_table, without_pandas


def drift(reference: Matrix, current: Matrix, schema: Schema, rule: Rule) -> list[Difference]:
    """Return how far each feature moved; nothing where a side has no rows to compare."""
    if not len(reference) or not len(current):
        return []
    return differences(reference, current, schema, rule)


def verdict(found: list[Difference], rows: dict[str, int], batches: list[str]) -> dict[str, Any]:
    """Return what reports/drift.json says."""
    drifted = [difference.feature for difference in found if difference.drifted]
    return {
        "drift": bool(drifted),
        "drifted_features": len(drifted),
        "largest_effect": round(max((difference.effect for difference in found), default=0.0), 6),
        "sentences": [_sentence(drifted, len(found), batches)],  # In a list, as `dvc metrics` shows no lists.
        "rows": rows,
        "features": [
            {key: round(value, 6) if isinstance(value, float) else value for key, value in one._asdict().items()}
            for one in found
        ],
    }


def _sentence(drifted: list[str], features: int, batches: list[str]) -> str:
    if not batches:
        return "no batch came after split.until, so there is nothing to compare"
    weeks = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
    if not drifted:
        return f"no drift in {weeks}: none of {features} features moved beyond its threshold"
    return f"drift in {weeks}: {len(drifted)} of {features} features moved, most of all {', '.join(drifted[:3])}"


def main(schema_path: str, reference_path: str, current_path: str, report: str) -> None:
    """Compare two Parquet files and write the verdict."""
    rule, schema = params.load("drift", Rule), load(schema_path)
    reference, current = (read_table(path) for path in (reference_path, current_path))
    found = drift(matrix(reference, schema), matrix(current, schema), schema, rule)
    rows = {"reference": len(reference), "current": len(current)}
    write_json(report, verdict(found, rows, in_order(current[BATCH].unique().to_pylist())))


if __name__ == "__main__":
    without_pandas()
    run(main)
