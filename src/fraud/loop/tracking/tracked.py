"""What a run says of a commit: its parameters, metrics, tags and files, all from git."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fraud.errors import Problem
from fraud.loop.experiments import flat
from fraud.loop.files import LOCK, MODEL, PARAMS, REPORTS, TEST, TRAIN
from fraud.loop.git import content
from fraud.loop.lockfile import recorded
from fraud.loop.tracking.revisions import Revision, files


class Metric(NamedTuple):
    """A number by its name; weeks are steps."""

    name: str
    value: float
    step: int = 0


class Tracked(NamedTuple):
    """What a commit says, once its files are read."""

    revision: Revision
    params: dict[str, Any]
    pins: dict[str, str]  # The md5 of each path in dvc.lock.
    reports: dict[str, Any]


def read(revision: Revision) -> Tracked:
    """Return what the files of a commit say; a report that is not there, or is none, says nothing."""
    names = ("metrics", "drift", "estimate", "retrain")
    reports = {name: _report(content(revision.commit, f"{REPORTS}/{name}.json")) for name in names}
    params = _yaml(content(revision.commit, PARAMS), f"{PARAMS} of {revision.commit[:7]}")
    lock = _yaml(revision.lock, f"{LOCK} of {revision.commit[:7]}")
    return Tracked(revision, params, recorded(lock), reports)


def _report(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _yaml(text: bytes, where: str) -> dict[str, Any]:
    try:
        found = YAML(typ="safe", pure=True).load(text) or {}
    except YAMLError as error:
        raise Problem(f"{where}: not readable as YAML: {str(error).splitlines()[0]}; mend it in a new commit") from None
    return found if isinstance(found, dict) else {}


def parameters(tracked: Tracked) -> dict[str, str]:
    """Return params.yaml under names like `train.model`; a value that is no text looks as in YAML."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in flat(tracked.params).items()
    }


def metrics(tracked: Tracked) -> list[Metric]:
    """Return every number that the reports give: metrics with the ends of their intervals, drift, estimates."""
    drift = tracked.reports["drift"]
    found = [*_bounded(tracked.reports["metrics"]), *_drift(drift)]
    for step, week in enumerate(tracked.reports["estimate"].get("weeks") or ()):
        found += [one._replace(step=step) for one in _week(week)]
    return [one for one in found if _is_number(one.value)]


def _bounded(report: dict[str, Any]) -> Iterator[Metric]:
    for name, value in report.items():
        if isinstance(value, list) and len(value) == 2:
            bare = name.removesuffix("_interval")
            yield from (Metric(f"{bare}_low", value[0]), Metric(f"{bare}_high", value[1]))
        else:
            yield Metric(name, value)


def _drift(report: dict[str, Any]) -> Iterator[Metric]:
    """Yield whether it fired, the largest effect, and the largest share of its threshold that any check reached."""
    if report:
        yield Metric("drift", float(bool(report.get("drift"))))
        yield Metric("drift_effect", report.get("largest_effect"))  # type: ignore[arg-type]  # None is left out
        checks = [*(report.get("features") or ()), *(report.get("others") or ())]
        shares = [one["effect"] / one["threshold"] for one in checks if one.get("effect") and one.get("threshold")]
        yield Metric("drift_effect_over_threshold", max(shares, default=0.0))


def _week(week: dict[str, Any]) -> Iterator[Metric]:
    for name, (value, low, high) in (week.get("estimated") or {}).items():
        yield from (Metric(f"estimated_{name}", value), Metric(f"estimated_{name}_low", low))
        yield Metric(f"estimated_{name}_high", high)
    for name, value in (week.get("realised") or {}).items():
        yield Metric(f"realised_{name}", value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def tags(tracked: Tracked) -> dict[str, str]:
    """Return what identifies a run, and where it comes from; what a commit does not say is left out."""
    revision, params, pins, reports = tracked
    retrain, gate = reports["retrain"], reports["retrain"].get("gate") or {}
    found = {
        "dvc_lock_md5": revision.lock_md5,
        "git_revision": revision.commit,
        "author": revision.author,
        "experiment" if revision.experiment else "branch": revision.name,
        "dataset": params.get("dataset"),
        "model_md5": pins.get(MODEL),
        "training_md5": pins.get(TRAIN),
        "test_md5": pins.get(TEST),
        "batches_md5": pins.get(str(params.get("batches"))),
        "drift": {True: "fired", False: "quiet"}.get(reports["drift"].get("drift")),
        "retrain_reason": retrain.get("reason"),
        "retrain_week": retrain.get("week"),
        "gate": gate.get("verdict") if isinstance(gate, dict) else None,
        "mlflow.source.git.commit": revision.commit,
        "mlflow.user": revision.author,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def save(tracked: Tracked, folder: Path) -> None:
    """Write params.yaml, dvc.lock, reports and points of the plots as the commit has them."""
    commit = tracked.revision.commit
    for name in [PARAMS, LOCK, *files(commit, REPORTS)]:
        if not Path(name).name.startswith("."):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content(commit, name))
    if Path(LOCK).exists() and Path(LOCK).read_bytes() == tracked.revision.lock:
        _save_here(folder)


def _save_here(folder: Path) -> None:
    """Add what git ignores and the working copy has: the pages, unless they are older than the reports."""
    newest = max((path.stat().st_mtime for path in Path(REPORTS).glob("*.json")), default=0)
    for page in Path(REPORTS).glob("*.html"):
        if page.stat().st_mtime >= newest:
            (folder / REPORTS).mkdir(parents=True, exist_ok=True)
            (folder / REPORTS / page.name).write_bytes(page.read_bytes())
