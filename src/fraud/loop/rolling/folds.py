"""Train and measure one model a window with the graph's own stages, each window in a scratch folder of its own."""

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
from tqdm import tqdm

from fraud.errors import Problem
from fraud.loop.files import ESTIMATE, GRAPH, INGEST, INGESTED, REPORTS, SCHEMAS
from fraud.loop.rolling.policies import Fold, History
from fraud.loop.twice import THREADS
from fraud.params import FILE
from fraud.params_file import Value, change
from fraud.yamlfile import read_yaml

STAGES = ("split", "train", "estimate", "drift")
ORDINARY = 4  # Batches before the first window, below which drift knows too few ordinary weeks to judge scores.
LABELLED = ("fraud rate: labels", "score: known frauds")  # Checks of drift that wait for labels.


def history(base: Path, changes: Mapping[str, Value]) -> History:
    """Return every window's fold, for the batches that params.yaml with these changes names."""
    batches = ingested(base, changes)
    section, names = read_yaml(base / FILE)["split"], list(batches)
    untils, delay = windows(batches, section), section["label_delay_weeks"]
    unseen = 0 if section["method"] == "stratified" else section["test_weeks"] + delay
    if (past := names.index(untils[0]) + 1 - section["weeks"]) < ORDINARY:
        print(
            f"batches before the first window: {past}; with fewer than {ORDINARY} drift may miss much", file=sys.stderr
        )
    progress = tqdm(total=len(untils) * len(STAGES), desc="prequential", unit="stage", file=sys.stderr)
    with progress, ThreadPoolExecutor(joblib.cpu_count()) as pool:
        started = {until: pool.submit(_reports, base, until, progress) for until in untils}
        try:
            found = {until: one.result() for until, one in started.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return History(names, {until: fold(*one, names, delay) for until, one in found.items()}, unseen, delay)


def ingested(base: Path, changes: Mapping[str, Value]) -> dict[str, Any]:
    """Simulate where that is asked for, ingest, and return what there is of each batch."""
    _scratch(base, {"split.until": None, "batches": str(Path(read_yaml(FILE)["batches"]).resolve())} | dict(changes))
    # Split says what is wrong with its section before anything is trained.
    for name in (*(["simulate"] if "simulate.drift" in changes else []), "ingest", "split"):
        _stage(base, name)
    return json.loads((base / INGEST).read_text(encoding="utf-8"))["batches"]


def windows(batches: Mapping[str, Any], section: Mapping[str, Any]) -> list[str]:
    """Return the newest batch of each window, all of it labelled, whose model could be live in a later week.

    The first windows are left out, half of them at most, as drift learns from batches before a window.
    """
    names, weeks, delay = list(batches), section["weeks"], section["label_delay_weeks"]
    known = [one["kept"] > one["unlabelled"] for one in batches.values()]
    untils = [names[end - 1] for end in range(weeks, len(names) - delay) if all(known[end - weeks : end])]
    if not untils:
        raise Problem(
            f"{FILE}, section 'split': with weeks {weeks} and label_delay_weeks {delay} the first model needs {weeks} "
            f"labelled batches in a row and {delay + 1} after them; found {len(names)} batches, {sum(known)} of them "
            "labelled; lower weeks, or bring more with `make data`"
        )
    return untils[min(ORDINARY, len(untils) // 2) :]


def fold(estimates: list[dict[str, Any]], checks: list[dict[str, str]], names: list[str], delay: int) -> Fold:
    """Return what the reports say of the current weeks; what drift finds in labels is seen when these are known."""
    weeks = {
        one["week"]: one["realised"] | {"labelled": one["labelled"], "frauds": one["frauds"]}
        for one in estimates
        if one["part"] == "current"
    }
    fired = [one for one in checks if float(one["effect_over_threshold"]) > 1]
    seen = [names.index(one["week"]) + (delay if one["check"] in LABELLED else 0) for one in fired]
    return Fold(weeks, frozenset(names[place] for place in seen if place < len(names)))


def _reports(base: Path, until: str, progress: tqdm) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return what the stages report, for this window, of the weeks after it: the estimates and drift's checks."""
    with tempfile.TemporaryDirectory(dir=base.parent) as name:
        folder = Path(name)
        _scratch(folder, {"split.until": until}, base / FILE)
        (folder / INGESTED).symlink_to(base / INGESTED)
        for one in STAGES:
            _stage(folder, one)
            progress.update()
        estimates = json.loads((folder / ESTIMATE).read_text(encoding="utf-8"))["weeks"]
        with (folder / REPORTS / "plots/drift.csv").open(encoding="utf-8", newline="") as file:
            return estimates, list(csv.DictReader(file))


def _scratch(folder: Path, changes: Mapping[str, Value], params: Path = FILE) -> None:
    """Put into `folder` what the stages look for: the code, the schemas, and params.yaml with some changes."""
    shutil.copytree(SCHEMAS, folder / SCHEMAS)
    (folder / "src").symlink_to(Path("src").resolve())
    shutil.copyfile(params, folder / FILE)
    change({"estimate.samples": 20} | dict(changes), folder / FILE)  # Nobody reads the bands here.


def _stage(folder: Path, name: str) -> None:
    """Run in `folder` what dvc.yaml says, with one thread, as there is a fold for each."""
    settings = read_yaml(folder / FILE)
    command = shlex.split(read_yaml(GRAPH)["stages"][name]["cmd"])
    for word in ("dataset", "batches"):
        command = [part.replace(f"${{{word}}}", str(settings[word])) for part in command]
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment = os.environ | dict.fromkeys(THREADS, "1") | path
    done = subprocess.run(["env", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        where = f"stage {name}, split.until {settings['split']['until'] or 'the newest'}"
        raise Problem(f"{where}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}")
