"""Sections of params.yaml as typed values: an unknown key, a missing one or a wrong type is named."""

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from fraud.errors import Problem, nearest
from fraud.yamlfile import read_yaml

FILE = Path("params.yaml")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One section of params.yaml; a subclass declares exactly its keys, with their limits."""


S = TypeVar("S", bound=Section)


def load(name: str, kind: type[S]) -> S:
    """Return section `name` of params.yaml, checked against `kind`."""
    content = read_yaml(FILE)
    if name not in content:
        raise Problem(f"{FILE}: section '{name}' is missing{nearest(name, content)}")
    return check(f"{FILE}, section '{name}'", content[name], kind)


def check(where: str, values: Any, kind: type[S]) -> S:
    """Return `values` as `kind`; a problem names the place, the key and what was expected."""
    keys = [field.name for field in msgspec.structs.fields(kind)]
    if not isinstance(values, dict):
        raise Problem(f"{where}: found {values!r}, expected the keys {', '.join(keys)}")
    for key in values:
        if key not in keys:
            raise Problem(f"{where}: unknown key '{key}'{nearest(str(key), keys) or '; expected ' + ', '.join(keys)}")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        allowed = _words(kind, key)
        remedy = f"; use {', '.join(allowed)}" if allowed else ""
        raise Problem(f"{where}: {key + ': ' if key else ''}{message[0].lower()}{message[1:]}{remedy}") from None


def _words(kind: type[Section], key: str) -> list[str]:
    """Return the words that a key may hold, where it may hold some words only."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(kind)}
    options = [kinds.get(key), *get_args(kinds.get(key))]
    return [str(word) for option in options if get_origin(option) is Literal for word in get_args(option)]
