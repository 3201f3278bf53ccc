"""README says what is there: targets, files, stages and settings."""

import re
from typing import Any

import pytest

from examples import ROOT
from fraud.yamlfile import read_yaml

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = read_yaml(ROOT / "params.yaml")
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, flags=re.MULTILINE))
CODE = re.findall(r"`([^`\n]+)`", README) + re.findall(r"^```\w*\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
GENERATED = {
    "data/raw",
    "data/simulate",
    "data/ingest",
    "data/quarantine",
    "data/split",
    "data/estimate",
    "data/drift",
    "data/requests.db",
    "data/backups",
    "data/spool",
    ".venv-serve",
    ".venv-mlflow",
    "mlruns",
    "models",
    "reports/plots.html",
    "reports/drift.html",
}
NO_FILES = (
    ".dvc-remote",
    ".dvc/tmp/",
    ".dvc/config.local",
    "reports/",
    "retrain/",
    "fraud/checks",
)  # Branches, a commit status.


def edges() -> set[tuple[str, str]]:
    made = {}
    for stage, entry in STAGES.items():
        outs = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
        made.update({out if isinstance(out, str) else next(iter(out)): stage for out in outs})
    deps = {
        (dep.replace("${batches}", "data/simulate"), stage) for stage, entry in STAGES.items() for dep in entry["deps"]
    }
    return {(made[dep], stage) for dep, stage in deps if dep in made}


def test_the_diagram_shows_the_graph_as_it_is() -> None:
    diagram = re.search(r"```mermaid\n(.*?)```", README, flags=re.DOTALL)
    assert diagram
    assert set(re.findall(r"(\w+) --> (\w+)", diagram[1])) == edges()


def test_the_two_commands_come_first() -> None:
    first = re.search(r"^```\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert first
    assert first[1].split("\n")[:2] == ["make repro", "make test"]


def test_every_make_target_that_the_readme_names_exists() -> None:
    named = {word for code in CODE for word in re.findall(r"\bmake ([a-z-]+)", code)}
    assert named <= TARGETS
    assert {
        "setup",
        "repro",
        "test",
        "check",
        "metrics",
        "plots",
        "exp",
        "data",
        "gate",
        "twice",
        "bench",
        "clean",
    } <= TARGETS


def test_every_target_has_a_line_of_help_and_is_phony() -> None:
    rules = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
    assert rules == TARGETS
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert set(phony.split()) == TARGETS


def test_every_file_that_the_readme_names_exists() -> None:
    named = {
        code for code in CODE if re.fullmatch(r"[.\w-]+(/[.\w-]+)*/?", code) and ("/" in code or code.endswith(".yaml"))
    }
    for name in named:
        if not any(name.startswith(folder) for folder in GENERATED):
            assert (ROOT / name).exists() or name.startswith(NO_FILES), name


def test_the_tree_names_folders_and_files_that_are_there() -> None:
    tree = next(code for code in CODE if code.startswith("dvc.yaml  "))
    parents: list[str] = []
    for line in tree.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        parents = [*parents[:depth], name]
        assert (ROOT / "".join(parents)).exists(), "".join(parents)
    top = {line.split()[0].strip("/") for line in tree.splitlines() if not line.startswith(" ")}
    assert top >= {"dvc.yaml", "params.yaml", "Makefile", "data", "src", "models", "reports", "tests", ".github"}


def keys(section: dict[str, Any]) -> list[str]:
    """Return the keys of a section in the order of its lines, those of a metric's limit aside."""
    nested = [[key, *value] if isinstance(value, dict) else [key] for key, value in section.items()]
    return [key for part in nested for key in part]


@pytest.mark.parametrize("section", [key for key in PARAMS if isinstance(PARAMS[key], dict)])
def test_every_setting_has_a_comment_that_says_what_it_is(section: str) -> None:
    lines = (ROOT / "params.yaml").read_text().splitlines()
    start = lines.index(f"{section}:") + 1
    block = lines[start : start + len(keys(PARAMS[section]))]
    plain = {"weeks", "rows_per_week", "seed", "model", "drift", "sampler", "method"}
    assert [line.split(":")[0].strip() for line in block] == keys(PARAMS[section])
    assert all("#" in line for line in block if line.split(":")[0].strip() not in plain)


def test_settings_that_the_readme_names_exist() -> None:
    setting = re.compile(r"([a-z]+)\.(?!yml)[a-z_]+")
    named = {code for code in CODE if (found := setting.fullmatch(code)) and found[1] in PARAMS}
    assert named
    for name in named:
        section, _, key = name.partition(".")
        assert key in PARAMS[section], name


def test_settings_of_experiments_that_the_readme_shows_exist() -> None:
    shown = {name for code in CODE for name in re.findall(r"-S ([\w.]+)=", code)}
    assert shown
    for name in shown:
        section, _, key = name.partition(".")
        assert section in PARAMS
        assert not key or key in PARAMS[section]
