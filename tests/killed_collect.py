"""Collects a week again and again, kills each run, and looks at what is there after it.

Its argument is a JSON object: url of the log; to and endpoint, where the week is put; path of the file there; and
rounds, after the first of which each run is killed at a random moment; without rounds the first run is killed before
its first line of putting the week there, the next one before the second line, until one comes to its end. Before each
run one more answer gets a label, so that each has a new version to write. It prints how many were killed, and which
versions were there after each run, by the number of labels that they hold.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from io import BytesIO
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "tests")]

import serve  # noqa: E402, F401  # It finds fraud.
from fraud.loop.collect import Collection  # noqa: E402
from fraud.loop.collecting import weekly_place  # noqa: E402
from fraud.loop.collecting.request_log import Count, RequestLog  # noqa: E402
from fraud.loop.collecting.shelf import Folder  # noqa: E402
from fraud.loop.collecting.weekly_csv import Form, write_week  # noqa: E402
from fraud.loop.log_database import named  # noqa: E402
from weekly_logs import SCHEMA, Logbook, answer  # noqa: E402

WEEK, FORM = "2026-W08", Form(SCHEMA, derive=False)
PATIENCE, MOST = 60.0, 500  # Seconds of a run that nobody kills, and steps at most.
WATCHED = ("collecting/shelf.py", "fraud/outputs.py")


def version(log: RequestLog) -> str:
    """Return the md5 of what the week should be now."""
    file = BytesIO()
    write_week(log.answers(WEEK), FORM, file)
    return hashlib.md5(file.getvalue(), usedforsecurity=False).hexdigest()


def die_before(line: int) -> None:
    """Let this process be killed right before so many lines of the watched files have run."""
    lines = count()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(WATCHED) or frame.f_code.co_name == "_plain":
            return None
        if event == "line" and next(lines) == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def run(collection: Collection, seconds: float, step: int | None = None) -> bool:
    """Let a fork collect until a step or for so long, and return whether it was killed."""
    child = os.fork()
    if not child:
        if step is not None:
            put = Folder.put

            def watched(*given: Any) -> None:
                die_before(step)
                put(*given)

            setattr(Folder, "put", watched)  # noqa: B010  # mypy would not have it assigned
        collection.bring(WEEK, Count())
        os._exit(0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.WIFSIGNALED(status) or status == 0
            return os.WIFSIGNALED(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main(settings: dict[str, Any]) -> None:
    """Run until the rounds are over, or one run comes to its end."""
    book, log = Logbook(settings["url"]), RequestLog(named("LOG", settings["url"]))
    collection = Collection(log, weekly_place.named(settings["to"], settings.get("endpoint", "")), FORM)
    path, known, seen, killed = Path(settings["path"]), dict[str, int](), list[int](), 0
    longest = PATIENCE
    for number in range(settings.get("rounds", MOST)):
        book.label((answer(number), 1))
        known[version(log)] = number + 1
        start = time.monotonic()
        was_killed = run(collection, PATIENCE, number) if "rounds" not in settings else run(collection, drawn(longest))
        if longest == PATIENCE:
            longest = 1.2 * (time.monotonic() - start)
        killed += was_killed
        if path.exists():
            seen.append(known[hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()])
        if "rounds" not in settings and not was_killed:
            break
    print(json.dumps({"killed": killed, "seen": seen}))


def drawn(longest: float) -> float:
    """Return how long a run may live: the first one as long as it takes."""
    return longest if longest == PATIENCE else random.uniform(0, longest)  # noqa: S311


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
