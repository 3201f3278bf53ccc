"""Bring your own batches into data/raw/<dataset>, record them with DVC and point params.yaml at them."""

from pathlib import Path

import msgspec

from fraud import batches, schema
from fraud.errors import Problem, run
from fraud.loop import remote
from fraud.loop.files import RAW, SCHEMAS
from fraud.loop.importing import bucket, folder
from fraud.loop.importing.cut import cut, head
from fraud.loop.importing.raw_folder import Place, recorded_files, replaced
from fraud.loop.repro import alone
from fraud.loop.retraining import arrival
from fraud.params import FILE
from fraud.params_file import change
from fraud.schema import Schema
from fraud.yamlfile import read_yaml

FORMS = """say where the batches come from, in one of four ways:
  make data CSV=payments.csv [BATCHES=8]                       one large file, cut by its time column
  make data DIR=folder                                         a folder of weekly files like 2026-W08.csv
  make data S3=s3://bucket/prefix/ [ENDPOINT=https://host]     such a folder in a bucket
  make data UPDATE=1                                           new weeks of that folder or bucket"""
OPTIONS = {"BATCHES": "CSV", "ENDPOINT": "S3"}
NEXT = "next: `make repro`, then `git add .dvc/config data params.yaml dvc.lock reports && git commit`"


class Window(msgspec.Struct):
    """The keys of section `split` that depend on the batches."""

    until: str | None
    weeks: int


class Settings(msgspec.Struct):
    """The part of params.yaml that says what data there is."""

    dataset: str
    batches: str
    split: Window


def asked(arguments: tuple[str, ...]) -> dict[str, str]:
    """Return the settings that were given; exactly one of them says where the batches come from."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    forms = [name for name in given if name not in OPTIONS]
    if len(forms) != 1:
        raise Problem(f"found {' and '.join(forms) or 'nothing'}; {FORMS}")
    for option, form in OPTIONS.items():
        if option in given and form not in given:
            raise Problem(f"{option} goes with {form}, found it with {forms[0]}; {FORMS}")
    if given.get("UPDATE", "1") != "1":
        raise Problem(f"UPDATE={given['UPDATE']}: expected UPDATE=1")
    return given


def bring_file(given: dict[str, str], place: Place) -> None:
    """Replace the folder by the batches that are cut from one file."""
    source = Path(given["CSV"]).expanduser()
    if not source.is_file():
        found = "a folder; for weekly files use DIR=" if source.is_dir() else "no such file; mend the path"
        raise Problem(f"CSV={source}: found {found}")
    count = _count(given.get("BATCHES"), place.schema)
    head(source, place.schema)
    there = recorded_files(place)
    was = read_yaml(place.pointer)["outs"][0].get("md5") if there else None
    with replaced(place) as draft:
        pieces = cut(source, place.schema, count, draft)
    if remote.forget(remote.weekly(place.folder)):
        print(f"{remote.CONFIG}: new weeks do not come from a folder any more")
    print(f"{source.name}: {folder.listed(pieces.rows)}, in {place.folder}")
    if count and len(pieces.rows) < count:
        print(f"spans of time without a row, and so without a file: {count - len(pieces.rows)} of {count}")
    if pieces.untimed:
        print(f"rows whose time does not fit the schema: {pieces.untimed}; each went where the row before it went")
    if there:
        print(f"files that were there before: {len(there)}; they stay in the DVC cache (md5 {was})")


def _count(text: str | None, schema: Schema) -> int | None:
    """Return how many batches to cut, or None for one an ISO week."""
    where = f"schema '{schema.name}'"
    if schema.time is None:
        raise Problem(f"{where}: found no time column to cut a file by; bring weekly files with `make data DIR=folder`")
    if schema.columns[schema.time].type == "date":
        if text:
            raise Problem(f"{where}: '{schema.time}' holds dates, which are cut into ISO weeks; leave BATCHES out")
        return None
    if not text:
        raise Problem(f"{where}: '{schema.time}' holds numbers, so say how many batches to cut, like BATCHES=8")
    if not (text.isdecimal() and int(text) > 0):
        raise Problem(f"BATCHES={text}: expected a whole number above 0, like BATCHES=8")
    return int(text)


def bring_folder(given: dict[str, str], place: Place) -> None:
    """Add the weekly files of a folder, from which `make data UPDATE=1` brings the next ones."""
    folder.bring(Path(given["DIR"]).expanduser(), place)


def bring_bucket(given: dict[str, str], place: Place) -> None:
    """Import the weekly files of a bucket, from which `make data UPDATE=1` brings the next ones."""
    bucket.bring(given["S3"], given.get("ENDPOINT", ""), place.folder)


def point(raw: Path, settings: Settings) -> None:
    """Let params.yaml name the folder and, where `split.until` is none of its batches, the newest of them."""
    names, until = list(batches.find(raw)), settings.split.until
    values = {"batches": raw.as_posix()}
    if until is not None and until not in names:
        values["split.until"] = names[-1]
    change(values)
    for key, old in {"batches": settings.batches, "split.until": until}.items():
        if values.get(key, old) != old:
            print(f"{FILE}: {key}: {old} -> {values[key]}")
    newest = values.get("split.until", until) or names[-1]
    usable, weeks = names.index(newest) + 1, settings.split.weeks
    if usable < len(names):
        print(f"{FILE}: split.until stays {newest}; batches after it, which are not trained on: {len(names) - usable}")
    if usable < weeks:
        remedy = "lower split.weeks, or move split.until"
        print(f"{FILE}: split.weeks is {weeks}, but there are {usable} batches up to {newest}; {remedy}")


BRING = {"CSV": bring_file, "DIR": bring_folder, "S3": bring_bucket}


def main(*arguments: str) -> None:
    """Bring batches as the arguments NAME=value ask for, and say on stdout what was done."""
    given = asked(arguments)
    try:
        settings = msgspec.convert(read_yaml(FILE), Settings)
    except msgspec.ValidationError as error:
        raise Problem(f"{FILE}: {error}; mend it there") from None
    place = Place(Path(RAW, settings.dataset), schema.load(f"{SCHEMAS}/{settings.dataset}.yaml"))
    with alone():
        if "UPDATE" in given:
            if arrival.update(place):
                print(f"`git diff` shows it in {place.pointer}; the old content is in the DVC cache")
        else:
            next(bring for form, bring in BRING.items() if form in given)(given, place)
            point(place.folder, settings)
    print(NEXT)


if __name__ == "__main__":
    run(main)
