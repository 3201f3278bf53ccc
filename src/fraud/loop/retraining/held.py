"""Weeks that main's model was trained or tested on, and that came anew since, such as with late labels.

They are for the next model. Whether there is a reason to train one is judged with the rows that main's model knows.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud import batches, params
from fraud.loop.files import LOCK, SPLIT
from fraud.loop.lockfile import recorded
from fraud.loop.storing.stored import content, files_of
from fraud.outputs import md5_of
from fraud.params_file import change
from fraud.yamlfile import read_yaml

FOLDER = Path("data/held")  # In a clone of the loop's own.


@contextmanager
def held_back() -> Iterator[list[str]]:
    """Let the graph read the weeks of main's window as they were while the block lasts; yield those that changed."""
    folder = Path(read_yaml(params.FILE)["batches"])
    changed = _changed(folder)
    if not changed:
        yield []
        return
    settings = params.FILE.read_bytes()
    _fill(folder, changed)
    change({"batches": str(FOLDER)})
    try:
        yield [name for path in changed if (name := batches.batch_name(Path(path)))]
    finally:
        params.FILE.write_bytes(settings)
        shutil.rmtree(FOLDER)


def _changed(folder: Path) -> dict[str, str]:
    """Return the files of weeks in the window that differ from what the lock pins, or are gone, with the pinned md5.

    Where nothing was fetched the folder is not here, and DVC brings what is pinned if a stage reads it.
    """
    if not folder.is_dir():
        return {}
    pinned = files_of(recorded(read_yaml(LOCK)).get(str(folder)))
    split = json.loads(Path(SPLIT).read_text(encoding="utf-8"))
    window = {*split["train"]["batches"], *split["test"]["batches"]}
    here = {path.name: path for path in batches.find(folder).values()}
    known = {name: md5 for name, md5 in pinned.items() if batches.batch_name(Path(name)) in window}
    return {name: md5 for name, md5 in known.items() if name not in here or md5_of(here[name]) != md5}


def _fill(folder: Path, changed: dict[str, str]) -> None:
    """Make the folder that is read instead: the files of that one, but those that changed as they were."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    weeks = {batches.batch_name(Path(name)) for name in changed}
    for week, path in batches.find(folder).items():
        if week not in weeks:
            (FOLDER / path.name).symlink_to(path.resolve())
    for name, md5 in changed.items():
        (FOLDER / name).write_bytes(content(md5))
