"""Roll the windows over all batches: how the model would have done, live all along, under each policy of retraining."""

import tempfile
from pathlib import Path
from typing import Any

from fraud.errors import Problem, run
from fraud.loop.files import REPORTS, SIMULATED
from fraud.loop.pages.prequential_picture import picture
from fraud.loop.rolling.folds import history
from fraud.loop.rolling.policies import POLICIES, rows, summary, walk
from fraud.outputs import whole, write_csv, write_json
from fraud.params import FILE
from fraud.params_file import Value
from fraud.yamlfile import read_yaml

TARGET = Path(REPORTS, "prequential")
DEFAULTS = {"FROM": "11", "WEEKS": "16"}
HEAD = """| policy | retrainings | average precision | recall | precision | saved per 1,000 | saved in all |
|---|---|---|---|---|---|---|"""


def asked(arguments: tuple[str, ...]) -> dict[str, Value]:
    """Return the changes to params.yaml that DRIFT=, FROM= and WEEKS= ask for; without DRIFT there are none."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    if not given:
        return {}
    if "DRIFT" not in given:
        raise Problem(f"{next(iter(given))} goes with DRIFT, like `make prequential DRIFT=new_fraud FROM=11 WEEKS=16`")
    numbers = {name: given.get(name, default) for name, default in DEFAULTS.items()}
    for name, text in numbers.items():
        if not (text.isdecimal() and int(text)):
            raise Problem(f"{name}={text}: expected a whole number above 0, like {name}={DEFAULTS[name]}")
    simulated = {"simulate.drift": given["DRIFT"], "batches": SIMULATED}
    return {**simulated, "simulate.drift_from": int(numbers["FROM"]), "simulate.weeks": int(numbers["WEEKS"])}


def title(changes: dict[str, Value]) -> str:
    """Return what the picture shows: which data, and the drift in it where one was simulated."""
    drift = f", {changes['simulate.drift']} from week {changes['simulate.drift_from']} on" if changes else ""
    return f"What retraining is worth: {read_yaml(FILE)['dataset']}{drift}"


def line(policy: str, found: dict[str, Any]) -> str:
    """Return a policy's row of the table: mean and standard deviation over the weeks."""
    names = {"average_precision": 2, "recall": 2, "precision": 2, "saved_per_1000": 0}
    cells = [_cell(found[name], digits) for name, digits in names.items()]
    saved = "-" if found["total_saved"] is None else f"{found['total_saved']:,.0f}"
    return f"| {policy.replace('_', ' ')} | {found['retrainings']} | {' | '.join(cells)} | {saved} |"


def _cell(spread: dict[str, Any], digits: int) -> str:
    mean, deviation = ("-" if one is None else f"{one:.{digits}f}" for one in list(spread.values())[:2])
    return f"{mean} ± {deviation}"


def main(*arguments: str) -> None:
    """Write the table of weeks, what came of each policy and the picture; print a line a policy."""
    changes = asked(arguments)
    with tempfile.TemporaryDirectory() as folder:
        known = history(Path(folder) / "base", changes)
    steps = {name: walk(known, policy) for name, policy in POLICIES.items()}
    found = {name: summary(walked) for name, walked in steps.items()}
    write_csv(TARGET / "weeks.csv", rows(steps))
    write_json(TARGET / "policies.json", found)
    with whole(TARGET / "weeks.svg") as draft:
        draft.write_text(picture(steps, title(changes)), encoding="utf-8")
    print("\n".join([HEAD, *(line(name, one) for name, one in found.items())]))


if __name__ == "__main__":
    run(main)
