"""Made-up payments for the drift bench: ordinary weeks of several kinds, and changes that should be seen."""

from typing import NamedTuple

import numpy as np

from fraud.features import Matrix, Values
from fraud.samples import Sample, sample, sorted_scores
from fraud.schema import Column, Schema

SHOPS = tuple("abcdef")
SHOP_SHARES = np.array([0.4, 0.25, 0.2, 0.1, 0.05, 0.0])  # The last one is new when it comes.
FRAUD_RATE = 0.01
STEP = 2.0  # Standard deviations from a fraud's first two features to a legitimate payment's.
REFERENCE = 3  # Newest past weeks that are pooled in the reference, as three of four are by default.


class World(NamedTuple):
    """What ordinary weeks are like."""

    kind: str  # independent | correlated | heavy
    rows: int
    features: int
    jitter: float  # Standard deviations by which a feature's mean strays from week to week.
    past: int = 8


class Week(NamedTuple):
    """The features, labels and scores of one week."""

    features: Matrix
    labels: Values
    scores: Values

    def ready(self, schema: Schema) -> Sample:
        """Return the week made ready for comparison."""
        return sample(self.features, self.labels, schema)._replace(scores=sorted_scores(self.scores, self.labels))


def schema_of(features: int) -> Schema:
    """Return a schema of numbers, one of them at times missing, and one category."""
    number = Column(role="feature", type="number")
    columns = {f"v{place}": number for place in range(features - 2)}
    columns["gaps"] = Column(role="feature", type="number", missing=True)
    columns["shop"] = Column(role="feature", type="category", categories=SHOPS)
    return Schema("world", columns | {"fraud": Column(role="label", type="integer")})


def draw(rng: np.random.Generator, world: World, change: str = "none", size: float = 0.0) -> Week:
    """Return one week; `change` of a `size` acts in it."""
    numbers = _numbers(rng, world)
    numbers += world.jitter * rng.normal(size=numbers.shape[1])
    fraud = rng.random(world.rows) < FRAUD_RATE
    side = np.where(rng.random(world.rows) < 0.5, 1, -1)
    numbers[fraud, 0] += STEP * side[fraud]
    numbers[fraud, 1] += STEP * side[fraud] * (-1 if change == "pattern" else 1)
    scores = 1 / (1 + np.exp(6 - np.abs(numbers[:, 0] + numbers[:, 1])))
    shares = SHOP_SHARES
    if change == "shift":
        numbers[:, 2] += size
    elif change == "spread":
        numbers[:, 2] *= size
    elif change == "all":
        numbers += size
    elif change == "mix":
        shares = SHOP_SHARES + size * np.array([-1, 1, 0, 0, 0, 0])
    elif change == "new":
        shares = SHOP_SHARES * (1 - size) + size * np.eye(len(SHOPS))[-1]
    elif change == "missing":
        numbers[rng.random(world.rows) < size, -1] = np.nan
    shops = rng.choice(len(SHOPS), world.rows, p=shares).astype(float)
    return Week(np.column_stack([numbers, shops]), fraud.astype(float), scores)


def _numbers(rng: np.random.Generator, world: World) -> Matrix:
    shape = (world.rows, world.features - 1)
    match world.kind:
        case "correlated":  # ... by one half, each with each.
            return np.sqrt(0.5) * (rng.normal(size=shape) + rng.normal(size=(world.rows, 1)))
        case "heavy":
            return rng.standard_t(3, size=shape) / np.sqrt(3)  # Standard deviation 1.
        case _:
            return rng.normal(size=shape)


def pool(weeks: list[Week], schema: Schema) -> Sample:
    """Return weeks of equal size as one reference."""
    together = Week(*(np.concatenate(parts) for parts in zip(*weeks, strict=True)))
    return together.ready(schema)._replace(weeks=len(weeks), score_weeks=len(weeks))
