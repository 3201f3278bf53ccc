"""Each query of each dashboard returns data from the real Prometheus, and Grafana finds what the files name."""

import json
import math
import re
from itertools import combinations
from typing import Any

import pytest

from fraud.yamlfile import read_yaml
from stack.monitoring import OPS, Program, Watched
from waiting import until

GRAFANA = OPS / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
QUERIES = [
    *((name, target) for name, panel in PANELS for target in panel["targets"]),
    *((name, note | {"instant": False}) for name, board in BOARDS.items() for note in board["annotations"]["list"]),
]
SOURCE = read_yaml(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"][0]
UNITS = {"bool_yes_no", "bytes", "none", "percentunit", "reqps", "s", "short"}
RATE = "4s"  # As Grafana has it: four times the interval of the data source, which here is 1s.


def chosen(board: dict[str, Any], prometheus: Program) -> dict[str, str]:
    """Return what Grafana puts in for a variable when all its values are chosen, or its first."""
    found = {"__rate_interval": RATE, "__range": "60s"}
    for variable in board["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert asked
        values = prometheus.get(f"/api/v1/label/{asked[2]}/values", **{"match[]": asked[1]})
        found[variable["name"]] = f"({'|'.join(map(re.escape, values))})" if variable["multi"] else values[0]
    return found


@pytest.mark.parametrize(
    ("name", "query"), QUERIES, ids=lambda value: value if isinstance(value, str) else value["expr"]
)
def test_each_query_returns_data(name: str, query: dict[str, Any], watched: Watched) -> None:
    given = chosen(BOARDS[name], watched.prometheus)
    written = {key: value.replace("\\", "\\\\") for key, value in given.items()}  # As in a string of PromQL.
    expression = re.sub(r"\$(\w+)", lambda found: written[found[1]], query["expr"])

    def data() -> bool:
        ask = watched.prometheus
        found = ask.values(expression) if query["instant"] else ask.series(expression, 300)
        return any(math.isfinite(value) for value in found)

    until(data, 10)


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@pytest.mark.parametrize(
    ("name", "panel"), PANELS, ids=lambda value: value if isinstance(value, str) else value["title"]
)
def test_each_panel_says_what_it_shows_in_which_unit_from_the_source_that_there_is(
    name: str, panel: dict[str, Any]
) -> None:
    assert name in BOARDS
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert {target["datasource"]["uid"] for target in [panel, *panel["targets"]]} == {SOURCE["uid"]}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({other["title"] for board, other in PANELS if board == name}) == len(BOARDS[name]["panels"])


def test_dashboards_are_named_as_their_files_and_variables_and_notes_have_the_source() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        name: name for name in ("loop", "model", "service")
    }
    for board in BOARDS.values():
        named = {word for _, query in QUERIES for word in re.findall(r"\$(\w+)", query["expr"]) if word[:2] != "__"}
        assert {variable["name"] for variable in board["templating"]["list"]} <= named
        for one in [*board["templating"]["list"], *board["annotations"]["list"]]:
            assert one["datasource"]["uid"] == SOURCE["uid"]


def test_grafana_knows_how_often_prometheus_looks() -> None:
    written = read_yaml(OPS / "prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert SOURCE["jsonData"]["timeInterval"] == written
