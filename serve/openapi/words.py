"""The words of which the description of the API is made: JSON Schema in short."""

from typing import Any

Json = dict[str, Any]
REF = "#/components/{kind}/{name}"
WORDS: Json = {"type": "string"}
TRUTH: Json = {"type": "boolean"}
COUNT: Json = {"type": "integer", "minimum": 0}
NUMBER: Json = {"type": "number"}
UNKNOWN_NUMBER: Json = {"type": ["number", "null"]}
MD5: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}


def record(**fields: Json) -> Json:
    """Return the schema of an object that has all of the fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def many(items: Json) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def ref(name: str, kind: str = "schemas") -> Json:
    """Return a reference to a component."""
    return {"$ref": REF.format(kind=kind, name=name)}
