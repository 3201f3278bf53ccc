"""Hold the header of a CSV file against the schema."""

from collections import Counter

from fraud.csv_records import fields
from fraud.errors import Problem, nearest
from fraud.schema import SOURCE, Schema


def header(record: bytes, schema: Schema, file: str) -> list[str]:
    """Return the names of a file's columns in their order there, once they are those of the schema.

    One more is welcome: where each label came from.
    """
    parts = fields(record)
    if parts is None:
        raise Problem(f"{file}: a quote or a carriage return is in the middle of a field of the header; mend it there")
    try:
        names = [field.decode().strip() for field in parts]
    except UnicodeDecodeError:
        raise Problem(f"{file}: the header is not UTF-8 text; save the file as UTF-8") from None
    _check_names(names, schema, file)
    return names


def _check_names(names: list[str], schema: Schema, file: str) -> None:
    expected = list(schema.columns)
    contract = f"found {len(names)} columns, expected {len(expected)} (schema '{schema.name}')"
    if len(names) == 1 and len(expected) > 1:
        raise Problem(f"{file}: found one column, '{names[0][:60]}'; separate the columns with commas")
    for name, times in Counter(names).items():
        if times > 1:
            raise Problem(f"{file}: column '{name}' is there {times} times; {contract}; name each column once")
    for name in names:
        if name not in (*expected, SOURCE):
            raise Problem(f"{file}: unknown column '{name}'{nearest(name, set(expected) - set(names))}; {contract}")
    for name in expected:
        if name not in names:
            raise Problem(f"{file}: column '{name}' is missing; {contract}")
