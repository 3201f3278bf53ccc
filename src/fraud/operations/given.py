"""The arguments NAME=value of a make target, held against the form that its documentation shows."""

import re

from fraud.errors import Problem


def given(arguments: tuple[str, ...], form: str) -> dict[str, str]:
    """Return those that have a value; a name that the form does not show is a problem."""
    found = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    known = re.findall(r"\b([A-Z]+)=", form)
    if unknown := [name for name in found if name not in known]:
        raise Problem(f"found {unknown[0]}, expected {form}")
    return found
