"""What a schema cannot say: which bodies go with which query. Cases that mix them up are left out."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:  # noqa: ARG001  # Schemathesis gives both.
    """Say whether body and query of a case go together."""
    query, path = case.query or {}, case.operation.path
    if path == "/feedback" and isinstance(case.body, dict):
        return ("actual_label" in query) != ("actual_label" in case.body)
    # ?extra=ignore lets fields pass that are none of the contract's.
    return not (path == "/predict" and query.get("extra") == "ignore" and case.meta.generation.mode.is_negative)
