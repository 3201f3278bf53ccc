"""What docs/ says of security is so: tests, settings, metrics, columns and the simulators' numbers."""

import ast
import re
from pathlib import Path

import pytest

from examples import ROOT
from fraud.labels import CHANGED, DELIVERED, DERIVED, FEEDBACK
from fraud.schema import SOURCE, load
from fraud.simulators import creditcard, payments, traffic
from serve.access.auth import Auth
from serve.settings import SETTINGS
from serve.settings import load as settings

DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
THREATS, SECURITY, SHEET = DOCS["threat-model.md"], DOCS["security.md"], DOCS["data-sheet.md"]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", THREATS)
ROWS = [line for line in THREATS.splitlines() if re.match(r"\| [STRIDE] \|", line)]


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_the_threat_model_names_exists(path: str, name: str) -> None:
    assert name in functions(ROOT / path)


def test_each_threat_has_a_mitigation_and_a_test_and_every_letter_is_there() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        _, _, threat, mitigation, held, _ = row.split("|")
        assert mitigation.strip(), threat
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", held), threat
    assert {row[2] for row in ROWS} == set("STRIDE")
    for word in (
        "poisoned week",
        "poisoned feedback",
        "stolen token",
        "swapped model",
        "log tampering",
        "workflow injection",
    ):
        assert word in THREATS


def test_settings_and_targets_that_the_pages_name_exist() -> None:
    code = re.findall(r"`([^`\n]+)`", SECURITY + THREATS + SHEET)
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / ".github/workflows").glob("*.yml")))
    known = {one.variable for one in SETTINGS} | set(re.findall(r"[A-Z][A-Z_]+", used))
    assert {word for one in code for word in re.findall(r"\bmake ([a-z-]+)", one)} <= targets
    assert {one for one in code if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", one)} <= known
    for path in {
        one for one in code if re.fullmatch(r"(src|serve|docs|tests|data/schemas|reports|\.github)/[\w./-]+", one)
    }:
        assert (ROOT / path).exists(), path


def test_links_between_the_pages_lead_somewhere() -> None:
    for name in "security.md", "threat-model.md", "data-sheet.md", "model-card.md", "../.github/SECURITY.md":
        text = (ROOT / "docs" / name).read_text()
        for path, _, anchor in (one.partition("#") for one in re.findall(r"\]\(([\w./#-]+)\)", text)):
            target = (ROOT / "docs" / name).parent / path
            assert target.exists(), (name, path)
            headings = {
                re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
                for line in target.read_text().splitlines()
                if line.startswith("#")
            }
            assert not anchor or anchor in headings, (name, anchor)


def test_a_token_is_rotated_without_a_moment_in_which_none_is_good() -> None:
    old, new = ("an-old-token-that-was-stolen", "a-new-token-of-the-caller")
    both = Auth(settings({"API_TOKEN": f"{old},{new}"}))
    assert both.who(f"Bearer {old}").name != both.who(f"Bearer {new}").name
    alone = Auth(settings({"API_TOKEN": new}))
    assert alone.who(f"Bearer {new}") == both.who(f"Bearer {new}")
    with pytest.raises(Exception, match="not one that this server knows"):
        alone.who(f"Bearer {old}")


def test_the_data_sheet_lists_the_columns_of_both_schemas_and_the_sources_of_labels() -> None:
    for name in "creditcard", "payments":
        for column in load(ROOT / f"data/schemas/{name}.yaml").columns:
            assert f"`{column}`" in SHEET or (re.fullmatch(r"V\d+", column) and "`V1` to `V28`" in SHEET), column
    for word in SOURCE, f"{FEEDBACK}:NAME", f"{CHANGED}:NAME", DERIVED, DELIVERED:
        assert f"`{word}`" in SHEET


def test_the_data_sheet_has_the_simulators_own_numbers() -> None:
    for value in creditcard.SPREADS[:4]:
        assert f"{value:.2f}" in SHEET
    assert f"{creditcard.ONES:.0%}" in SHEET.replace(" %", "%")
    assert f"{payments.FIRST_PAYMENTS:.0%}" in SHEET.replace(" %", "%")
    assert len(payments.CATEGORIES) == 10
    assert "ten categories" in SHEET
    for scenario, value in {"fraud_rate": traffic.MANY_FRAUDS, "amounts": traffic.LARGE_AMOUNTS}.items():
        assert re.search(rf"`{scenario}`[^|]*\|[^|]*\b{value}\b", SHEET), scenario
