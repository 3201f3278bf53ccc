"""Compare the model of the working copy with the one that another commit pins, on rows that neither was trained on."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from fraud import gate_rule, params
from fraud.cost import Cost
from fraud.errors import Problem, run
from fraud.features import Matrix, matrix
from fraud.gate_rule import CHANCE, Finding, Gate, Limit, Pair, Ranked, differences, findings, ranked, resampled
from fraud.loop.files import LOCK, MODEL, SPLIT, TEST
from fraud.loop.judging.champion import Champion, NotComparable, fetch, find
from fraud.loop.judging.gate_table import overall, sentence, table
from fraud.loop.lockfile import pinned
from fraud.outputs import md5_of
from fraud.rows import Rows, read_rows
from fraud.schema import Column
from fraud.scoring import Model, load
from fraud.tables import read_table, without_pandas

FEW = 20  # Frauds, below which resampling them tells nothing.


class Judgement(NamedTuple):
    """What a comparison came to; of the same model there is no table."""

    verdict: str  # of gate_table.overall(), or "same model"
    sentence: str
    champion: str | None  # md5
    candidate: str  # md5
    rows: int = 0
    frauds: int = 0
    table: str = ""
    worse: Sequence[str] = ()


class Models(NamedTuple):
    """The two that are compared."""

    champion: Model
    candidate: Model


def candidate_pins() -> dict[str, str]:
    """Return what the working copy's dvc.lock pins, once the files here are those."""
    if not Path(LOCK).exists():
        raise Problem(f"{LOCK} is missing; run `make repro`, which writes it")
    pins = pinned(Path(LOCK).read_text(encoding="utf-8"))
    for path in (MODEL, TEST, SPLIT):
        if not Path(path).exists():
            raise Problem(f"{path} is missing; run `make repro`, which writes it, or `make pull`")
        if (md5 := md5_of(path)) != pins.get(path):
            raise Problem(f"{path} is {md5[:6]}…, but {LOCK} pins {pins.get(path, 'none')[:6]}…; run `make repro`")
    return pins


def check_unseen(champion: Champion, pins: Mapping[str, str]) -> None:
    """Stop where the test rows are of another data set, or of batches that the champion was trained on.

    Where both commits pin the same test rows, no batch has to be looked at: its own split kept them from it.
    """
    ours, theirs = json.loads(Path(SPLIT).read_text(encoding="utf-8")), champion.split
    if theirs["dataset"] != ours["dataset"]:
        raise NotComparable(
            f"{champion.name}: its model is for data set '{theirs['dataset']}', the one here for '{ours['dataset']}'; "
            "name a BASE with a model for that, or merge the first one without a comparison"
        )
    seen = [batch for batch in ours["test"]["batches"] if batch in theirs["train"]]
    if seen and champion.pins.get(TEST) != pins[TEST]:
        raise NotComparable(
            f"{champion.name}: its model was trained on {', '.join(seen)}, which the test rows here come from, and "
            "would look too good; set split.until in params.yaml to a newer batch, then `make repro`"
        )


def check_schema(name: str, models: Models) -> None:
    """Stop where a column that the champion takes means something else by now; what came since does not matter."""
    theirs, ours = (model.contract.schema.features for model in models)
    changed = [column for column in theirs if _meaning(theirs[column]) != _meaning(ours.get(column))]
    if changed:
        raise NotComparable(
            f"{name}: its model takes other columns than the schema here has, like '{changed[0]}'; "
            "merge the first model of a new schema without a comparison"
        )


def _meaning(column: Column | None) -> object:
    return column and (column.type, column.categories, column.missing)


def pair(models: Models, cost: Cost) -> Pair:
    """Return the test rows as each of the models ranks and decides them."""
    rows = read_rows(TEST, models.candidate.contract.schema, cost)
    if (frauds := rows.labels.sum()) < FEW:
        raise NotComparable(
            f"{TEST}: found {frauds} frauds, expected {FEW} at least to tell models apart; raise split.test_weeks in "
            "params.yaml, then `make repro`"
        )
    features = matrix(read_table(TEST), models.champion.contract.schema)
    champion = _ranked(models.champion, features, rows, cost)
    return Pair(champion, _ranked(models.candidate, rows.features, rows, cost), np.ones(len(rows.labels)))


def _ranked(model: Model, features: Matrix, rows: Rows, cost: Cost) -> Ranked:
    return ranked(model.probabilities(features), rows, model.contract.threshold, cost)


def compare(both: Pair, gate: Gate, limits: Mapping[str, Limit]) -> dict[str, Finding]:
    """Return the finding of each metric, and show on a terminal how far it is."""
    drawn = []
    with tqdm(total=gate.samples, desc="resampling", file=sys.stderr, disable=None) as progress:
        for weights in resampled(both, gate.samples, gate.seed):
            drawn.append(differences(both, weights))
            progress.update(len(weights))
    return findings(both, drawn, limits)


def worse(found: Mapping[str, Finding]) -> list[str]:
    """Return the metrics in which the candidate is worse."""
    return [metric for metric, one in found.items() if one.verdict == "worse"]


def judge(base: str) -> Judgement:
    """Compare the model of the working copy with that of commit `base`."""
    (gate, limits), cost = gate_rule.load(), params.load("cost", Cost)
    pins, champion = candidate_pins(), find(base)
    theirs, ours = champion.pins[MODEL], pins[MODEL]
    if theirs == ours:
        said = f"The same model: {base} and the working copy both pin {ours[:6]}…, so there is nothing to compare."
        return Judgement("same model", said, theirs, ours)
    check_unseen(champion, pins)
    models = Models(fetch(champion), load(MODEL))
    check_schema(base, models)
    both = pair(models, cost)
    found, frauds = compare(both, gate, limits), int(both.candidate.rows.fraud.sum())
    words = sentence(found, base, frauds)
    return Judgement(
        overall(found), words, theirs, ours, len(both.counts), frauds, table(found, limits, frauds), worse(found)
    )


def told(one: Judgement, base: str) -> str:
    """Return what a person reads of a comparison."""
    if not one.table:
        return one.sentence
    return (
        f"Champion: {(one.champion or '')[:6]}… of {base}. Candidate: {one.candidate[:6]}… of the working copy. "
        f"{one.rows} test rows with {one.frauds} frauds.\n\n{one.table}\n\nThe intervals hold together at 95 %: "
        f"each by itself is one of {100 - 100 * CHANCE / len(one.table.splitlines()[2:]):g} %.\n\n{one.sentence}"
    )


def main(base: str) -> None:
    """Print a table and the verdict, and fail where the model of the working copy is worse."""
    found = judge(base)
    print(told(found, base), flush=True)
    if found.worse:
        raise Problem(
            f"{MODEL}: worse than the model of {base} in {', '.join(found.worse)}; keep that one, or raise the "
            "tolerance in params.yaml, section 'gate', where this is meant"
        )


if __name__ == "__main__":
    without_pandas()
    run(main)
