"""dvc.lock is fresh in every commit: code, parameters and commands are those that made it."""

from typing import Any

import pytest

from examples import ROOT
from fraud.outputs import md5_of
from fraud.yamlfile import read_yaml

STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = read_yaml(ROOT / "params.yaml")
LOCK: dict[str, Any] = read_yaml(ROOT / "dvc.lock")["stages"]


def filled(text: str) -> str:
    return text.replace("${dataset}", PARAMS["dataset"]).replace("${batches}", PARAMS["batches"])


def remedy(stage: str) -> str:
    return f"run `make repro` and commit dvc.lock (stage {stage})"


@pytest.mark.parametrize("stage", STAGES)
def test_the_lock_pins_the_code_as_it_is(stage: str) -> None:
    pinned = {dep["path"]: dep["md5"] for dep in LOCK[stage]["deps"]}
    assert set(pinned) == {filled(dep) for dep in STAGES[stage]["deps"]}, remedy(stage)
    for path, md5 in pinned.items():
        if path.startswith(("src/", "requirements/", "data/schemas/")):
            assert md5_of(ROOT / path) == md5, f"{path} changed: {remedy(stage)}"


@pytest.mark.parametrize("stage", STAGES)
def test_the_lock_pins_the_parameters_as_they_are(stage: str) -> None:
    assert LOCK[stage]["params"]["params.yaml"] == {name: PARAMS[name] for name in STAGES[stage]["params"]}, remedy(
        stage
    )


@pytest.mark.parametrize("stage", STAGES)
def test_the_lock_pins_the_command_as_it_is(stage: str) -> None:
    assert LOCK[stage]["cmd"] == filled(STAGES[stage]["cmd"]), remedy(stage)


def test_what_one_stage_made_is_what_the_next_one_took() -> None:
    made = {out["path"]: out["md5"] for stage in LOCK.values() for out in stage["outs"]}
    for stage, entry in LOCK.items():
        for dep in entry["deps"]:
            assert made.get(dep["path"], dep["md5"]) == dep["md5"], remedy(stage)


def test_reports_and_the_model_card_in_git_are_those_that_the_lock_pins() -> None:
    for stage, entry in LOCK.items():
        for out in entry["outs"]:
            if out["path"].startswith(("reports/", "docs/")) and not out["path"].endswith("confusion.csv"):
                assert md5_of(ROOT / out["path"]) == out["md5"], f"{out['path']} changed: {remedy(stage)}"
