"""Collect finished weeks every so often, look whether weekly files are new or changed, and retrain then."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from fraud.batches import batch_name
from fraud.errors import Problem, run
from fraud.loop.collecting import weekly_place
from fraud.loop.collecting.shelf import HIDDEN
from fraud.loop.files import RAW
from fraud.loop.notify import Once
from fraud.loop.retraining import arrival
from fraud.outputs import md5_of

FORM = "make watch EVERY=15m"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
RETRAIN = ("-m", "fraud.loop.retrain")
ENDS = {  # How retraining ends: in words, and whether the weeks that are there need no further look.
    0: ("done", True),
    3: ("the gate said no", True),
    4: ("another run is at work here; the next round looks again", False),
}
Versions = dict[str, str]


def seconds(text: str) -> int:
    """Return a time like 90s, 15m, 6h or 1d in seconds."""
    found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text)
    if not found:
        raise Problem(f"EVERY={text}: expected a time like 15m (or s, h, d); {FORM}")
    return int(found[1]) * UNITS[found[2]]


def news(before: Versions, now: Versions) -> list[str]:
    """Return what is new, changed or gone, in words."""
    words = dict.fromkeys(now.keys() - before, "is new") | dict.fromkeys(before.keys() - now, "is gone")
    words |= {name: "changed" for name in now.keys() & before if now[name] != before[name]}
    return [f"{name} {words[name]}" for name in sorted(words)]


def recorded(folder: Path) -> Versions:
    """Return the md5 of each weekly file that is here; a bucket whose versions are no md5s differs once."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return _batches({path.name: md5_of(path) for path in found if path.is_file() and not path.name.startswith(HIDDEN)})


def _batches(versions: Versions) -> Versions:
    """Return those of batches: a note, or a file that is still being copied, is none."""
    return {name: version for name, version in versions.items() if batch_name(Path(name))}


def round_(before: Versions, people: Once) -> Versions:
    """Retrain if something is new, and return the versions of which nothing more is to be done."""
    record = Path(RAW, f"{weekly_place.dataset()}.dvc")
    shelf = weekly_place.imported(record)
    # A week that has left a folder stays here; one that has left a bucket goes.
    now = (before if weekly_place.added(record) else {}) | _batches(shelf.versions())
    told = news(before, now)
    if not told:
        people.notify("success", "", "")  # A Pushgateway hears of each look, and a failure is over.
        return before
    print(f"{shelf}: {', '.join(told)}; `make retrain`", flush=True)
    code = retrain(people)
    word, settled = ENDS.get(code, (f"failed with {code}; the next round tries again", False))
    print(f"retrain: {word}", flush=True)
    return now if settled else before


def shown_once(before: str, said: str) -> str:
    """Print what is said, unless it was said before, and return it."""
    if said != before:
        print(said, flush=True)
    return said


def retrain(people: Once) -> int:
    """Run the retraining to its end, and pass on what it tells; when this process has to end, so has all of it."""
    reading, writing = os.pipe()
    command = [sys.executable, *RETRAIN, f"--messages={writing}"]
    with os.fdopen(reading, encoding="utf-8") as messages:
        child = subprocess.Popen(command, pass_fds=[writing], start_new_session=True)
        os.close(writing)
        try:
            for line in messages:
                people.notify(*json.loads(line))
            return child.wait()
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()


def _end(*_: object) -> NoReturn:
    print("watch: ended", flush=True)
    sys.exit(0)


def main(*arguments: str) -> None:
    """Look again and again, until SIGTERM."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    pause = seconds(given.get("EVERY") or "15m")
    signal.signal(signal.SIGTERM, _end)
    versions, people = recorded(Path(RAW, weekly_place.dataset())), Once()
    collected = ""
    while True:
        try:
            collected = shown_once(collected, arrival.collect(weekly_place.dataset()))
            versions = round_(versions, people)
        except (Problem, OSError) as problem:
            print(f"{problem}; the next round tries again", file=sys.stderr, flush=True)
            people.notify("failed", "New weeks cannot be looked for", str(problem))
        time.sleep(pause)


if __name__ == "__main__":
    run(main)
