"""What a commit pins is brought from the remote into an empty clone: lock, pointer files, folders."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from histories import History, history, md5_of_text

PROVE = "from fraud.errors import run; from fraud.loop.retraining.delivered import prove; run(lambda: prove('HEAD~1'))"


def listing(files: dict[str, str]) -> bytes:
    return json.dumps([{"md5": md5_of_text(text), "relpath": name} for name, text in sorted(files.items())]).encode()


@pytest.fixture
def made(tmp_path: Path) -> History:
    """Return a repository whose last commit pins another model, and a folder of weeks by a pointer file."""
    made = history(tmp_path / "made", "first")
    weeks = {"2026-W01.csv": "one\n", "later/2026-W02.csv": "two\n"}
    made.write({f"data/raw/weeks/{name}": text for name, text in weeks.items()})
    md5 = hashlib.md5(listing(weeks), usedforsecurity=False).hexdigest()
    made.write(
        {
            "data/raw/weeks.dvc": f"outs:\n- md5: {md5}.dir\n  nfiles: 2\n  hash: md5\n  path: weeks\n",
            "data/raw/.gitignore": "/weeks\n",
        }
    )
    for content, ending in (listing(weeks), ".dir"), *((text.encode(), "") for text in weeks.values()):
        made.keep(content, ending)
        kept = made.kept(hashlib.md5(content, usedforsecurity=False).hexdigest() + ending)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    made.release("second")
    return made


def proved(made: History, code: int = 0) -> str:
    there = f"['remote \"local\"']\n    url = {made.path}/.dvc-remote\n"  # A whole path, as the loop's clone has it.
    made.write({".dvc/tmp/.keep": "", ".dvc/config.local": there})
    return made.run("python", "-c", PROVE, code=code)


def test_all_that_is_new_comes_back_and_nothing_is_left_behind(made: History) -> None:
    shutil.rmtree(made.path / ".dvc/cache")
    assert proved(made) == ""
    assert [path.name for path in (made.path / ".dvc/tmp").glob("tmp*")] == []


@pytest.mark.parametrize("text", ["second", "two\n"])
@pytest.mark.parametrize("there", [b"other", None])
def test_what_is_damaged_or_gone_there_is_named_though_it_is_here(
    made: History, text: str, there: bytes | None
) -> None:
    kept = made.kept(md5_of_text(text))
    kept.write_bytes(there) if there else kept.unlink()
    lost = "models/model.onnx" if text == "second" else "data/raw/weeks"
    assert f"{lost} did not come back as it was pushed" in proved(made, code=1)


def test_what_was_pinned_before_is_not_brought_again(made: History) -> None:
    made.write({"README.md": "newer\n"})
    made.commit()
    shutil.rmtree(made.path / ".dvc-remote")
    assert proved(made) == ""
