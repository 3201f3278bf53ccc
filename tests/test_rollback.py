"""make rollback: the model before this one, by a new commit, in real git repositories with a DVC remote."""

import shutil
from pathlib import Path

import pytest

from histories import History, history, md5_of_text, with_origin
from s3 import free_port


@pytest.fixture
def made(tmp_path: Path) -> History:
    return with_origin(history(tmp_path / "made", "first", "second", "third"))


def changed(made: History) -> list[str]:
    return made.run("git", "diff", "--name-only", "HEAD~1", "HEAD").split()


def models(made: History) -> str:
    return made.text("models/model.onnx")


def test_lock_settings_reports_and_model_are_those_before_and_one_commit_says_so(made: History) -> None:
    head = made.head()
    said = made.loop("rollback")
    assert made.head("HEAD~1") == head
    assert changed(made) == ["docs/model-card.md", "dvc.lock", "params.yaml", "reports/metrics.json"]
    assert made.run("git", "diff", "HEAD", "HEAD~2") == ""
    assert models(made) == "second"
    assert md5_of_text("second") in said
    assert "settings that go back with it, as it was made with them: train.seed third -> second\n" in said
    assert "next: `git push origin HEAD:main`" in said
    assert made.run("git", "log", "-1", "--format=%s").strip() == f"Go back to model {md5_of_text('second')[:6]}"


def test_the_model_comes_from_the_remote_where_it_is_not_here(made: History) -> None:
    shutil.rmtree(made.path / ".dvc/cache")
    (made.path / "models/model.onnx").unlink()
    made.loop("rollback")
    assert models(made) == "second"


def test_what_else_changed_since_stays(made: History) -> None:
    made.write({"README.md": "newer\n"})
    made.commit()
    made.loop("rollback")
    assert made.text("README.md") == "newer\n"
    assert made.text("params.yaml").endswith("seed: second\n")


def test_settings_that_no_stage_reads_stay_and_are_named(made: History) -> None:
    newer = "# ours\n" + made.text("params.yaml") + "  more: 1\n\ngate:\n  samples: 9   # fewer\n"
    made.write({"params.yaml": newer})
    made.commit()
    said = made.loop("rollback")
    assert made.text("params.yaml") == (
        "# ours\nbatches: data/simulate\n\ntrain:\n  seed: second\ngate:\n  samples: 9   # fewer\n"
    )
    assert "settings that stay, as no stage reads them: gate.samples\n" in said
    assert "train.seed third -> second, train.more 1 -> None\n" in said


def test_a_section_that_is_gone_since_comes_back_with_the_model_that_read_it(made: History) -> None:
    made.write({"params.yaml": "batches: data/simulate"})
    made.commit()
    made.loop("rollback")
    assert made.text("params.yaml") == "batches: data/simulate\n\ntrain:\n  seed: second\n"


def test_a_hook_that_refuses_every_commit_does_not_stop_it(made: History) -> None:
    hook = made.path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    made.loop("rollback")
    assert made.run("git", "log", "-1", "--format=%s").startswith("Go back to model ")


def test_a_lock_that_changed_without_another_model_is_passed_over(made: History) -> None:
    made.release("third", metrics="a newer look")
    made.loop("rollback")
    assert models(made) == "second"
    assert made.text("reports/metrics.json") == "second\n"


def test_a_merged_branch_goes_back_to_what_main_was(made: History) -> None:
    made.run("git", "checkout", "-qb", "retrain")
    made.release("a draft")
    made.release("fourth")
    made.run("git", "checkout", "-q", "main")
    made.run("git", "merge", "-q", "--no-ff", "retrain", "-m", "merge")
    made.loop("rollback")
    assert models(made) == "third"


def test_twice_goes_further_back_and_a_name_reaches_any(made: History) -> None:
    third = made.head()
    made.loop("rollback")
    made.loop("rollback")
    assert models(made) == "first"
    assert "pins no other model" in made.loop("rollback", code=1)
    made.loop("rollback", f"TO={third}")
    assert models(made) == "third"


def test_a_model_that_was_taken_back_by_hand_does_not_return(made: History) -> None:
    made.run("git", "revert", "--no-edit", "HEAD")
    made.run("dvc", "checkout", "-q")
    made.loop("rollback")
    assert models(made) == "first"


def test_a_rollback_that_was_taken_back_did_not_happen(made: History) -> None:
    made.loop("rollback")
    made.run("git", "revert", "--no-edit", "HEAD")
    made.release("fourth")
    made.loop("rollback")
    assert models(made) == "third"


def batch(made: History, content: str) -> None:
    """Let the newest model be made of a batch, as a retraining commits it."""
    md5 = made.keep(content.encode())
    told = f"path: data/raw/creditcard, hash: md5, md5: {md5}, size: {len(content)}"
    made.write(
        {
            "data/raw/creditcard": content,
            "data/raw/.gitignore": "/creditcard\n",
            "data/raw/creditcard.dvc": f"outs:\n- {{{told.replace('data/raw/', '')}}}\n",
            "reports/retrain.json": f'"{content}"\n',
            "dvc.yaml": made.text("dvc.yaml") + "  ingest:\n    cmd: 'true'\n    deps: [data/raw/creditcard]\n",
            "dvc.lock": made.text("dvc.lock") + f"  ingest:\n    cmd: 'true'\n    deps:\n    - {{{told}}}\n",
        }
    )
    made.run("git", "add", "--all")
    made.run("git", "commit", "-q", "--amend", "--no-edit")


def test_the_batches_and_the_report_of_the_retraining_go_back_too_so_that_nothing_is_stale(made: History) -> None:
    for model, content in (("fourth", "eight weeks"), ("fifth", "ten weeks")):
        made.release(model)
        batch(made, content)
    said = made.loop("rollback")
    assert made.run("git", "diff", "HEAD", "HEAD~2") == ""
    made.run("dvc", "checkout", "-q")
    assert made.run("dvc", "status") == "Data and pipelines are up to date.\n"
    told = "the next round of the loop brings weeks that came since again"
    assert told in said
    assert told in made.run("git", "log", "-1", "--format=%b").replace("\n", " ")


def test_a_pointer_that_was_not_there_then_goes_and_one_that_the_graph_does_not_read_stays(made: History) -> None:
    made.release("fourth")
    batch(made, "eight weeks")
    made.write({"data/raw/payments.dvc": "outs: []\n"})
    made.commit()
    third, aside = made.kept(md5_of_text("third")), made.path.parent / "aside"
    third.rename(aside)
    shutil.rmtree(made.path / ".dvc/cache")
    (made.path / "models/model.onnx").unlink()
    made.loop("rollback", code=1)
    assert made.run("git", "status", "--porcelain") == ""
    aside.rename(third)
    made.loop("rollback")
    assert sorted(path.name for path in (made.path / "data/raw").glob("*.dvc")) == ["payments.dvc"]
    assert not (made.path / "reports/retrain.json").exists()


def test_a_history_that_is_cut_off_may_hide_that_main_went_back(made: History) -> None:
    made.loop("rollback")
    (made.path / ".git/shallow").write_text(made.head("HEAD~1") + "\n")
    assert "git fetch --unshallow" in made.loop("rollback", code=1)
    assert models(made) == "second"


@pytest.mark.parametrize("name", ["no-such-commit", "--all", "HEAD", "stranger"])
def test_a_commit_that_is_none_or_a_stranger_or_pins_the_same_is_refused(made: History, name: str) -> None:
    made.run("git", "checkout", "-qb", "stranger", "HEAD~1")
    made.release("of a fork")
    made.run("git", "checkout", "-q", "main")
    head = made.head()
    made.loop("rollback", f"TO={name}", code=1)
    assert made.head() == head
    assert made.run("git", "status", "--porcelain") == ""


def test_a_model_that_is_nowhere_leaves_all_as_it_was(made: History) -> None:
    head, before = made.head(), made.files("models", "reports", "dvc.lock", "params.yaml")
    shutil.rmtree(made.path / ".dvc/cache")
    made.kept(md5_of_text("second")).unlink()
    said = made.loop("rollback", code=1)
    assert "models/model.onnx is missing or damaged" in said
    assert made.head() == head
    assert made.run("git", "status", "--porcelain") == ""
    assert made.files("models", "reports", "dvc.lock", "params.yaml") == before


def test_changes_of_yours_are_not_touched(made: History) -> None:
    made.write({"params.yaml": "mine\n"})
    assert "commit or stash them" in made.loop("rollback", code=1)
    assert made.text("params.yaml") == "mine\n"


def test_where_there_is_one_model_there_is_no_way_back(tmp_path: Path) -> None:
    assert "pins no other model" in history(tmp_path / "made", "first").loop("rollback", code=1)


def pushed(made: History, code: int = 0) -> tuple[str, dict[str, str]]:
    """Return what `make rollback PUSH=1` says, and what it tells GitHub's next steps."""
    path = made.path.parent / "output"
    path.touch()
    said = made.run("env", f"GITHUB_OUTPUT={path}", "python", "-m", "fraud.loop.rollback", "PUSH=1", code=code)
    lines = path.read_text().splitlines()
    return said, dict(line.split("=", 1) for line in lines)


def test_it_is_pushed_to_main_where_that_is_allowed(made: History) -> None:
    _, told = pushed(made)
    assert told == {"pushed": "true", "branch": "main", "sha": made.head()}
    assert made.run("git", "ls-remote", "origin", "main").split()[0] == made.head()


def test_a_main_that_is_guarded_gets_a_branch_to_merge(made: History) -> None:
    hook = Path(f"{made.path}.git/hooks/update")
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "main is guarded" >&2; exit 1; }\n')
    hook.chmod(0o755)
    main = made.head()
    said, told = pushed(made)
    assert "takes no direct push" in said
    assert told["pushed"] == "false"
    assert told["branch"].startswith(f"rollback/{md5_of_text('second')[:8]}-")
    assert made.run("git", "ls-remote", "origin", told["branch"]).split()[0] == made.head() == told["sha"]
    assert made.run("git", "ls-remote", "origin", "main").split()[0] == main


def test_a_main_that_moved_on_is_looked_at_first(made: History) -> None:
    made.write({"README.md": "newer\n"})
    made.commit()
    made.run("git", "push", "-q", "origin", "main")
    made.run("git", "reset", "-q", "--hard", "HEAD~1")
    head = made.head()
    said, told = pushed(made, code=1)
    assert "main has moved on" in said
    assert (made.head(), told) == (head, {})


def told(made: History, *arguments: str) -> dict[str, str]:
    """Return what `make deployed-model` tells GitHub's next steps."""
    path = made.path.parent / "output"
    path.unlink(missing_ok=True)
    made.run("env", f"GITHUB_OUTPUT={path}", "python", "-m", "fraud.loop.deployed_model", *arguments)
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    ("since", "expected"), [("HEAD~1", "true"), ("HEAD", "false"), ("0" * 40, "true"), ("", "true")]
)
def test_a_workflow_is_told_whether_the_model_changed(made: History, since: str, expected: str) -> None:
    found = told(made, f"SINCE={since}")
    assert (found["changed"], found["md5"]) == (expected, md5_of_text("third"))


def test_a_newer_report_of_the_same_model_is_not_deployed(made: History) -> None:
    made.release("third", metrics="a newer look")
    assert "changed=false" in made.loop("deployed_model", "SINCE=HEAD~1")


def test_a_server_that_does_not_say_what_it_serves_gets_the_model(made: History) -> None:
    assert told(made, "SINCE=HEAD", f"SERVER=http://127.0.0.1:{free_port()}")["changed"] == "true"


def test_one_file_can_be_pulled_without_the_others(made: History) -> None:
    made.write({"dvc.yaml": made.text("dvc.yaml") + "  more:\n    cmd: 'true'\n    outs: [data/more]\n"})
    lock = f"  more:\n    cmd: 'true'\n    outs:\n    - {{path: data/more, hash: md5, md5: {'a' * 32}, size: 1}}\n"
    made.write({"dvc.lock": made.text("dvc.lock") + lock})
    (made.path / "models/model.onnx").unlink()
    made.loop("transfer", "pull", code=1)
    made.loop("transfer", "pull", "models/model.onnx")
    assert models(made) == "third"
