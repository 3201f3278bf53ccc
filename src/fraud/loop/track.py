"""Log one MLflow run for each distinct dvc.lock, and register the models of main and those proposed for it."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fraud.errors import Problem, run
from fraud.loop.files import LOCK, MODEL
from fraud.loop.repro import alone
from fraud.loop.tracking import onnx_artifact, tracked
from fraud.loop.tracking.mlflow_place import Place, in_its_environment, place, reached, shown
from fraud.loop.tracking.mlflow_runs import CHALLENGER, CHAMPION, MISSING, Runs
from fraud.loop.tracking.revisions import MAIN, Revision, branch, experiments, head, history
from fraud.loop.tracking.tracked import Tracked
from fraud.outputs import md5_of

BUSY = Path(".dvc/tmp/track.lock")
PROPOSED = "retrain/"  # How the branches begin that are proposed for main.


def wanted(everything: bool) -> list[Revision]:
    """Return a revision for each distinct dvc.lock: main's history if wanted, HEAD's, those of experiments."""
    found: dict[str, Revision] = {}
    for one in [*(history() if everything else ()), head(), *experiments()]:
        found.setdefault(one.lock_md5, one)
    return list(found.values())


def track(revision: Revision, runs: Runs, where: Place) -> Any:
    """Return the finished run of a revision, which is logged where there is none."""
    found = runs.finished(revision.lock_md5)
    if found and MISSING not in found.data.tags:
        return found
    try:
        with reached(where):
            if found:
                _add_model(tracked.read(revision), runs, found.info.run_id)
            else:
                _log(revision, runs)
    except Problem:
        if found or not runs.finished(revision.lock_md5):  # Else another machine has logged it, and removed our run.
            raise
    return runs.finished(revision.lock_md5)


def _log(revision: Revision, runs: Runs) -> None:
    one = tracked.read(revision)
    run_id = runs.begin(f"{revision.name} {revision.commit[:7]}", tracked.tags(one), revision.seconds)
    runs.add(run_id, tracked.parameters(one), tracked.metrics(one), revision.seconds)
    with TemporaryDirectory() as folder:
        tracked.save(one, Path(folder))
        runs.add_files(run_id, Path(folder))
    _add_model(one, runs, run_id)
    runs.finish(run_id, revision.lock_md5, revision.seconds)


def _add_model(one: Tracked, runs: Runs, run_id: str) -> None:
    """Give a run its model; where that cannot be had, the run says why."""
    with TemporaryDirectory() as folder:
        try:
            onnx_artifact.write(_brought(one, Path(folder) / "brought.onnx"), Path(folder) / "model")
        except Problem as problem:
            runs.lack_model(run_id, str(problem))
        else:
            runs.add_model(run_id, Path(folder) / "model")


def _brought(one: Tracked, target: Path) -> Path:
    """Return the path of the model that a commit pins: of the working copy, DVC's cache or its remote."""
    md5 = one.pins.get(MODEL)
    if not md5:
        raise Problem(f"{LOCK} pins no {MODEL}")
    if Path(MODEL).exists() and md5_of(MODEL) == md5:
        return Path(MODEL)
    command = ["dvc", "get", ".", MODEL, "--rev", one.revision.commit, "--out", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = (line for line in done.stderr.splitlines() if line.startswith("ERROR: "))
        said = next(errors, "no answer").removeprefix("ERROR: ")
        absent = "No storage files available" in said
        raise Problem(f"{MODEL} ({md5}): {'neither in the cache here nor in the DVC remote' if absent else said}")
    if md5_of(target) != md5:
        raise Problem(f"{MODEL} ({md5}): came damaged, as {md5_of(target)}")
    return target


def registered(revision: Revision) -> bool:
    """Say whether a revision's model gets a version: main's do, and those proposed for it."""
    return not revision.experiment and (revision.name == MAIN or revision.name.startswith(PROPOSED))


def version(found: Any, runs: Runs) -> str | None:
    """Return the version of a run's model; none where the run has no model and no version was made before."""
    md5 = found.data.tags.get("model_md5", "")
    return runs.version(md5) if MISSING in found.data.tags else runs.register(found, md5)


def say(revision: Revision, found: Any, number: str | None) -> None:
    """Print what became of a revision."""
    missing = found.data.tags.get(MISSING)
    parts = [f"version {number}" if number else "", f"without its model: {missing}" if missing else ""]
    told = ", ".join(part for part in parts if part)
    print(f"{revision.name} {revision.commit[:7]}: run {found.info.run_id}{', ' if told else ''}{told}")


def settle(number: str | None, runs: Runs) -> None:
    """Let champion be what main pins, and challenger what a branch proposes, by the branch that we are on."""
    name = branch()
    if number and name == MAIN:
        runs.point(CHAMPION, number)
    elif number and name.startswith(PROPOSED) and runs.aliases().get(CHAMPION) != number:
        runs.point(CHALLENGER, number)


def main(*arguments: str) -> None:
    """Track HEAD and all experiments, and with ALL=1 the whole history of main."""
    where, revisions, here = place(), wanted("ALL=1" in arguments), head()
    in_its_environment("fraud.loop.track", *arguments)
    if Path(LOCK).exists() and Path(LOCK).read_bytes() != here.lock:
        print(f"{LOCK}: differs from that of HEAD, which is tracked; commit it, then run `make track` again")
    with alone(BUSY), reached(where):
        runs = Runs(where)
        for revision in revisions:
            found = track(revision, runs, where)
            number = version(found, runs) if registered(revision) else None
            say(revision, found, number)
            if revision.lock == here.lock:
                settle(number, runs)
        named = ", ".join(f"{alias} is version {one}" for alias, one in sorted(runs.aliases().items()))
    print(f"{shown(where.uri)}: {where.experiment}: runs: {len(revisions)}; {where.model}: {named or 'no alias'}")


if __name__ == "__main__":
    run(main)
