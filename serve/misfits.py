"""The rules for a body in words: a row that does not fit the contract is refused by place, field and expectation."""

import json
import math
import re
from collections import Counter
from itertools import count
from typing import Any, NoReturn

from msgspec import UNSET

from fraud.errors import nearest
from fraud.schema import Column, Schema
from serve.problems import Refusal

LARGEST = 1e15  # As ingest has it: scaled by a small spread it still fits into single precision.
AROUND = 100  # Objects that may stand around the rows of a body,
INSIDE = 10  # and with ?extra=ignore inside of each.
SHOWN = 60  # Characters of a value that a message repeats.
LONGEST_ID = 200  # Characters of a text that a caller may name something with, or that a message repeats of a name.
# No control character, no half of a character.
NAME = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{LONGEST_ID}}}")
Place = int | None  # Of a row in `data`; none where the body is one object.


class Named(dict[str, Any]):
    """A JSON object that remembers a key that was given twice."""

    twice: str | None = None


def parse(body: bytes, rows: int = 1) -> Any:
    """Return the JSON document in a body of so many rows; numbers come as floats, as integers may be of any length."""
    most, objects = AROUND + INSIDE * rows, count(1)

    def named(pairs: list[tuple[str, Any]]) -> Named:
        # Here and not when all are read, as five million empty ones take half a minute and a gigabyte.
        if next(objects) > most:
            raise Refusal(413, f"found more than {most} JSON objects, too many for one request; send it in parts")
        return _named(pairs)

    if not body.strip():
        raise Refusal(400, "the body is empty, expected an object: one payment, or rows in `data`")
    try:
        return json.loads(body.decode(), object_pairs_hook=named, parse_constant=_constant, parse_int=float)
    except UnicodeDecodeError as error:
        raise Refusal(400, f"byte {error.start} of the body is no UTF-8; send JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refusal(400, f"the body is no JSON: {error.msg[0].lower()}{error.msg[1:]} at {where}") from None
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply; expected an object of fields, or rows in `data`") from None


def companions(schema: Schema) -> list[str]:
    """Return the columns that come with a payment and are no features: its time and its identifiers."""
    columns = schema.columns.items()
    return [name for name, column in columns if column.role in ("time", "identifier") and name != "transaction_id"]


def orders(schema: Schema) -> list[list[str]]:
    """Return what a row without names may hold, in its order: the features, and them with the time if there is one."""
    timed = [name for name, column in schema.columns.items() if column.role in ("feature", "time")]
    return [list(schema.features), *([timed] if schema.time is not None else [])]


def limits(column: Column) -> tuple[float, float]:
    """Return the least and the greatest number of a column, as far as models can hold them."""
    low = -LARGEST if column.min is None else max(-LARGEST, column.min)
    high = LARGEST if column.max is None else min(LARGEST, column.max)
    return low, high


class Misfits:
    """Says what is wrong with a row, or returns its values in the order of the contract."""

    def __init__(self, schema: Schema) -> None:
        """Know a schema."""
        self._schema = schema
        self._names = [*schema.features, *companions(schema), "transaction_id"]
        self._orders = orders(schema)

    def rows(self, document: Any) -> tuple[list[Any], bool]:
        """Return the rows of a document, and whether it is one payment by itself."""
        if not isinstance(document, Named):
            raise Refusal(422, f"found {_kind(document)}, expected an object: one payment, or rows in `data`")
        rows = document.get("data")
        if "data" not in document or ("data" in self._schema.columns and not isinstance(rows, list)):
            return [document], True
        once(document, None)
        for key in document:
            if key == "transaction_id":
                raise misfit(None, key, "stands beside `data`; put it into each of the objects in `data`")
            if key != "data":
                raise misfit(None, key, "stands beside `data`, expected `data` alone")
        if not isinstance(rows, list):
            raise misfit(None, "data", f"is {_shown(rows)}, expected a list of objects or of lists")
        return rows, False

    def values(self, row: Any, place: Place, extra: str) -> list[Any]:
        """Return the values of a row: features, companions, transaction_id; what is not given is UNSET or null."""
        if isinstance(row, list):
            row = self._with_names(row, place)
        if not isinstance(row, Named):
            raise misfit(place, None, f"found {_kind(row)}, expected an object of named fields or a list of numbers")
        once(row, place)
        if extra != "ignore":
            self._only_known(row, place)
        return [self._value(row, name, place) for name in self._names]

    def transaction_id(self, value: Any, place: Place) -> str:
        """Return a transaction_id that a database can keep."""
        if not isinstance(value, str) or not NAME.fullmatch(value):
            expected = f"expected a text of 1 to {LONGEST_ID} printable characters"
            raise misfit(place, "transaction_id", f"is {_shown(value)}, {expected}")
        return value

    def _with_names(self, row: list[Any], place: Place) -> Named:
        for names in self._orders:
            if len(row) == len(names):
                return Named(zip(names, row, strict=True))
        short, *others = self._orders
        counts = f"{len(short)} values ({short[0]} to {short[-1]})"
        counts += "".join(f", or {len(names)} with {self._schema.time}" for names in others)
        raise misfit(place, None, f"found {len(row)} values, expected {counts}, in the order of GET /model")

    def _only_known(self, row: Named, place: Place) -> None:
        for key in row:
            if key not in self._names:
                known = nearest(_cut(key), self._names)
                raise misfit(place, key, f"is not in the contract{known}; take it away, or add ?extra=ignore")

    def _value(self, row: Named, name: str, place: Place) -> Any:
        column = self._schema.features.get(name)
        if column is None:
            return self._companion(row, name, place)
        value = row.get(name)
        if value is None:
            if column.missing:
                return None
            raise misfit(place, name, f"is {'null' if name in row else 'missing'}, expected {expected(column)}")
        return _category(value, name, column, place) if column.categories else _number(value, name, column, place)

    def _companion(self, row: Named, name: str, place: Place) -> Any:
        if name not in row:
            return UNSET
        value = row[name]
        if name == "transaction_id":
            return self.transaction_id(value, place)
        short = isinstance(value, str) and len(value) <= LONGEST_ID and _is_unicode(value)
        if not (short or value is None or (isinstance(value, float) and math.isfinite(value))):
            raise misfit(
                place, name, f"is {_shown(value)}, expected a number or a text of at most {LONGEST_ID} characters"
            )
        return value


def expected(column: Column) -> str:
    """Return in words what a column takes."""
    if column.categories:
        return f"one of {', '.join(map(str, column.categories))}"
    kind = "a whole number" if column.type == "integer" else "a number"
    limits = [f"{word} {limit:g}" for word, limit in (("from", column.min), ("to", column.max)) if limit is not None]
    return " ".join([kind, *limits])


def _category(value: Any, name: str, column: Column, place: Place) -> str:
    # A category may look like a number, and then comes as one.
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else value
    if not isinstance(text, str) or text not in column.categories:
        raise misfit(place, name, f"is {_shown(value)}, expected {expected(column)}")
    return text


def _number(value: Any, name: str, column: Column, place: Place) -> float | int:
    if not isinstance(value, float):
        raise misfit(place, name, f"is {_shown(value)}, {_kind(value)}, expected {expected(column)}")
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise misfit(place, name, f"is beyond what models can hold, {LARGEST:g}; expected {expected(column)}")
    low, high = column.min, column.max
    outside = (low is not None and value < low) or (high is not None and value > high)
    if outside or (column.type == "integer" and not value.is_integer()):
        raise misfit(place, name, f"is {_shown(value)}, expected {expected(column)}")
    return int(value) if column.type == "integer" else value


def once(row: Named, place: Place = None) -> None:
    """Refuse an object in which a field is given twice."""
    if row.twice is not None:
        raise misfit(place, row.twice, "is given twice; give each field once")


def misfit(place: Place, field: str | None, what: str) -> Refusal:
    """Return the refusal of a field, a row, or a field of a row."""
    field = None if field is None else _cut(field)
    where = [f"data[{place}]"] if place is not None else []
    where += [f"field '{field}'"] if field is not None else []
    members: dict[str, Any] = {"row": place, "field": field}
    given = {name: value for name, value in members.items() if value is not None}
    return Refusal(422, f"{', '.join(where)} {what}".strip(), **given)


def _named(pairs: list[tuple[str, Any]]) -> Named:
    found = Named(pairs)
    if len(found) < len(pairs):
        found.twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return found


def _constant(name: str) -> NoReturn:
    raise Refusal(400, f"the body is no JSON: found {name}; a number that is not known is null")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kind(value: Any) -> str:
    kinds = {str: "a text", float: "a number", bool: "a boolean", list: "a list", Named: "an object"}
    return kinds.get(type(value), "null")


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_ID else name[:LONGEST_ID] + "…"


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value[: SHOWN + 1] if isinstance(value, str) else value)
    except RecursionError:  # Writing takes a little more of the stack than reading did.
        return "nested too deeply"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
