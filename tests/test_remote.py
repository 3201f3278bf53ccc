"""make remote, make push, make pull: against a real S3 server, in good days and in bad ones."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fraud.errors import Problem
from fraud.loop import remote, transfer
from fraud.loop.storing import storage
from fraud.outputs import md5_of
from fraud.yamlfile import read_yaml
from s3 import CONFIG, KEY, SECRET, Copy, Server, empty, free_port, serving

S3 = "S3=s3://bucket/prefix"
Fault = Callable[[Copy], None]
MINE = [".dvc/cache", "week", "model.onnx"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".dvc/config"
    path.parent.mkdir()
    path.write_text(CONFIG)
    return path


def test_the_place_becomes_the_default_remote_and_the_folder_stays_to_go_back_to(config: Path) -> None:
    remote.main(S3, "ENDPOINT=http://localhost:9000/")
    lines = [
        "['remote \"storage\"']",
        "url = s3://bucket/prefix",
        "endpointurl = http://localhost:9000",
        "verify = true",
    ]
    storage = "\n    ".join(lines) + "\n"
    assert config.read_text() == CONFIG.replace("remote = local", "remote = storage") + storage


def test_it_says_what_it_did_and_what_comes_next(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remote.main(S3, "ENDPOINT=")
    said = capsys.readouterr().out
    assert f"{config.relative_to(Path.cwd())}: now keeps data and models in s3://bucket/prefix" in said
    assert "`make push`, then `git add .dvc/config && git commit`" in said
    assert "`dvc remote default local`" in said


def test_a_second_run_changes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remote.main(S3, "ENDPOINT=http://localhost:9000")
    before = config.read_bytes()
    remote.main("S3=s3://bucket/prefix/", "ENDPOINT=http://localhost:9000")
    assert config.read_bytes() == before
    assert ".dvc/config: already keeps data and models in s3://bucket/prefix" in capsys.readouterr().out


def test_another_place_replaces_the_earlier_one_and_its_endpoint(config: Path) -> None:
    remote.main(S3, "ENDPOINT=http://localhost:9000")
    remote.main(S3, "ENDPOINT=http://[::1]:9000")
    remote.main("S3=s3://other", "ENDPOINT=")
    assert config.read_text().endswith("['remote \"storage\"']\n    url = s3://other\n    verify = true\n")


@pytest.mark.parametrize(
    "url", ["bucket/prefix", "s3:/bucket", "s3://", "s3:///prefix", "s3://b", "s3://a b", "S3://bucket", "gs://bucket/a",
            "http://localhost:9000/bucket", "s3://bucket/a b", "s3://-bucket", "s3://bucket/a#b"]
)  # fmt: skip
def test_what_is_no_place_in_s3_is_refused_and_nothing_is_written(config: Path, url: str) -> None:
    with pytest.raises(Problem, match="expected s3://bucket or s3://bucket/prefix") as problem:
        remote.main(f"S3={url}")
    assert url in str(problem.value)
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    "arguments",
    [
        ["S3=s3://key:hush@bucket/prefix"],
        ["S3=s3://key:hu/sh@bucket/prefix"],
        ["S3=s3://hush@bucket/prefix"],
        [S3, "ENDPOINT=http://hush@localhost:9000"],
        ["S3=s3://key:hush/prefix"],
        ["S3=https://key:hush@s3.example.com/bucket"],
        ["S3=s3://bucket/prefix?X-Amz-Signature=hush"],
        [S3, "ENDPOINT=http://user:hush@localhost:9000"],
        [S3, "ENDPOINT=https://s3.example.com/?token=hush"],
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(config: Path, arguments: list[str]) -> None:
    with pytest.raises(Problem, match=r"git would keep; .*AWS_ACCESS_KEY_ID.*AWS_PROFILE.*config\.local") as problem:
        remote.main(*arguments)
    assert "hush" not in str(problem.value)
    assert "hu/sh" not in str(problem.value)
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    "endpoint", ["localhost:9000", "s3://host", "http://", "http://host:port", "http://[", "http://a b"]
)
def test_an_endpoint_that_is_no_address_is_refused(config: Path, endpoint: str) -> None:
    with pytest.raises(Problem, match=r"ENDPOINT.*(expected an address like https://|found credentials)"):
        remote.main(S3, f"ENDPOINT={endpoint}")
    assert config.read_text() == CONFIG


def test_without_a_place_it_shows_the_form(config: Path) -> None:
    with pytest.raises(Problem, match=r"S3: found nothing.*make remote S3=s3://bucket/prefix \[ENDPOINT="):
        remote.main("S3=", "ENDPOINT=http://localhost:9000")
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((S3, "STACK=fraud"), "S3 and STACK: found both, expected a place"),
        ((S3, "REGION=eu-west-1"), "REGION: goes with STACK only"),
        (("STACK=fraud", "ENDPOINT=http://localhost:9000"), "ENDPOINT: goes with S3 only"),
    ],
)
def test_a_bucket_is_named_itself_or_by_its_stack(config: Path, given: tuple[str, ...], why: str) -> None:
    with pytest.raises(Problem, match=why):
        remote.main(*given)
    assert config.read_text() == CONFIG


def test_outside_a_repository_it_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match=r"\.dvc: there is no such folder; run it at the root"):
        remote.main(S3)


def test_settings_of_dvc_that_are_broken_are_left_and_named(config: Path) -> None:
    config.write_text("[core\n")
    with pytest.raises(Problem, match=r"^\.dvc/config: .*mend it there"):
        remote.main(S3)
    assert config.read_text() == "[core\n"


def test_a_remote_that_the_settings_do_not_know_is_named(config: Path) -> None:
    config.write_text(CONFIG.replace("remote = local", "remote = elsewhere"))
    with pytest.raises(Problem, match=r"^\.dvc/config: found no remote 'elsewhere'; .*`make remote S3="):
        transfer.main("push")


def test_a_transfer_is_a_push_or_a_pull() -> None:
    with pytest.raises(Problem, match="found 'fetch', expected `make push` or `make pull`"):
        transfer.main("fetch")


class World(NamedTuple):
    """A repository whose two commits are pushed, and a working copy whose data is one commit behind."""

    server: Server
    origin: Copy
    behind: Copy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("remote")
    with serving(folder / "s3", "bucket") as server:
        origin = empty(folder / "origin")
        origin.loop("remote", S3, f"ENDPOINT={server.endpoint}")
        origin.pin({"week/1.csv": "one", "week/2.csv": "two", "model.onnx": "the first"})
        behind = origin.twin(folder / "behind")
        origin.pin({"week/2.csv": "two, again", "week/3.csv": "three", "model.onnx": "the second"})
        behind.run("git", "pull", "-q", str(origin.path), "main")
        shutil.copytree(origin.path / ".dvc/cache/files", server.folder / "bucket/prefix/files")
        yield World(server, origin, behind)


@pytest.fixture
def behind(world: World, tmp_path: Path) -> Copy:
    return world.behind.twin(tmp_path / "behind")


@pytest.fixture
def ahead(world: World, tmp_path: Path) -> Copy:
    """A working copy whose newest data is not pushed."""
    copy = world.origin.twin(tmp_path / "ahead")
    copy.pin({"week/4.csv": f"four of {tmp_path}", "model.onnx": f"the third of {tmp_path}"})
    return copy


def key(path: Path) -> str:
    """Return where a remote in s3://bucket/prefix keeps a file, or the list of a folder's files."""
    md5 = md5_of(path) if path.is_file() else read_yaml(path.with_name(f"{path.name}.dvc"))["outs"][0]["md5"]
    return f"bucket/prefix/files/md5/{md5[:2]}/{md5[2:]}"


def data(copy: Copy) -> dict[str, bytes]:
    return copy.files("week", "model.onnx")


def test_a_fresh_clone_pulls_what_was_pushed_with_plain_dvc(ahead: Copy, tmp_path: Path) -> None:
    ahead.loop("transfer", "push")
    clone = ahead.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    assert len(data(clone)) == 5
    assert data(clone) == data(ahead)


def test_no_secret_is_in_anything_that_git_tracks(world: World) -> None:
    assert SECRET not in world.origin.run("git", "log", "-p", "--all")
    assert world.origin.run("git", "status", "--porcelain") == ""


def wrong_secret(copy: Copy) -> None:
    copy.proof = "wrong"


def missing_bucket(copy: Copy) -> None:
    copy.override("storage", url="s3://nowhere/prefix")


def dead_server(copy: Copy) -> None:
    copy.override("storage", endpointurl=f"http://127.0.0.1:{free_port()}")


FAULTS: dict[Fault, str] = {
    wrong_secret: r"s3://bucket/prefix at http://127.0.0.1:\d+: the server refuses these credentials; check key",
    missing_bucket: r"s3://nowhere/prefix at http://127.0.0.1:\d+: found no such bucket; make it, or mend its name",
    dead_server: r"s3://bucket/prefix at http://127.0.0.1:\d+: nobody answers there; check the address \(ENDPOINT\)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_push_that_fails_says_why_and_leaves_all_as_it_was(world: World, ahead: Copy, fault: Fault) -> None:
    fault(ahead)
    before, there = ahead.files(*MINE), world.server.objects()
    said = ahead.loop("transfer", "push", code=1)
    assert re.match(FAULTS[fault], said.splitlines()[-1])
    assert ahead.files(*MINE) == before
    assert world.server.objects() == there


@pytest.mark.parametrize("fault", FAULTS)
def test_a_pull_that_fails_says_why_and_leaves_all_as_it_was(behind: Copy, fault: Fault) -> None:
    fault(behind)
    before = behind.files(*MINE)
    said = behind.loop("transfer", "pull", code=1)
    assert re.match(FAULTS[fault], said.splitlines()[-1])
    assert behind.files(*MINE) == before


@pytest.mark.parametrize(
    ("printed", "meaning"),
    [
        ("unexpected error - Unable to locate credentials", "found no credentials; set AWS_ACCESS_KEY_ID"),
        (
            "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
            "found no credentials; set AWS_ACCESS_KEY_ID",
        ),
        ("unexpected error - The config profile (x) could not be found", "found no such AWS profile; mend AWS_PROFILE"),
        ("(ExpiredToken) when calling: The provided token has expired.", "found credentials that have expired"),
        ("An error occurred (AccessDenied) when calling the ListObjectsV2 operation", "the server refuses"),
        ("Connect timeout on endpoint URL: 'https://host/'", "nobody answers there"),
        ("something new.", "something new; mend that"),
    ],
)
def test_what_dvc_prints_becomes_a_remedy(
    config: Path, monkeypatch: pytest.MonkeyPatch, printed: str, meaning: str
) -> None:
    remote.main(S3)
    monkeypatch.setattr(storage, "answer", lambda *_: (255, f"ERROR: {printed}\n\nHaving any troubles?\n"))
    with pytest.raises(Problem, match="^s3://bucket/prefix: " + re.escape(meaning)):
        storage.listed("storage")
    assert config.exists()


def test_a_damaged_file_is_named_and_what_the_message_says_mends_it(world: World, behind: Copy) -> None:
    behind.proof = ""
    behind.override("storage", access_key_id=KEY, secret_access_key=SECRET)
    before = data(behind)
    with world.server.changed(key(world.origin.path / "week/2.csv"), b"TWO, again"):
        said = behind.loop("transfer", "pull", code=1).splitlines()[-1]
        assert said.startswith(f"s3://bucket/prefix at {world.server.endpoint}: week/2.csv is missing or damaged there")
        assert data(behind) == before
        for name in re.findall(r"files/md5/[0-9a-f/]*(?:\.dir)?", said):
            world.server.set(f"bucket/prefix/{name}", None)
        world.origin.loop("transfer", "push")
        behind.loop("transfer", "pull")
    assert data(behind) == data(world.origin)
    assert ".dvc/config.local" not in behind.run("git", "status", "--porcelain", "--untracked-files=all")


def test_a_list_of_a_folder_that_reads_well_and_lies_is_found_out(world: World, behind: Copy) -> None:
    before = data(behind)
    with world.server.changed(key(world.origin.path / "week"), b"[]"):
        said = behind.loop("transfer", "pull", code=1).splitlines()[-1]
    assert ": week/ is missing or damaged there" in said
    assert key(world.origin.path / "week").removeprefix("bucket/prefix/") in said
    assert data(behind) == before


def test_plain_dvc_pull_of_a_damaged_model_fails_and_does_not_use_it(world: World, behind: Copy) -> None:
    with world.server.changed(key(world.origin.path / "model.onnx"), b"THE SECOND"):
        behind.run("dvc", "pull", code=1)
    assert b"THE SECOND" not in behind.files(*MINE).values()


def test_plain_dvc_pull_from_a_missing_bucket_fails(behind: Copy) -> None:
    missing_bucket(behind)
    before = behind.files(*MINE)
    behind.run("dvc", "pull", code=255)
    assert behind.files(*MINE) == before


def test_a_push_of_what_is_on_neither_side_is_a_problem(ahead: Copy) -> None:
    md5 = md5_of(ahead.path / "model.onnx")
    (ahead.path / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").unlink()
    said = ahead.loop("transfer", "push", code=1).splitlines()[-1]
    assert ": model.onnx is neither there nor in the cache here; `make push` where it is" in said


def test_a_pull_leaves_changes_that_dvc_has_not_recorded(behind: Copy) -> None:
    behind.write({"model.onnx": "mine"})
    said = behind.loop("transfer", "pull", code=1).splitlines()[-1]
    assert said.startswith("workspace: not all is in place, as the lines above say; changes that DVC has not recorded")
    assert (behind.path / "model.onnx").read_text() == "mine"
