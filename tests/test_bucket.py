"""make data S3=…, make data UPDATE=1: weekly files of a real S3 server, and what happens when they do not come."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraud.errors import Problem
from fraud.loop.importing import bucket
from fraud.yamlfile import read_yaml
from s3 import SECRET, Copy, Server, empty, serving

TARGET = "data/raw/creditcard"
RECORD = f"{TARGET}.dvc"
WEEKS = {f"2026-W0{week}.csv": f"amount\n{week}\n" for week in (1, 2, 3)}
BRING = "from pathlib import Path; from fraud import errors; from fraud.loop.importing import bucket; "
KEPT = [".dvc/config", RECORD, TARGET]


def bring(copy: Copy, url: str, code: int = 0) -> list[str]:
    endpoint = copy.run("git", "config", "test.endpoint").strip()
    call = f"errors.run(lambda: bucket.bring({url!r}, {endpoint!r}, Path({TARGET!r})))"
    return copy.run("python", "-c", BRING + call, code=code).splitlines()


def update(copy: Copy, code: int = 0) -> list[str]:
    return copy.run(
        "python", "-c", f"{BRING}errors.run(lambda: bucket.update(Path({TARGET!r})))", code=code
    ).splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3"), "bank", "hollow") as server:
        for name, content in WEEKS.items():
            server.set(f"bank/weekly_data/{name}", content.encode())
        yield server


@pytest.fixture(scope="module")
def before(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A repository without data."""
    copy = empty(tmp_path_factory.mktemp("before") / "copy")
    copy.run("git", "config", "test.endpoint", server.endpoint)
    return copy


@pytest.fixture(scope="module")
def brought(before: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A repository that has committed its import of three weeks."""
    copy = before.twin(tmp_path_factory.mktemp("brought") / "copy")
    (copy.path / "said").write_text("\n".join(bring(copy, "s3://bank/weekly_data/")))
    copy.commit()
    return copy


@pytest.fixture
def copy(brought: Copy, tmp_path: Path) -> Copy:
    return brought.twin(tmp_path / "copy")


def weeks(copy: Copy) -> dict[str, str]:
    return {Path(name).name: content.decode() for name, content in copy.files(TARGET).items()}


def test_the_files_of_the_bucket_come_and_dvc_records_where_from(brought: Copy, server: Server) -> None:
    assert weeks(brought) == WEEKS
    assert read_yaml(brought.path / RECORD)["deps"][0]["path"] == "remote://weekly-creditcard/"
    settings = (
        f"['remote \"weekly-creditcard\"']\n    url = s3://bank/weekly_data\n    endpointurl = {server.endpoint}\n"
    )
    assert settings in (brought.path / ".dvc/config").read_text()
    assert "    remote = local\n" in (brought.path / ".dvc/config").read_text()


def test_it_says_what_came(brought: Copy) -> None:
    said = (brought.path / "said").read_text()
    assert f"s3://bank/weekly_data: 3 files in {TARGET}, 2026-W01.csv to 2026-W03.csv" in said
    assert "`make data UPDATE=1`" in said


def test_git_tracks_the_record_but_neither_data_nor_secret(brought: Copy) -> None:
    tracked = brought.run("git", "ls-files").split()
    assert RECORD in tracked
    assert not [name for name in tracked if name.endswith(".csv")]
    assert SECRET not in brought.run("git", "log", "-p", "--all")


def test_an_update_brings_new_weeks_and_says_which_are_new_changed_or_gone(copy: Copy, server: Server) -> None:
    first, second, fourth = (f"bank/weekly_data/2026-W0{week}.csv" for week in (1, 2, 4))
    with server.changed(first, None), server.changed(second, b"amount\n22\n"):
        server.set(fourth, b"amount\n4\n")
        said = update(copy)
        server.set(fourth, None)
    assert weeks(copy) == {name: WEEKS[name] for name in ["2026-W03.csv"]} | {
        "2026-W02.csv": "amount\n22\n",
        "2026-W04.csv": "amount\n4\n",
    }
    assert [line.partition(" (")[0] for line in said if line.startswith("2026-")] == [
        "2026-W01.csv is gone",
        "2026-W02.csv changed",
        "2026-W04.csv is new",
    ]
    assert read_yaml(copy.path / RECORD)["outs"][0]["md5"] in copy.run("git", "diff")


def test_an_update_without_news_says_so_and_changes_nothing(copy: Copy, server: Server) -> None:
    assert update(copy)[-1] == f"s3://bank/weekly_data at {server.endpoint}: nothing new"
    assert copy.run("git", "status", "--porcelain") == ""


def test_an_update_where_the_data_is_not_yet_brings_it_first(copy: Copy, server: Server) -> None:
    shutil.rmtree(copy.path / TARGET)
    with server.changed("bank/weekly_data/2026-W01.csv", None):
        said = update(copy)
    assert [line for line in said if line.startswith("2026-W01.csv is gone (")]
    assert sorted(weeks(copy)) == ["2026-W02.csv", "2026-W03.csv"]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://nowhere/weekly_data/", "s3://nowhere/weekly_data at {}: found no such bucket"),
        ("s3://bank/monthly_data/", "s3://bank/monthly_data at {}: found no files; mend the prefix"),
        ("s3://hollow", "s3://hollow at {}: found no files; mend the prefix"),
        ("s3://bank/weekly_data/2026-W01.csv", "s3://bank/weekly_data/2026-W01.csv at {}: found no folder with files"),
    ],
)
def test_a_place_with_nothing_to_bring_is_named_and_all_stays(copy: Copy, server: Server, url: str, found: str) -> None:
    was = copy.files(*KEPT)
    assert bring(copy, url, code=1)[-1].startswith(found.format(server.endpoint))
    assert copy.files(*KEPT) == was


def test_an_update_from_a_bucket_that_refuses_us_leaves_all_as_it_was(copy: Copy) -> None:
    was = copy.files(*KEPT)
    copy.proof = "wrong"
    assert ": the server refuses these credentials" in update(copy, code=1)[-1]
    assert copy.files(*KEPT) == was


def test_an_update_from_a_bucket_that_was_emptied_leaves_all_as_it_was(copy: Copy, server: Server) -> None:
    was = copy.files(*KEPT)
    for name in WEEKS:
        server.set(f"bank/weekly_data/{name}", None)
    said = update(copy, code=1)
    for name, content in WEEKS.items():
        server.set(f"bank/weekly_data/{name}", content.encode())
    assert ": found no files" in said[-1]
    assert copy.files(*KEPT) == was


def test_a_first_import_that_fails_leaves_nothing_behind(before: Copy, tmp_path: Path) -> None:
    copy = before.twin(tmp_path / "copy")
    was = copy.files(*KEPT)
    assert "found no folder with files in it" in bring(copy, "s3://bank/weekly_data/2026-W01.csv", code=1)[-1]
    assert copy.files(*KEPT) == was


def test_files_that_dvc_has_not_recorded_are_never_replaced(before: Copy, tmp_path: Path) -> None:
    copy = before.twin(tmp_path / "copy")
    copy.write({f"{TARGET}/2026-W01.csv": "mine"})
    assert bring(copy, "s3://bank/weekly_data/", code=1)[-1].startswith(
        f"{TARGET}: found files that DVC has not recorded"
    )
    assert weeks(copy) == {"2026-W01.csv": "mine"}


def test_a_week_that_was_edited_here_is_not_thrown_away(copy: Copy) -> None:
    copy.write({f"{TARGET}/2026-W02.csv": "mine"})
    was = copy.files(*KEPT)
    assert update(copy, code=1)[-1].startswith(f"{TARGET}/2026-W02.csv: not what DVC recorded")
    assert copy.files(*KEPT) == was


@pytest.mark.parametrize("record", [None, "outs:\n- md5: 0cc175b9c0f1b6a831c399e269772661.dir\n  path: creditcard\n"])
def test_an_update_of_what_was_never_imported_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(TARGET).parent.mkdir(parents=True)
    if record:
        Path(RECORD).write_text(record)
    with pytest.raises(Problem, match=f"^{RECORD}: found no import; begin with `make data S3="):
        bucket.update(Path(TARGET))


def test_an_import_from_a_folder_by_its_path_is_brought_up_to_date_too(before: Copy, tmp_path: Path) -> None:
    copy, folder = before.twin(tmp_path / "copy"), tmp_path / "weekly"
    folder.mkdir()
    (folder / "2026-W01.csv").write_text("amount\n1\n")
    (copy.path / TARGET).parent.mkdir(parents=True)
    copy.run("dvc", "import-url", str(folder), TARGET)
    (folder / "2026-W02.csv").write_text("amount\n2\n")
    assert [line.partition(" (")[0] for line in update(copy) if line.startswith("2026-")] == ["2026-W02.csv is new"]
    assert weeks(copy) == {"2026-W01.csv": "amount\n1\n", "2026-W02.csv": "amount\n2\n"}
    assert update(copy)[-1] == f"{folder}: nothing new"
