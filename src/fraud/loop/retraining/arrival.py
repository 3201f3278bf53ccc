"""New weeks: from the request log to where the weeks come from, and from there into the working copy."""

import os
import subprocess
import sys
from pathlib import Path

from fraud import schema
from fraud.errors import Problem
from fraud.loop.collecting import weekly_place
from fraud.loop.collecting.shelf import Folder
from fraud.loop.files import RAW, SCHEMAS
from fraud.loop.importing import bucket, folder
from fraud.loop.importing.raw_folder import Place
from fraud.loop.log_database import settled


def check(dataset: str) -> None:
    """Raise that the bucket does not answer from which the weeks come; without a folder the loop can go on."""
    record = Path(RAW, f"{dataset}.dvc")
    if weekly_place.is_known(record) and not isinstance(place := weekly_place.imported(record), Folder):
        place.check()


def collect(dataset: str, home: Path = Path()) -> str:
    """Put finished weeks of the request log to where the weeks come from, if there are both; return what was done.

    Log and spool are those of `home`, whatever copy of the repository says where the weeks belong.
    """
    if not (os.environ.get("REQUEST_LOG") or (home / "data/requests.db").exists()):
        return "nothing to collect: no request log"
    if reason := _unreachable(dataset):
        return f"nothing to collect: {reason}"
    spool = str(home / (os.environ.get("SPOOL") or "data/spool"))
    environment = os.environ | settled(os.environ, home) | {"SPOOL": spool}
    command = [sys.executable, "-m", "fraud.loop.collect"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stdout, end="")
        raise Problem("the request log could not be collected; mend what the line above names, then run it again")
    return done.stdout.rstrip("\n")


def fetch(dataset: str) -> None:
    """Bring the weeks that are new or changed where they come from; without such a place those that are pinned stay."""
    if reason := _unreachable(dataset):
        print(f"nothing to fetch: {reason}; it goes on with those that are pinned")
    else:
        update(Place(Path(RAW, dataset), schema.load(f"{SCHEMAS}/{dataset}.yaml")))


def update(place: Place) -> bool:
    """Bring what is new or changed, print it, and return whether anything is."""
    source = weekly_place.added(place.pointer)
    return folder.update(source, place) if source else bucket.update(place.folder)


def _unreachable(dataset: str) -> str:
    """Return why new weeks can neither be put where the weeks come from nor be had there, or nothing."""
    record = Path(RAW, f"{dataset}.dvc")
    if not weekly_place.is_known(record):
        return "the weeks come from no bucket and no folder"
    place = weekly_place.imported(record)
    away = isinstance(place, Folder) and not place.is_here
    return f"the weeks come from the folder {place}, which is not on this machine" if away else ""
