"""End a merge conflict in dvc.lock: the lock is what the merged dvc.yaml and params.yaml make, so it is made again."""

import re
from pathlib import Path

from fraud.errors import Problem, run
from fraud.loop import repro
from fraud.loop.files import CARD, GRAPH, LOCK, PARAMS, REPORTS
from fraud.loop.git import git
from fraud.loop.transfer import pull
from fraud.yamlfile import read_yaml

MARKERS = re.compile(r"^(<{7} |>{7} )", re.MULTILINE)
SOURCES = (GRAPH, PARAMS)


def conflicts() -> list[str]:
    """Return the files that git has not merged yet."""
    return git("diff", "--name-only", "--diff-filter=U").splitlines()


def check_merged(unmerged: list[str]) -> None:
    """Stop where there is nothing to resolve, or where something that people write is not merged yet."""
    if LOCK not in unmerged:
        raise Problem(f"{LOCK}: git knows of no conflict in it; where the graph is stale, run `make repro`")
    others = [path for path in unmerged if path not in (LOCK, CARD) and not path.startswith(f"{REPORTS}/")]
    marked = [path for path in SOURCES if MARKERS.search(Path(path).read_text(encoding="utf-8"))]
    if both := sorted({*others, *marked}):
        raise Problem(f"{', '.join(both)}: not merged yet; mend and `git add` that first, then `make resolve-lock`")


def drop() -> None:
    """Remove the lock of the conflict; what an earlier run of this made of it stays."""
    if Path(LOCK).exists() and MARKERS.search(Path(LOCK).read_text(encoding="utf-8")):
        Path(LOCK).unlink()


def main() -> None:
    """Make dvc.lock and the reports again, mostly from DVC's cache, and stage them."""
    check_merged(conflicts())
    drop()
    pointer = Path(f"{read_yaml(PARAMS)['batches']}.dvc")
    if pointer.exists():
        pull(str(pointer))  # Or DVC would record the batches that lie here in place of the merged ones.
    repro.main()
    card = git("ls-files", "--", CARD).splitlines()[:1]  # In a conflict it is listed once a side.
    git("add", "--update", "--", LOCK, REPORTS, *card)
    print(
        f"{LOCK} and reports are made again and staged; next: `git diff --staged {LOCK}`, then `git merge --continue`"
    )


if __name__ == "__main__":
    run(main)
