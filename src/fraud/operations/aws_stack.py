"""The stack of ops/aws/template.yaml: which one is meant, and waiting for it."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from fraud.errors import Problem
from fraud.loop.storing.stack import described, explained, place

NAME = "fraud"
OURS = {"Repository", "OldVersionDays"}  # Parameters by which a stack of the template is told from another one.
PAUSE = 3.0  # Seconds between two looks.
PATIENCE = 1800.0
BEGUN = "User Initiated"  # The reason of the event with which an operation begins.


def parameters(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a stack; one that was made from another template is a problem."""
    found = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", ())}
    if not found.keys() >= OURS:
        raise Problem(
            f"stack '{stack['StackName']}': was not made from ops/aws/template.yaml; name another with STACK="
        )
    return found


def settled(formation: Any, stack: str) -> dict[str, Any] | None:
    """Return a stack once nothing happens to it any more."""
    until = time.monotonic() + PATIENCE
    while (found := described(formation, stack)) and found["StackStatus"].endswith("_IN_PROGRESS"):
        if time.monotonic() > until:
            status = found["StackStatus"]
            raise Problem(
                f"{place(formation, found['StackName'])}: {status} for half an hour; look at its events there"
            )
        time.sleep(PAUSE)
    return found


def failure(formation: Any, stack: str) -> str:
    """Return why the last operation on a stack failed."""
    with explained(f"stack '{stack}'"):
        pages = formation.get_paginator("describe_stack_events").paginate(StackName=stack)
        return first_failure(event for page in pages for event in page["StackEvents"])


def first_failure(events: Iterable[Mapping[str, Any]]) -> str:
    """Return what failed first in the newest operation, of events that come newest first; the rest followed from it."""
    found = "AWS gives no reason"
    for event in events:
        reason = event.get("ResourceStatusReason", "")
        if reason == BEGUN:
            break
        if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
            found = f"{event['LogicalResourceId']} ({event['ResourceType']}): {' '.join(reason.split()).rstrip('.')}"
    return found
