"""dvc.yaml is the table of contents: names, dependencies and parameters agree with the code."""

import ast
import importlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from examples import ROOT
from fraud.cost import Cost
from fraud.drift_rule import Rule
from fraud.yamlfile import read_yaml

STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = read_yaml(ROOT / "params.yaml")
SOURCE = ROOT / "src"
SECTIONS: dict[str, Any] = {"cost": Cost, "drift": Rule}  # The others are `Params` in the stage's module.


def imports(path: Path) -> set[Path]:
    """Return the project files that a file imports, and those that they import."""
    found, waiting = set[Path](), [path]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += imported(file)
    return found


def imported(path: Path) -> list[Path]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [file for name in names if (file := SOURCE / f"{name.replace('.', '/')}.py").exists()]


def section(name: str) -> Any:
    if name in SECTIONS:
        return SECTIONS[name]
    return importlib.import_module(f"fraud.stages.{name}").Params


def test_the_stages_stand_in_the_order_in_which_they_run() -> None:
    assert list(STAGES) == ["simulate", "ingest", "split", "train", "evaluate", "estimate", "drift", "card"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_each_project_file_that_it_imports(stage: str) -> None:
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")}
    needed = {str(file.relative_to(ROOT)) for file in imports(SOURCE / f"fraud/stages/{stage}.py")}
    assert listed == needed, f"dvc.yaml, stage {stage}: deps lack {needed - listed} and have {listed - needed} too many"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_the_module_of_its_name_and_no_shell_operator(stage: str) -> None:
    command = STAGES[stage]["cmd"]
    assert command.startswith(f"PYTHONPATH=src python -m fraud.stages.{stage} ")
    assert not set(command) & set("|&;<>`")


@pytest.mark.parametrize("stage", STAGES)
def test_the_paths_of_a_command_are_the_dependencies_and_outputs_of_its_stage(stage: str) -> None:
    outs = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", []), *STAGES[stage].get("plots", [])]
    paths = {path if isinstance(path, str) else next(iter(path)) for path in outs}
    declared = {*paths, *(dep for dep in STAGES[stage]["deps"] if not dep.startswith(("src/", "requirements/")))}
    for word in STAGES[stage]["cmd"].split()[4:]:
        parts = {path for path in declared if path == word or path.startswith(f"{word}/")}
        assert parts, f"dvc.yaml, stage {stage}: {word} is neither a dependency nor an output"
        declared -= parts
    assert not declared


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_a_section_of_its_name_with_exactly_its_keys(stage: str) -> None:
    for name in set(STAGES[stage]["params"]) - {"batches"}:
        assert set(PARAMS[name]) == {field.name for field in msgspec.structs.fields(section(name))}
    assert stage in STAGES[stage]["params"] or stage == "card"  # Which tells of the others' settings.


def test_every_section_belongs_to_a_stage_but_those_of_what_comes_before_and_after_them() -> None:
    used = {name for stage in STAGES.values() for name in stage["params"]}
    assert set(PARAMS) == used | {"dataset", "batches", "collect", "gate", "retrain"}


@pytest.mark.parametrize("path", sorted((SOURCE / "fraud").rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_file_holds_no_code_that_a_stage_would_depend_on(path: Path) -> None:
    assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def test_the_expensive_stage_has_cached_outputs_only_so_that_its_runs_are_remembered() -> None:
    assert all(isinstance(out, str) for out in STAGES["train"]["outs"])
