"""Forks processes whose threads write to a request log, kills them, and prints what was acknowledged before.

Its argument is a JSON object: url, folder; rounds (one after another, 1), processes (2), threads (4), seconds before
the kill ([0.02, 0.1], drawn evenly) or the count of rows after which a thread ends, names (how many
transaction_ids), pause (seconds between two rows), patience (seconds that a row waits for the database, 1).
"""

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent.parent)]

import serve  # noqa: E402, F401  # It finds fraud.
from serve.journal import database  # noqa: E402
from serve.journal.log import Log  # noqa: E402
from serve.journal.tables import Row, new_ids, timestamp  # noqa: E402

DEFAULTS = {"rounds": 1, "processes": 2, "threads": 4, "seconds": [0.02, 0.1], "count": None, "names": 0, "pause": 0}


def write(log: Log, settings: dict[str, Any], pipe: int) -> None:
    done = 0
    while settings["count"] is None or done < settings["count"]:
        name = f"t{done % settings['names']}" if settings["names"] else None
        row = Row(timestamp(), new_ids(1)[0], name, "0" * 32, 0.5, 0.25, 0, "{}", done, 0.5)
        (standing,) = log.add([row])
        os.write(pipe, f"{name} {row.id} {standing.id}\n".encode())  # Short enough to be written as one.
        done += 1
        time.sleep(settings["pause"])


def child(settings: dict[str, Any], pipe: int) -> None:
    folder = Path(settings["folder"])
    database.WRITE_WITHIN = settings.get("patience", database.WRITE_WITHIN)
    log = Log(settings["url"], folder / "spool", "normal", folder / "run")
    threads = [threading.Thread(target=write, args=(log, settings, pipe)) for _ in range(settings["threads"])]
    for thread in threads:
        thread.start()
    os.write(pipe, b"started\n")
    for thread in threads:
        thread.join()


def work(settings: dict[str, Any], pipe: int) -> None:
    """Be a child, and end without the parent's clean-up."""
    code = 1
    try:
        child(settings, pipe)
        code = 0
    finally:
        os._exit(code)


def one_round(settings: dict[str, Any]) -> str:
    source, target = os.pipe()
    children = []
    for _ in range(settings["processes"]):
        children.append(os.fork())
        if not children[-1]:
            work(settings, target)
    os.close(target)
    output: list[str] = []
    with os.fdopen(source) as lines:
        reader = threading.Thread(target=lambda: output.extend(lines))
        reader.start()
        if settings["count"] is None:
            while output.count("started\n") < settings["processes"]:
                time.sleep(0.005)
            time.sleep(random.uniform(*settings["seconds"]))  # noqa: S311
            for pid in children:
                os.kill(pid, signal.SIGKILL)
        codes = [os.waitpid(pid, 0)[1] for pid in children]
        reader.join()
    assert settings["count"] is None or not any(codes), "a writer failed"
    return "".join(line for line in output if line != "started\n")


if __name__ == "__main__":
    given = DEFAULTS | json.loads(sys.argv[1])
    for _ in range(given["rounds"]):
        sys.stdout.write(one_round(given))
