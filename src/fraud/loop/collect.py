"""Turn each finished week of the request log into a batch, once, and again when more is known of it."""

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from fraud import params
from fraud.batches import batch_name
from fraud.errors import Problem, run
from fraud.loop.collecting import weekly_place
from fraud.loop.collecting.request_log import Count, RequestLog, waiting
from fraud.loop.collecting.shelf import Mark, Moved, Shelf, There
from fraud.loop.collecting.weekly_csv import Form, Written, write_week
from fraud.loop.files import RAW, SCHEMAS
from fraud.loop.log_database import address, named
from fraud.loop.weeks import end, start
from fraud.params import Section
from fraud.schema import load

FORM = "make collect [TO=folder | TO=s3://bucket/weekly_data/ [ENDPOINT=https://host]] [LOG=url] [WEEK=2026-W08]"
NAMES = ("TO", "ENDPOINT", "LOG", "WEEK")
TRIES = 5  # Before another run that changes the same week again and again is a problem.


class Params(Section, frozen=True):
    """Section `collect` of params.yaml."""

    derive_labels: bool


class Foreign(Problem):
    """A week was delivered by somebody else."""


class Collection(NamedTuple):
    """From where to where weeks are brought, and how they are written."""

    log: RequestLog
    shelf: Shelf
    form: Form

    def bring(self, week: str, count: Count) -> str:
        """Put a week there, whole, unless what is there knows as much; say what was done.

        `count` is what the log knew a moment ago, and spares reading a week of which nothing new is known.
        """
        name = f"{week}.csv"
        for _ in range(TRIES):
            there = self._there(week, name)
            mark = there and there.mark
            if mark and not self.log.holds(mark.first):
                return f"kept as it is: the log does not hold the answer {mark.first} any more, or never did"
            if mark and (mark.rows, mark.labels, mark.recipe) == (*count, self.form.recipe):
                return "nothing new"
            with tempfile.TemporaryFile() as file:
                written = write_week(self._shown(week, count), self.form, file)
                if mark and (mark.rows > written.known.rows or mark.labels > written.known.labels):
                    return "kept as it is: it was written from a log that knew more"
                if not written.rows:
                    return f"not collected: none of its {written.misfits} rows fits the schema"
                file.seek(0)
                try:
                    self.shelf.put(name, file, self._mark(written), there)
                except Moved:
                    continue
                return _told(written, there)
        raise Problem(f"{self.shelf}: {name} was changed by others {TRIES} times in a row; run it again")

    def _there(self, week: str, name: str) -> There | None:
        others = [other for other in self.shelf.names() if batch_name(Path(other)) == week and other != name]
        there = self.shelf.find(name)
        if others or (there and there.mark is None):
            raise Foreign(f"{[*others, name][0]} was not written by collect, or has changed since")
        return there

    def _mark(self, written: Written) -> Mark:
        return Mark(written.known.rows, written.known.labels, written.first, self.form.recipe, written.md5)

    def _shown(self, week: str, count: Count) -> "tqdm[object]":
        return tqdm(self.log.answers(week), week, count.rows, leave=False, unit="row", file=sys.stderr, disable=None)


def _told(written: Written, there: There | None) -> str:
    parts = [f"{written.rows} rows", f"{written.labelled} with a label", f"{written.frauds} of these fraud"]
    if written.derived:
        parts.append(f"{written.derived} with a derived label")
    if written.changed:
        parts.append(f"{written.changed} of which an earlier label said otherwise")
    if written.misfits:
        parts.append(f"left out as their features are not those of the schema: {written.misfits}")
    if there is None:
        return ", ".join(parts)
    same = there.mark and there.mark.md5 == written.md5
    return f"{'the same content' if same else 'a new version'}: {', '.join(parts)}"


def asked(arguments: tuple[str, ...]) -> dict[str, str]:
    """Return the settings that were given."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    for name in given:
        if name not in NAMES:
            raise Problem(f"found {name}, expected {FORM}")
    if "ENDPOINT" in given and "TO" not in given:
        raise Problem(
            f"ENDPOINT={given['ENDPOINT']}: goes with TO=s3://… only; give TO, or `unset ENDPOINT` where the "
            f"environment sets it; expected {FORM}"
        )
    return given


def unready(week: str, now: datetime, spooled: int) -> str | None:
    """Return why a week cannot be collected yet."""
    if end(week) > now:
        return f"not collected: it ends on {end(week):%Y-%m-%d} at 00:00 UTC"
    if spooled:
        return f"not collected: {spooled} of its rows wait in the server's spool; start the server, which writes them"
    return None


def chosen(counts: dict[str, Count], week: str | None) -> dict[str, Count]:
    """Return the weeks to look at: all, or the one that is asked for."""
    if week is None:
        return counts
    if start(week) and week not in counts:
        known = f"its weeks are {min(counts)} to {max(counts)}" if counts else "it is empty"
        raise Problem(f"WEEK={week}: the log holds no answer of that week; {known}")
    return {week: counts[week]}


def collect(collection: Collection, weeks: dict[str, Count], waits: dict[str, int]) -> list[str]:
    """Bring each week that is ready, print what was done, and return what stands in the way of others."""
    now, refused = datetime.now(UTC), list[str]()
    for week, count in weeks.items():
        try:
            said = unready(week, now, waits.get(week, 0)) or collection.bring(week, count)
        except Foreign as problem:
            refused.append(str(problem))
            continue
        print(f"{week}: {said}")
    return refused


def main(*arguments: str) -> None:
    """Collect all finished weeks, as the arguments NAME=value say."""
    given = asked(arguments)
    section, dataset = params.load("collect", Params), weekly_place.dataset()
    form = Form(load(f"{SCHEMAS}/{dataset}.yaml"), derive=section.derive_labels)
    imported = Path(RAW, f"{dataset}.dvc")
    to, endpoint = given.get("TO"), given.get("ENDPOINT", "")
    shelf = weekly_place.named(to, endpoint) if to else weekly_place.imported(imported)
    shelf.check()  # Also in a week in which nothing is to be collected: the next one would be the first to fail.
    log = RequestLog(named("LOG", given["LOG"]) if "LOG" in given else address(os.environ))
    # Before the log is read: what leaves the spool meanwhile is in the log by then.
    waits = waiting(Path(os.environ.get("SPOOL") or "data/spool"))
    weeks = chosen(log.counts(), given.get("WEEK"))
    print(f"{log}: to {shelf}; weeks: {len(weeks)}")
    if refused := collect(Collection(log, shelf, form), weeks, waits):
        raise Problem(f"{shelf}: {'; '.join(refused)}; nothing is written over it: move it away, or collect elsewhere")


if __name__ == "__main__":
    run(main)
