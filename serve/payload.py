"""Read payments from a request's body: each row comes out checked against the contract, or is refused by its name."""

import math
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType, defstruct

from fraud.errors import Problem
from fraud.features import Matrix, codes
from fraud.schema import Column, Schema
from serve.misfits import LONGEST_ID, Misfits, companions, limits, orders, parse
from serve.problems import Refusal

Payment = Any  # A struct: the features in their order, then the companions, then transaction_id.
Extra = Literal["refuse", "ignore"]
BESIDE: Any = Annotated[str, Meta(max_length=LONGEST_ID)] | float | None  # Comes with a payment and is no feature.
T = TypeVar("T")


class Checked(NamedTuple):
    """The payments of one request, in its order; `single` if it was one object and no list."""

    payments: list[Payment]
    transaction_ids: list[str | None]
    features: Matrix
    single: bool


class Reader:
    """Reads bodies for one contract.

    Well-formed bodies are decoded and checked by compiled code, which does not say enough of the others: these go
    through `misfits`, which holds the rules in words. tests/test_serve_payload.py holds the two together.
    """

    def __init__(self, schema: Schema, max_rows: int) -> None:
        """Make the decoders of a schema."""
        self._max_rows = max_rows
        self._misfits = Misfits(schema)
        columns = list(schema.features.values())
        self._codes = [codes(column) for column in columns]
        self._plain = not any(column.categories or column.missing for column in columns)
        self._optional = [f"f{place}" for place, column in enumerate(columns) if column.missing]
        # Twice the last place, as itemgetter returns a tuple for two places or more.
        self._required = itemgetter(*[place for place, column in enumerate(columns) if not column.missing] or [-1], -1)
        self._type = _payment_type(schema)
        self._one = msgspec.json.Decoder(self._type)
        self._named = msgspec.json.Decoder(_envelope(self._type))
        self._listed = [(msgspec.json.Decoder(_envelope(kind)), order) for kind, order in _row_types(schema)]

    def read(self, body: bytes, extra: Extra = "refuse") -> Checked:
        """Return the payments in a body of any of the accepted shapes."""
        one = _decoded(self._one, body)
        if one is not None:
            if self._is_whole([one], body.count(b'"')):
                return self._checked([one], single=True)
        elif several := self._several(body):
            return self._checked(several, single=False)
        return self.slowly(self.parse(body), extra)

    def parse(self, body: bytes) -> Any:
        """Return the JSON document in a body that holds no more objects than the rows of a request may."""
        return parse(body, self._max_rows)

    def slowly(self, document: Any, extra: Extra) -> Checked:
        """Return the payments in a parsed body, or raise a refusal that names the first misfit."""
        rows, single = self._misfits.rows(document)
        places = [None] if single else range(len(self.limited(rows)))
        values = [self._misfits.values(row, place, extra) for row, place in zip(rows, places, strict=True)]
        return self._checked([self._type(*row) for row in values], single=single)

    def _several(self, body: bytes) -> list[Payment]:
        """Return the rows of a well-formed list, or nothing."""
        if body.count(b"{") > 1 + self._max_rows:  # Empty ones would be read by the million, as nothing is missing yet.
            return []
        quotes = body.count(b'"') - 2  # Of the key `data`.
        named = _decoded(self._named, body)
        if named is not None:
            return self.limited(named.data) if self._is_whole(named.data, quotes) else []
        for decoder, order in self._listed:
            listed = _decoded(decoder, body)
            if listed is not None and 2 * _texts(listed.data) == quotes:
                return [self._type(*order(row)) for row in self.limited(listed.data)]
        return []

    def _is_whole(self, payments: list[Payment], quotes: int) -> bool:
        """Say whether no key is missing, nor, as two quotes stand around each key and each text, given twice."""
        rows = [msgspec.structs.astuple(payment) for payment in payments]
        keys = sum(len(row) - row.count(UNSET) for row in rows)
        return 2 * (keys + _texts(rows)) == quotes and all(UNSET not in self._required(row)[:-1] for row in rows)

    def limited(self, rows: list[T]) -> list[T]:
        """Return rows, or refuse them where a request may not have so many."""
        if len(rows) > self._max_rows:
            raise Refusal(413, f"found {len(rows)} rows, expected {self._max_rows} at most; send them in parts")
        return rows

    def _checked(self, payments: list[Payment], *, single: bool) -> Checked:
        ids = [
            None if payment.transaction_id is UNSET else self._misfits.transaction_id(payment.transaction_id, place)
            for payment, place in zip(payments, [None] if single else range(len(payments)), strict=True)
        ]
        for payment in payments if self._optional else ():
            for name in self._optional:  # So that the log says null, and not nothing.
                if getattr(payment, name) is UNSET:
                    setattr(payment, name, None)
        return Checked(payments, ids, self._matrix(payments), single)

    def _matrix(self, payments: list[Payment]) -> Matrix:
        width = len(self._codes)
        rows = [msgspec.structs.astuple(payment)[:width] for payment in payments]
        if not self._plain:
            rows = [tuple(map(_number, row, self._codes)) for row in rows]
        # Adding 0 takes the sign from zeros, so that equal features have equal bytes.
        return np.array(rows, dtype=np.float64).reshape(len(rows), width) + 0.0


def text(payment: Payment) -> str:
    """Return what the log keeps of a payment, as JSON by name: all but its transaction_id, which has its own column."""
    payment.transaction_id = UNSET
    return msgspec.json.encode(payment).decode()


def _number(value: Any, code: dict[str, float]) -> float:
    if value is None:
        return math.nan
    return code[value] if code else value


def _texts(rows: list[tuple[Any, ...]]) -> int:
    return sum(list(map(type, row)).count(str) for row in rows)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError):  # Of msgspec, and of Unicode.
        return None


def _payment_type(schema: Schema) -> Any:
    """Return the type of one payment; what is not a feature is kept for the log and never scored."""
    kinds = [_kind(column) | UnsetType for column in schema.features.values()]
    names = [*schema.features, *companions(schema)]
    kinds += [BESIDE | UnsetType] * (len(names) - len(kinds))
    fields = [(f"f{place}", kind, UNSET) for place, kind in enumerate(kinds)]
    rename = {f"f{place}": name for place, name in enumerate(names)}
    fields.append(("transaction_id", str | UnsetType, UNSET))
    try:
        return defstruct("Payment", fields, rename=rename, forbid_unknown_fields=True)
    except ValueError as error:
        raise Problem(f"the columns of the contract cannot be the fields of a payment: {error}") from None


def _row_types(schema: Schema) -> list[tuple[Any, Any]]:
    """Return the types of a row without names, and what puts it into our order."""
    found = []
    for names in orders(schema):
        kinds = [_kind(schema.columns[name]) if name in schema.features else BESIDE for name in names]
        places = [names.index(name) for name in [*schema.features, *companions(schema)] if name in names]
        # Of one place itemgetter would return the value, and no tuple of it.
        order = itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
        found.append((tuple[tuple(kinds)], order))  # type: ignore[misc]  # Its parts are known when the schema is.
    return found


def _envelope(row: Any) -> Any:
    return defstruct("Envelope", [("data", list[row])], forbid_unknown_fields=True)


def _kind(column: Column) -> Any:
    """Return the type that takes the values of a column and no others."""
    kind: Any
    if column.type == "category":
        kind = Literal[tuple(map(str, column.categories))]
    else:
        low, high = limits(column)
        if column.type == "integer":
            kind = Annotated[int, Meta(ge=math.ceil(low), le=math.floor(high))]
        else:
            kind = Annotated[float, Meta(ge=low, le=high)]
    return kind | None if column.missing else kind
