"""Small data sets that tests build on."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from fraud.cost import Cost, losses
from fraud.estimator import Params
from fraud.features import matrix
from fraud.rows import Rows
from fraud.schema import Column, Schema

ROOT = Path(__file__).parent.parent
COST = Cost(alert=5, missed_share=1, missed=100, daily_capacity=25, currency="euros")
TRAIN = Params(
    model="extra_trees",
    trees=10,
    min_leaf=1,
    sampler="smote",
    ratio=0.2,
    neighbours=5,
    folds=3,
    threshold="cost",
    seed=7,
)

NUMBERS = Schema(
    "numbers",
    {
        "seconds": Column(role="time", type="number", min=0),
        "speed": Column(role="feature", type="number"),
        "amount": Column(role="feature", type="number", min=0),
        "fraud": Column(role="label", type="integer", missing=True),
    },
    "amount",
)
MIXED = Schema(
    "mixed",
    {
        "card": Column(role="identifier"),
        "amount": Column(role="feature", type="number", min=0),
        "shop": Column(role="feature", type="category", categories=("food", "fuel", "web"), missing=True),
        "age": Column(role="feature", type="integer", missing=True),
        "country": Column(role="feature", type="category", categories=("here", "there")),
        "fraud": Column(role="label", type="integer"),
    },
)
CATEGORIES = Schema(
    "categories",
    {
        "shop": Column(role="feature", type="category", categories=("food", "fuel", "web")),
        "country": Column(role="feature", type="category", categories=("here", "there")),
        "fraud": Column(role="label", type="integer"),
    },
)


def payments(schema: Schema, rows: int = 400, fraud_share: float = 0.1, seed: int = 7) -> pa.Table:
    """Return random rows of one of the schemas above, in which fraud can be told from the features."""
    rng = np.random.default_rng(seed)
    fraud = (np.arange(rows) < round(rows * fraud_share)).astype(np.int64)
    rng.shuffle(fraud)
    columns: dict[str, Any] = {}
    for name, column in schema.columns.items():
        if name == schema.label:
            columns[name] = fraud
        elif column.type == "category":
            codes = np.where(rng.random(rows) < 0.7, fraud, rng.integers(0, len(column.categories), rows))
            columns[name] = np.array(column.categories, dtype=object)[codes]
        elif column.type == "text":
            columns[name] = np.array([f"{name}-{row}" for row in range(rows)], dtype=object)
        elif column.type == "integer":
            columns[name] = rng.integers(18, 80, rows) + 10 * fraud
        else:
            columns[name] = np.round(rng.lognormal(2, 1, rows) + 5 * fraud * rng.random(rows), 2)
    gaps = {name: rng.random(rows) < 0.1 for name, column in schema.features.items() if column.missing}
    return pa.table({name: pa.array(values, mask=gaps.get(name)) for name, values in columns.items()})


def labelled(schema: Schema, **options: Any) -> Rows:
    """Return the same rows in the form that train and evaluate take."""
    table = payments(schema, **options)
    labels = np.asarray(table[schema.label], dtype=np.int64)
    return Rows(matrix(table, schema), labels, losses(table, labels, schema, COST))


def params(**changes: Any) -> Params:
    """Return small training parameters with some of them changed."""
    return msgspec.structs.replace(TRAIN, **changes)
