"""Change single values of params.yaml; every other byte of it stays."""

import json
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from fraud.errors import Problem
from fraud.outputs import whole
from fraud.params import FILE

Value = str | int | float | None


def change(values: Mapping[str, Value], path: Path = FILE) -> None:
    """Write each value at its key, all at once."""
    text = path.read_bytes().decode()
    for key, value in values.items():
        text = set_value(text, key, value)
    with whole(path) as draft:
        draft.write_bytes(text.encode())


def set_value(text: str, key: str, value: Value) -> str:
    """Return `text` with `value` at `key`, in which dots lead into sections: `split.until`."""
    node: Node | None = _yaml().compose(text)
    for part in key.split("."):
        node = _child(node, part)
    if node is None:
        raise Problem(f"{FILE}: there is no key '{key}'; put it back, as `git diff {FILE}` shows it")
    start, end = node.start_mark.index, node.end_mark.index
    if not isinstance(node, ScalarNode) or node.anchor or node.style in ("|", ">") or start == end:
        raise Problem(f"{FILE}: found no plain value at '{key}'; write one on the line of its key")
    return text[:start] + _written(value) + text[end:]


def _child(node: Node | None, key: str) -> Node | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _written(value: Value) -> str:
    """Return `value` plain where YAML reads it back as that very value, and quoted where not."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        if _yaml().load(f"key: {value} # comment") == {"key": value} and not set(value) & set("[]{},"):
            return value
    except YAMLError:
        pass
    return json.dumps(value, ensure_ascii=False)


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)
