"""Sections of params.yaml as typed values: an unknown key, a missing one or a wrong type is named."""

from pathlib import Path
from typing import Any, TypeVar

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
        raise Problem(f"{where}: {path.rstrip('`') + ': ' if path else ''}{message[0].lower()}{message[1:]}") from None
