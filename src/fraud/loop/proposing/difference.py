"""Tables of what differs between two commits: metrics, parameters, and the md5s of data and model."""

import json
from typing import Any

from fraud.labels import DELIVERED
from fraud.loop.batch_sizes import uneven
from fraud.loop.experiments import flat
from fraud.loop.files import TEST
from fraud.loop.proposing.revision import Side
from fraud.markdown import code, interval, is_number, number, table

SENTENCES = 12


def metrics(before: Side, after: Side) -> str:
    """Return each metric of both sides, the later one with its interval; a difference only where the rows are the same.

    Of other rows it would be taken for a gain or a loss, and tells mostly which week was the easier one.
    """
    names = [name for name in after.metrics if not name.endswith("_interval")]
    names += [name for name in before.metrics if name not in after.metrics and not name.endswith("_interval")]
    same = same_rows(before, after)
    rows = [
        [
            code(name),
            number(before.metrics.get(name)),
            number(after.metrics.get(name)),
            interval(after.metrics.get(f"{name}_interval")),
            *([_moved(before.metrics.get(name), after.metrics.get(name))] if same else []),
        ]
        for name in names
    ]
    heads = ["metric", "before", "after", "95 % interval", "difference"]
    others = ["metric", "before, on its own rows", "after, on its own rows", "95 % interval of after"]
    return table(heads if same else others, rows)


def same_rows(before: Side, after: Side) -> bool:
    """Return whether both sides were tested on the same rows."""
    return before.pins.get(TEST) == after.pins.get(TEST)


def _moved(before: Any, after: Any) -> str:
    return number(after - before, sign="+") if is_number(before) and is_number(after) and before != after else "-"


def params(before: Side, after: Side) -> str:
    """Return the parameters that differ."""
    old, new = flat(before.params), flat(after.params)
    names = [*new, *(name for name in old if name not in new)]
    differing = [name for name in names if old.get(name, ...) != new.get(name, ...)]
    if not differing:
        return "None differs."
    rows = [[code(name), _value(old, name), _value(new, name)] for name in differing]
    return table(["parameter", "before", "after"], rows)


def _value(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "-"
    value = values[name]
    return code(value if isinstance(value, str) else json.dumps(value, default=str))


def labels(before: Side, after: Side) -> str:
    """Return who gave the labels of the training window, the largest first, as one source should not take over."""
    if not (now := after.given.labels):
        return ""
    if now.keys() == {DELIVERED}:
        return f"All {now.total():,} came with their batches."
    rows = [
        [code(name), number(count), after.given.share(name), before.given.share(name), number(after.given.frauds[name])]
        for name, count in now.most_common()
    ]
    told = "`changed:` stands before a name where an earlier label of the payment said otherwise."
    return f"{table(['source', 'labels', 'share', 'share before', 'frauds'], rows)}\n\n{told}"


def batches(after: Side) -> str:
    """Return what came in each batch of the window and since, below what a person should look at."""
    if not after.sizes:
        return ""
    told = [f"**{sentence}.**" for sentence in uneven(after.sizes, code)[:SENTENCES]]
    rows = [[code(one.name), *map(number, (one.rows, one.quarantined, one.labelled))] for one in after.sizes]
    return "\n\n".join([*told, table(["batch", "rows", "in quarantine", "labelled"], rows)])


def data(before: Side, after: Side) -> str:
    """Return the md5s of batches, rows and model on both sides."""
    names = dict.fromkeys([*after.data, *before.data])
    rows = [[name, _md5(before, name), _md5(after, name), _same(before, after, name)] for name in names]
    return table(["md5", "before", "after", ""], rows)


def _md5(one: Side, name: str) -> str:
    return code(one.data[name]) if name in one.data else "-"


def _same(before: Side, after: Side, name: str) -> str:
    return "the same" if before.data.get(name) == after.data.get(name) else "changed"
