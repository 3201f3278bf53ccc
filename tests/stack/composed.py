"""ops/compose.yaml as a test sees it: its services, and what they are given with certain settings."""

import re
from functools import cache
from typing import Any

from examples import ROOT
from fraud.yamlfile import read_yaml

FILE = ROOT / "ops/compose.yaml"
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::[-?]([^}]*))?\})")
SECRETS = list(dict.fromkeys(re.findall(r"\$\{(\w+):\?", FILE.read_text())))


@cache
def services() -> dict[str, dict[str, Any]]:
    """Return all services, with what several of them share merged in."""
    return {name: dict(service) for name, service in read_yaml(FILE)["services"].items()}


def filled(name: str, **settings: str) -> dict[str, Any]:
    """Return a service with these settings in the place of variables, as Compose does it; a test compares the two."""
    return _filled(services()[name], settings)


def _filled(value: Any, settings: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, settings) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, settings) for one in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: found[1] or settings.get(found[2], "") or found[3] or "", value)
    return value
