"""make batches: which batches a run used."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from fraud.errors import Problem
from fraud.loop import used_batches
from fraud.outputs import md5_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    split = {part: {"batches": [f"2026-W0{week}"]} for week, part in enumerate(("train", "test", "current"), 2)}
    for name, content in {"reports/split.json": json.dumps(split), "params.yaml": "batches: weeks\n"}.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content)
    Path("weeks").mkdir()
    for week in range(1, 5):
        Path(f"weeks/2026-W0{week}.csv").write_text("x" * 400_000)
    return tmp_path


def test_each_batch_in_use_is_listed_with_its_md5(here: Path) -> None:
    used_batches.main("TO=out", "MEGABYTES=")
    rows = list(csv.DictReader((here / "out/batches.csv").read_text().splitlines()))
    assert [(row["part"], row["batch"]) for row in rows] == [
        ("train", "2026-W02"),
        ("test", "2026-W03"),
        ("current", "2026-W04"),
    ]
    assert {row["md5"] for row in rows} == {md5_of(here / "weeks/2026-W02.csv")}


@pytest.mark.parametrize(("megabytes", "copied"), [("0", 0), ("1", 0), ("2", 3)])
def test_the_files_come_along_where_they_are_asked_for_and_small(here: Path, megabytes: str, copied: int) -> None:
    used_batches.main("TO=out", f"MEGABYTES={megabytes}")
    assert len(list((here / "out").glob("2026-*"))) == copied


def test_a_batch_that_is_not_here_is_named(here: Path) -> None:
    (here / "weeks/2026-W03.csv").unlink()
    with pytest.raises(Problem, match="names batch '2026-W03', which is not here; run `make repro`"):
        used_batches.main()


@pytest.mark.usefixtures("here")
def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(Problem, match="MEGABYTES=many: expected a whole number"):
        used_batches.main("MEGABYTES=many")


def test_the_reports_come_along(here: Path) -> None:
    used_batches.main("TO=out")
    assert (here / "out/reports/split.json").read_bytes() == (here / "reports/split.json").read_bytes()


def test_what_the_loop_worked_with_goes_before_the_working_copy(here: Path) -> None:
    (here / ".dvc/tmp").mkdir(parents=True)
    shutil.copytree(here / "weeks", here / ".dvc/tmp/retrain/weeks")
    for name in "reports", "params.yaml":
        (here / name).rename(here / ".dvc/tmp/retrain" / name)
    used_batches.main("TO=out")
    assert len((here / "out/batches.csv").read_text().splitlines()) == 4


def test_batches_that_nothing_made_dvc_bring_are_listed_by_name(here: Path) -> None:
    shutil.rmtree(here / "weeks")
    used_batches.main("TO=out")
    rows = list(csv.DictReader((here / "out/batches.csv").read_text().splitlines()))
    assert [(row["batch"], row["md5"]) for row in rows] == [("2026-W02", ""), ("2026-W03", ""), ("2026-W04", "")]
