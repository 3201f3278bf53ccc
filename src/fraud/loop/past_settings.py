"""Take params.yaml back to an older commit as far as the graph reads it; what has nothing to do with a model stays."""

from typing import Any

from ruamel.yaml import YAML

from fraud.loop.experiments import flat
from fraud.loop.files import LOCK, PARAMS
from fraud.loop.git import shown
from fraud.loop.lockfile import stages

WIRING = {"dataset", "batches"}  # They stand in the names of the graph's files, and a lock does not list them.


def merged(commit: str) -> str:
    """Return HEAD's params.yaml with the sections that the graph reads as `commit` has them, to the byte."""
    read = graph_reads(commit)
    now, then = (sections(shown(one, PARAMS)) for one in ("HEAD", commit))
    kept = {name: then.get(name, text) if name in read else text for name, text in now.items()}
    return "".join((kept | {name: text for name, text in then.items() if name in read - now.keys()}).values())


def moved(commit: str) -> tuple[list[str], list[str]]:
    """Return which settings go back, from what to what, and which differ and stay."""
    read = graph_reads(commit)
    now, then = (_values(shown(one, PARAMS)) for one in ("HEAD", commit))
    names = [name for name in dict.fromkeys([*now, *then]) if now.get(name) != then.get(name)]
    back = [name for name in names if name.partition(".")[0] in read]
    return [f"{name} {now.get(name)} -> {then.get(name)}" for name in back], [n for n in names if n not in back]


def graph_reads(commit: str) -> set[str]:
    """Return the sections that stages read, by the lock of a commit or by that of HEAD."""
    return WIRING | {
        name.partition(".")[0]
        for one in (commit, "HEAD")
        for stage in stages(shown(one, LOCK)).values()
        for name in (stage.get("params") or {}).get(PARAMS) or ()
    }


def sections(text: str) -> dict[str, str]:
    """Return the text of each section with what stands between it and the next; what stands before all has no name."""
    node = YAML(typ="safe", pure=True).compose(text)
    names = [key.value for key, _ in node.value] if node else []
    starts = [key.start_mark.index for key, _ in node.value] if node else []
    parts = [text[start:end] for start, end in zip([0, *starts], [*starts, len(text)], strict=True)]
    return dict(
        zip(["", *names], [part if part.endswith("\n") or not part else f"{part}\n" for part in parts], strict=True)
    )


def _values(text: str) -> dict[str, Any]:
    return flat(dict(YAML(typ="safe", pure=True).load(text) or {}))
