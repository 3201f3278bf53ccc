"""Say how far the loop is: to a person by lines, to a workflow by its file of outputs."""

import os
from collections.abc import Mapping
from pathlib import Path

STEPS = ("check", "collect", "fetch", "drift", "retrain", "gate", "push", "propose", "track")


def step(name: str, words: str = "") -> None:
    """Say which step begins; whoever is killed in it begins anew, and finds all that was done."""
    print(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name}{words and ': '}{words}", flush=True)


def outputs(values: Mapping[str, str]) -> None:
    """Write values where GitHub's next steps read them, and on stdout."""
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(lines)
    print(lines, end="", flush=True)
