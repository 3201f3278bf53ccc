"""What keeps versions fresh: Dependabot where it can, `make lock` where it cannot, both after a week."""

import shutil
import subprocess
from pathlib import Path

from examples import ROOT
from fraud.yamlfile import read_yaml

PATH = ROOT / ".github/dependabot.yml"
ENTRIES = read_yaml(PATH)["updates"]
READS = {
    "github-actions": ".github/workflows/*.yml",
    "docker": "*Dockerfile",
    "docker-compose": "compose.yaml",
    "npm": "package-lock.json",
    "pip": "*.txt",
}  # By each, in its directory.


def zizmor(path: Path) -> str:
    words = ["zizmor", "--offline", "--no-progress", "--no-exit-codes", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_each_kind_of_pin_is_watched_in_the_folder_where_it_is() -> None:
    assert {entry["package-ecosystem"] for entry in ENTRIES} == set(READS)
    for entry in ENTRIES:
        folder = ROOT / entry["directory"].strip("/")
        assert list(folder.glob(READS[entry["package-ecosystem"]])), entry


def test_nothing_younger_than_a_week_is_taken_without_need(tmp_path: Path) -> None:
    assert {entry["cooldown"]["default-days"] for entry in ENTRIES} == {7}
    assert "--upgrade --exclude-newer P7D" in (ROOT / "requirements/lock.sh").read_text()
    (tmp_path / ".github").mkdir()
    other = tmp_path / ".github/dependabot.yml"
    shutil.copy(PATH, other)
    assert "dependabot-cooldown" not in zizmor(tmp_path)
    other.write_text(PATH.read_text().replace("    cooldown:\n      default-days: 7\n", "", 1))
    assert "dependabot-cooldown" in zizmor(tmp_path)


def test_python_packages_are_only_touched_for_vulnerabilities_as_only_make_lock_can_resolve_them() -> None:
    assert {entry["package-ecosystem"] for entry in ENTRIES if entry.get("open-pull-requests-limit") == 0} == {"pip"}


def test_dependabot_can_read_the_base_of_the_image() -> None:
    lines = (ROOT / "ops/Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM ") and "@sha256:" in line and "$" not in line]
    assert "ARG BASE_IMAGE=python" in lines


def test_the_lock_file_of_npm_names_no_registry_and_npm_is_told_to_keep_it_so() -> None:
    assert '"resolved"' not in (ROOT / "requirements/node" / "package-lock.json").read_text()
    assert "omit-lockfile-registry-resolved=true" in (ROOT / "requirements/node" / ".npmrc").read_text()
