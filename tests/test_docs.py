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


def marked(text: str) -> list[str]:
    """Return what a page sets as code."""
    return re.findall(r"`([^`\n]+)`", text) + re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


CODE = marked(README)
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
    "sbom",
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
    "5000/hour",
)  # Branches, a commit status, a limit.


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


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/server.md", "docs/measurements.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    named = {word for part in marked((ROOT / page).read_text()) for word in re.findall(r"\bmake ([a-z-]+)", part)}
    assert named
    assert named <= TARGETS


def test_every_file_and_program_that_contributing_names_exists() -> None:
    parts = marked((ROOT / "CONTRIBUTING.md").read_text())
    words = {word for part in parts for word in part.split()}
    named = {word for word in words if re.fullmatch(r"[.\w-]+(/[.\w-]+)+/?|[\w-]+\.(yaml|md|toml|lock)", word)}
    assert len(named) > 10
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_way_to_a_metric_is_as_contributing_says() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"to `(\w+)` or `(\w+)` in `src/fraud/metrics.py`", text)[0]:
        assert f"\ndef {name}(" in (ROOT / "src/fraud/metrics.py").read_text()


def test_the_readmes_most_used_targets_exist() -> None:
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
