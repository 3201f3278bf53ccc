"""Write answers as the rows of a batch: the same log content gives the same bytes."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import BinaryIO, NamedTuple

import msgspec

from fraud.columns import NUMBER
from fraud.labels import CHANGED, DERIVED, FEEDBACK
from fraud.loop.collecting.request_log import Answer, Count
from fraud.loop.weeks import start
from fraud.schema import SOURCE, Column, Schema

FORMAT = 2  # Another number makes all weeks be written anew.
EPOCH = start("2026-W01").replace(tzinfo=None)  # From here seconds count, as in the simulated weeks.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
Given = dict[str, msgspec.Raw]
Cell = Callable[[Given, Answer], bytes]


class Misfit(Exception):
    """The features are those of another data set."""


class Written(NamedTuple):
    """What a file holds, and what the log knew of its week when it was written."""

    rows: int
    frauds: int  # That turned out to be.
    labelled: int  # Whose truth is known.
    derived: int
    changed: int  # Labels of which an earlier one said otherwise.
    misfits: int  # Rows of other data sets, which are left out.
    known: Count
    first: str  # The id of the week's first answer.
    md5: str


class Form:
    """How one answer becomes a line of the data set's batches."""

    def __init__(self, schema: Schema, *, derive: bool) -> None:
        """Know what stands in each column; with `derive` an answer stands in for a label that is not known."""
        self._derive = derive
        self._names = frozenset(schema.columns) - {schema.label}
        self._required = frozenset(name for name, column in schema.features.items() if not column.missing)
        names = [*schema.columns, SOURCE]
        self.header = ",".join(map(_quoted, names)).encode() + b"\n"
        self._cells = [self._cell(name, schema.columns.get(name)) for name in names]
        roles = [[name, column.role, column.type] for name, column in schema.columns.items()]
        self.recipe = hashlib.md5(json.dumps([FORMAT, derive, roles]).encode(), usedforsecurity=False).hexdigest()

    def line(self, answer: Answer) -> bytes:
        """Return the line of an answer whose features have the names and kinds of the schema's."""
        try:
            given = DECODER.decode(answer.features)
        except msgspec.MsgspecError:
            raise Misfit from None
        if not self._required <= given.keys() <= self._names:
            raise Misfit
        return b",".join([cell(given, answer) for cell in self._cells]) + b"\n"

    def label(self, answer: Answer) -> bytes:
        """Return what is known, or what was answered, or nothing."""
        value = answer.decision if answer.actual is None and self._derive else answer.actual
        return b"" if value is None else b"%d" % value

    def source(self, answer: Answer) -> bytes:
        """Return who says so, and whether somebody said otherwise before."""
        if answer.actual is None:
            return DERIVED.encode() if self._derive else b""
        return _quoted(CONTROL.sub(" ", f"{CHANGED if answer.changed else FEEDBACK}:{answer.source}")).encode()

    def _cell(self, name: str, column: Column | None) -> Cell:
        if column is None:
            return lambda _, answer: self.source(answer)
        if column.role == "label":
            return lambda _, answer: self.label(answer)
        if column.role == "feature":
            kind = _category if column.type == "category" else _number
            return lambda given, _: kind(given.get(name))
        if column.role == "time":
            return lambda given, answer: _time(_text(given.get(name)), answer, column)
        if column.role == "identifier":
            return lambda given, answer: _identifier(name, given, answer)
        return lambda _, __: b""


def write_week(answers: Iterable[Answer], form: Form, file: BinaryIO) -> Written:
    """Write the file of one week, row by row."""
    md5, first, rows = hashlib.md5(form.header, usedforsecurity=False), "", 0
    frauds = labelled = derived = changed = misfits = labels = 0
    file.write(form.header)
    for answer in answers:
        first = first or answer.id
        labels += answer.labels
        try:
            line = form.line(answer)
        except Misfit:
            misfits += 1
            continue
        md5.update(line)
        file.write(line)
        rows += 1
        labelled += answer.actual is not None
        frauds += answer.actual == 1
        derived += answer.actual is None and form.label(answer) != b""
        changed += bool(answer.changed)
    known = Count(rows + misfits, labels)
    return Written(rows, frauds, labelled, derived, changed, misfits, known, first, md5.hexdigest())


def _number(raw: msgspec.Raw | None) -> bytes:
    """Return a number with the very digits of the log."""
    found = b"null" if raw is None else bytes(raw)
    if found == b"null":
        return b""
    if found[0] not in b"-0123456789":
        raise Misfit
    return found


def _category(raw: msgspec.Raw | None) -> bytes:
    if raw is not None and bytes(raw)[:1] not in (b'"', b"n"):
        raise Misfit
    return _quoted(_text(raw)).encode()


def _text(raw: msgspec.Raw | None) -> str:
    """Return what a caller sent beside the features: a text, or a number as it was written."""
    if raw is None:
        return ""
    found = bytes(raw)
    if found[:1] == b'"':
        return CONTROL.sub(" ", msgspec.json.decode(found))
    return "" if found == b"null" else found.decode()


def _identifier(name: str, given: Given, answer: Answer) -> bytes:
    own = {"transaction_id": answer.transaction_id or answer.id, "id": answer.id}
    return _quoted(_text(given.get(name)) or own.get(name, "")).encode()


def _time(sent: str, answer: Answer, column: Column) -> bytes:
    """Return the time that a caller sent, or else that of the answer."""
    if sent and _is_time(sent, column):
        return sent.encode()
    if column.type == "date":
        return answer.ts.replace(" ", "T").encode()
    since = datetime.fromisoformat(answer.ts) - EPOCH
    seconds = since.days * 86_400 + since.seconds
    return (f"{seconds}" if column.type == "integer" else f"{seconds}.{since.microseconds:06d}").encode()


def _is_time(sent: str, column: Column) -> bool:
    try:
        if column.type == "date":
            datetime.fromisoformat(sent)
            return True
        plain = sent.isascii() and re.fullmatch(NUMBER, sent) is not None and math.isfinite(float(sent))
        return plain and (column.type == "number" or float(sent).is_integer())
    except ValueError:
        return False


def _quoted(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"') else text
