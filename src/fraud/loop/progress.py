"""Say how far the loop is: to a person by lines, to a workflow by its file of outputs."""

import os
from pathlib import Path

STEPS = ("check", "collect", "fetch", "drift", "retrain", "gate", "push", "propose", "track")


def step(name: str, words: str = "") -> None:
    """Say which step begins; whoever is killed in it begins anew, and finds all that was done."""
    print(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name}{words and ': '}{words}", flush=True)


def output(**values: str) -> None:
    """Tell a workflow's later steps what came out."""
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
