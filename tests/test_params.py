"""Parameters and schemas: a mistake is named with its place and the remedy."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from examples import MIXED, NUMBERS, payments
from fraud import params, schema
from fraud.errors import Problem
from fraud.features import matrix
from fraud.params import Section

COLUMNS = "columns: {speed: {role: feature, type: number}, fraud: {role: label, type: integer}}"


class Params(Section, frozen=True):
    """An example."""

    weeks: Annotated[int, Meta(ge=1)]
    until: str | None
    method: Literal["time", "stratified"] = "time"
    threshold: Literal["cost"] | float = "cost"


def loaded(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text)
    return params.load("split", Params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "split: {wekes: 4, until: null}",
            r"params.yaml, section 'split': unknown key 'wekes' \(did you mean 'weeks'\?\)",
        ),
        ("split: {weeks: 4, until: null, zzz: 1}", r"unknown key 'zzz'; expected weeks, until"),
        ("split: {weeks: 4, until: null, method: tim}", r"method: invalid enum value 'tim'; use time, stratified"),
        ("split: {weeks: 4, until: null, threshold: csot}", r"threshold: .*; use cost"),
        ("split: {weeks: 0, until: null}", r"section 'split': weeks: expected `int` >= 1"),
        ("split: {weeks: four, until: null}", r"section 'split': weeks: expected `int`, got `str`"),
        ("split: {weeks: 4}", r"section 'split': object missing required field `until`"),
        ("split: 4", r"section 'split': found 4, expected the keys weeks, until, method, threshold"),
        ("splitt: {}", r"params.yaml: section 'split' is missing \(did you mean 'splitt'\?\)"),
        ("split: {weeks: 4", r"params.yaml, line 1: .*; mend the YAML there"),
        ("- a", r"params.yaml: found list, expected a mapping"),
    ],
)
def test_a_mistake_in_params_is_named_with_its_place(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match=message):
        loaded(text, tmp_path, monkeypatch)


def test_a_section_is_read_as_typed_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("split: {weeks: 4, until: 2026-W08}\nother: 1", tmp_path, monkeypatch) == Params(4, "2026-W08")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {speed: {role: featur}}", r"shop.yaml, column 'speed': role: invalid enum value 'featur'"),
        (
            "columns: {speed: {role: feature, typ: number}}",
            r"column 'speed': unknown key 'typ' \(did you mean 'type'\?\)",
        ),
        ("columns: {speed: {role: feature}}", r"column 'speed': type 'text' does not fit role 'feature'"),
        ("columns: {speed: {role: feature, type: category}}", r"`categories` and `type: category` go together"),
        ("columns: {speed: {role: feature, type: number, min: 2, max: 1}}", r"min 2 is above max 1; swap them"),
        ("columns: {speed: {role: feature, type: number, max: .nan}}", r"`min` or `max` is not a number"),
        ("columns: {kind: {role: feature, type: category, categories: [a], min: 0}}", r"are for numbers, but the type"),
        (
            f"amount: tip\n{COLUMNS[:-1]}, tip: {{role: ignored, type: number, min: 0}}}}",
            r"'tip' is not a number .* kept",
        ),
        ("columns: {batch: {role: feature, type: number}}", r"the name 'batch' is taken by ingest"),
        ("columns: {label_source: {role: feature, type: number}}", r"the name 'label_source' is taken by ingest"),
        ("columns: {speed: {role: feature, type: number}}", r"found 0 columns with role 'label', expected one"),
        ("columns: {fraud: {role: label, type: integer}}", r"no column has role 'feature'"),
        (f"amount: price\n{COLUMNS}", r"amount: 'price' is not a number column"),
        (f"amount: speed\n{COLUMNS}", r"amount: 'speed' is not a number column with `min` 0 or more"),
        ("columns: {true: {role: ignored}}", r"column 'True': the name is True; write it in quotes"),
        ("columns: {speed: null}", r"column 'speed': found None, expected the keys role, type"),
        ("colums: {}", r"shop.yaml: unknown key 'colums' \(did you mean 'columns'\?\)"),
    ],
)
def test_a_mistake_in_a_schema_is_named_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(text)
    with pytest.raises(Problem, match=message):
        schema.load(tmp_path / "shop.yaml")


def test_a_schema_is_named_as_its_file_and_keeps_the_order_of_columns(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(COLUMNS)
    found = schema.load(tmp_path / "shop.yaml")
    assert (found.name, list(found.columns), found.label, found.time) == ("shop", ["speed", "fraud"], "fraud", None)


def test_words_that_other_yaml_versions_take_for_booleans_are_categories(tmp_path: Path) -> None:
    columns = COLUMNS.replace(
        "{speed: {role: feature, type: number}", "{speed: {role: feature, type: category, categories: [no, on, 7]}"
    )
    (tmp_path / "shop.yaml").write_text(columns)
    assert schema.load(tmp_path / "shop.yaml").features["speed"].categories == ("no", "on", "7")


def test_the_matrix_has_a_column_a_feature_a_code_a_category_and_nan_where_a_value_is_missing() -> None:
    rows: dict[str, Any] = {
        "amount": [1.5, 2.0],
        "shop": ["web", None],
        "age": [None, 30],
        "country": ["here", "there"],
        "card": ["a", "b"],
    }
    assert str(matrix(rows, MIXED).tolist()) == "[[1.5, 2.0, nan, 0.0], [2.0, nan, 30.0, 1.0]]"


def test_time_is_never_a_feature() -> None:
    table = payments(NUMBERS)
    assert matrix(table, NUMBERS).shape[1] == 2
    assert "seconds" not in NUMBERS.features
