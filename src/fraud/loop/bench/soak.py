"""Load the server at half of what it can do; fail when memory or open files grow, or an answer is not in the log."""

import sqlite3
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
from scipy.stats import linregress
from tqdm import tqdm

from fraud.errors import Problem, run
from fraud.features import matrix
from fraud.loop.bench.peers import ASKED, flat, ours, started
from fraud.loop.bench.wrk import Load, Pace, load
from fraud.loop.files import MODEL, TEST
from fraud.loop.running import Running, descriptors, resident
from fraud.scoring import load as load_model
from fraud.tables import read_table

MINUTES, SHORTEST = 10.0, 1.0
CONNECTIONS = 64  # Many that pause come closer to half than few, as each pauses longer than it waits.
FULL_SECONDS, EVERY, DRAIN = 5, 5, 5  # Seconds at full load, between samples, and at the end without new requests.
WARMING = 0.2  # Share of the time, at its start, that is not looked at.
STEEPEST, CHANCE = 1.0, 0.01  # MB a minute, and how rarely an even memory may look as if it grew.


class Sample(NamedTuple):
    """A worker at a moment."""

    minute: float
    pid: int
    memory: float
    files: int


def samples(process: Running, minutes: float) -> list[Sample]:
    """Return what all workers held, every few seconds."""
    found, start = [], time.monotonic()
    for turn in tqdm(range(int(minutes * 60 / EVERY) + 1), "soak", file=sys.stderr):
        time.sleep(max(0.0, start + turn * EVERY - time.monotonic()))
        minute = (time.monotonic() - start) / 60
        for pid in process.workers():
            with suppress(OSError):  # It ended; its successor is noticed.
                found.append(Sample(minute, pid, resident(pid), descriptors(pid)))
    return found


def faults(found: Sequence[Sample]) -> list[str]:
    """Return a sentence on each worker that came or went, or whose memory or number of open files grew."""
    first, last = found[0].minute, found[-1].minute
    said = []
    for pid in sorted({one.pid for one in found}):
        of = [one for one in found if one.pid == pid]
        if of[0].minute > first or of[-1].minute < last:
            said.append(f"worker {pid} was there from minute {of[0].minute:.1f} to {of[-1].minute:.1f} only")
            continue
        warm = [one for one in of if one.minute - first >= WARMING * (last - first)]
        said += _grown(pid, warm)
    return said


def growth(warm: Sequence[Sample]) -> tuple[float, float]:
    """Return the slope of a worker's memory in MB a minute, and how likely chance alone makes it so steep."""
    fit = linregress([one.minute for one in warm], [one.memory for one in warm], alternative="greater")
    return float(fit.slope), float(fit.pvalue)


def _grown(pid: int, warm: Sequence[Sample]) -> list[str]:
    said = []
    slope, chance = growth(warm)
    if slope > STEEPEST and chance < CHANCE:
        said.append(f"worker {pid}: memory grew by {slope:.1f} MB a minute, to {warm[-1].memory:.0f} MB")
    quarter = len(warm) // 4
    before, after = max(one.files for one in warm[:quarter]), min(one.files for one in warm[-quarter:])
    if after > before:
        said.append(f"worker {pid}: open files grew from {before} at most to {after} at least")
    return said


def logged(process: Running) -> int:
    """Return how many predictions are in the server's log."""
    with closing(sqlite3.connect(process.output.with_name("requests.db"))) as connection:
        return int(connection.execute("SELECT count(*) FROM requests").fetchone()[0])


def soak(process: Running, bodies: Path, minutes: float) -> tuple[Load, Load, list[Sample]]:
    """Return what wrk saw at full load and at half of it, and the samples of the latter."""
    full = load(process, bodies, CONNECTIONS, FULL_SECONDS)
    time.sleep(1)  # wrk hangs up at its end; the last requests are still logged.
    before, seconds = logged(process), round(minutes * 60)
    pace = Pace(max(1, round(2000 * CONNECTIONS / full.rate)), seconds)
    with ThreadPoolExecutor(1) as pool:
        half = pool.submit(load, process, bodies, CONNECTIONS, seconds + DRAIN, pace)
        found = samples(process, minutes)
        answered = half.result()
    if logged(process) - before != answered.answers:
        raise Problem(f"{answered.answers} requests were answered, but {logged(process) - before} are in the log")
    return full, answered, found


def report(full: Load, half: Load, found: Sequence[Sample], minutes: float) -> None:
    """Print what was seen, a line a worker."""
    rate = half.answers / (minutes * 60)
    print(
        f"{half.answers:,} requests in {minutes:g} minutes, {rate:,.0f} a second, {rate / full.rate:.0%} of full load;"
    )
    print(f"all answered and logged; p50 {1e3 * half.p50:.1f} ms, p99 {1e3 * half.p99:.1f} ms")
    for pid in sorted({one.pid for one in found}):
        of = [one for one in found if one.pid == pid]
        slope, chance = growth(of[int(WARMING * len(of)) :])
        files = f"{min(one.files for one in of)} to {max(one.files for one in of)} open files"
        memory = f"{of[0].memory:.0f} to {of[-1].memory:.0f} MB, {slope:+.2f} a minute (p {chance:.2f})"
        print(f"worker {pid}: {memory}, {files}")


def main(minutes: str = "") -> None:
    """Soak the server; what grew is a problem."""
    try:
        length = float(minutes or MINUTES)
    except ValueError:
        length = 0
    if not SHORTEST <= length < float("inf"):
        raise Problem(f"MINUTES={minutes}: found no number of {SHORTEST:g} or more; try `make soak MINUTES=2`")
    schema = load_model(MODEL).contract.schema
    rows = matrix(read_table(TEST), schema)[:ASKED]
    lines = [msgspec.json.encode(flat(list(schema.features), row.tolist())) for row in rows]
    with TemporaryDirectory() as folder, started(ours("soak")) as process:
        bodies = Path(folder) / "bodies.txt"
        bodies.write_bytes(b"\n".join(lines))
        process.first_answer(lines[0])
        full, half, found = soak(process, bodies, length)
    report(full, half, found, length)
    if said := faults(found):
        raise Problem("; ".join(said))


if __name__ == "__main__":
    run(main)
