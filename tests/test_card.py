"""The model card: every number of it is a report's, and what a report leaves open does not break it."""

import csv
import json
import re
from typing import Any

import pytest

from examples import ROOT
from fraud.errors import Problem
from fraud.schema import load
from fraud.stages import card
from fraud.yamlfile import read_yaml

TEMPLATE = (ROOT / "docs/model-card.template.md").read_text()
REPORTS: dict[str, Any] = {name: json.loads((ROOT / f"reports/{name}.json").read_text()) for name in card.REPORTS}
POINTS: dict[str, Any] = {
    name: list(csv.DictReader((ROOT / f"reports/plots/{name}.csv").read_text().splitlines()))
    for name in ("importance", "reliability")
}
SCHEMA, TITLE, SETTINGS = load(ROOT / "data/schemas/creditcard.yaml"), "Card payments", read_yaml(ROOT / "params.yaml")
FACTS = card.facts(SCHEMA, TITLE, "0" * 32, SETTINGS)


def filled(**changes: Any) -> str:
    return card.card(TEMPLATE, FACTS, REPORTS | changes, POINTS)


def test_every_metric_stands_there_with_its_interval_and_every_slice() -> None:
    text = filled()
    for name in REPORTS["metrics"]:
        if f"{name}_interval" in REPORTS["metrics"]:
            assert re.search(rf"^\| `{name}` \| [\d,.]+ \| -?[\d,.]+ to [\d,.]+ \|$", text, flags=re.MULTILINE), name
    assert text.count(" (0.") >= len(REPORTS["slices"]["slices"])
    assert "| `delivered` | 80,000 | 100.0% | 572 |" in text
    assert "$" not in text


def test_what_no_report_knows_is_a_dash() -> None:
    unknown = dict.fromkeys(REPORTS["metrics"]) | {"rows": 10, "frauds": 0}
    few = [one | {"average_precision": None, "recall": None} for one in REPORTS["slices"]["slices"]]
    text = filled(metrics=unknown, slices=REPORTS["slices"] | {"slices": few}, estimate={"weeks": []})
    assert "| `recall` | - |  |" in text
    assert text.count("not measured | not measured") == len(few)


def test_a_template_that_asks_for_more_is_a_problem_that_names_it() -> None:
    with pytest.raises(Problem, match=r"asks for 'colour'; known are costs, currency, data"):
        card.card("$colour", FACTS, REPORTS, POINTS)


def test_simulated_payments_are_called_that_and_yours_are_not() -> None:
    text = filled()
    assert card.SIMULATED in text
    assert "| data set | `creditcard`: simulated after Card payments |" in text
    own = card.card(
        TEMPLATE, card.facts(SCHEMA, TITLE, "0" * 32, SETTINGS | {"batches": "data/raw/creditcard"}), REPORTS, POINTS
    )
    assert card.OWN in own
    assert "| data set | `creditcard`: Card payments |" in own
