"""New weeks: from the request log into the bucket, and from the bucket into the working copy."""

import os
import subprocess
import sys
from pathlib import Path

from fraud.errors import Problem
from fraud.loop.files import RAW
from fraud.loop.importing import bucket
from fraud.yamlfile import read_yaml


def collect(dataset: str) -> None:
    """Put finished weeks of the request log to where the weeks are imported from, if there are both."""
    has_log = bool(os.environ.get("REQUEST_LOG")) or Path("data/requests.db").exists()
    if not (has_log and _imported(dataset)):
        print("nothing to collect: " + ("the weeks are not imported from a bucket" if has_log else "no request log"))
        return
    code = subprocess.run([sys.executable, "-m", "fraud.loop.collect"], check=False).returncode
    if code:
        raise Problem("the request log could not be collected; mend what the line above names, then run it again")


def fetch(dataset: str) -> None:
    """Bring the weeks that are new where they are imported from."""
    if _imported(dataset):
        bucket.update(Path(RAW, dataset))
    else:
        print("nothing to fetch: the weeks are not imported from a bucket")


def _imported(dataset: str) -> bool:
    record = Path(RAW, f"{dataset}.dvc")
    return record.exists() and bool(read_yaml(record).get("deps"))
