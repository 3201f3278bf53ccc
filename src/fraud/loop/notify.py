"""Tell people by the services in NOTIFY_URLS, and a Pushgateway in numbers, what became of a run; never fail it."""

import json
import os
import re
import subprocess
import sys
from typing import Literal, get_args

from fraud.errors import Problem, run

Event = Literal["drift", "gate", "pull-request", "failed", "looked", "judged", "success"]
KINDS = {"drift": "warning", "gate": "warning", "pull-request": "info", "failed": "failure"}
QUIET = ("looked", "judged", "success")  # Of these only the gauges tell: a week without drift is no news.
PATIENCE = 15.0  # Seconds for all services together.
FORM = "make notify EVENT=failed TITLE='what happened' TEXT='in a few sentences'"
SEPARATOR = re.compile(r"\s+|,(?=\s*[A-Za-z][A-Za-z0-9+.-]*://)")  # A comma inside an address stays.


def notify(event: Event, title: str, text: str) -> None:
    """Send to every service; one that fails costs a line on stderr, which names its place in the list and no secret."""
    urls = [] if event in QUIET else addresses(os.environ.get("NOTIFY_URLS", ""))
    gateway = os.environ.get("PUSHGATEWAY", "") if event in (*QUIET, "failed") else ""
    names = [_named(place, url) for place, url in enumerate(urls, 1)] + (["PUSHGATEWAY"] if gateway else [])
    asked = {"urls": urls, "title": title, "text": text, "kind": KINDS.get(event, "info")}
    said = _sent(json.dumps(asked | {"gateway": gateway, "event": event})) if names else {}
    for place, name in enumerate(names):
        if trouble := said.get(place, f"was not told within {PATIENCE:g} s; check the address and the network"):
            print(f"notify: {name} {trouble}; the run goes on without it", file=sys.stderr)


class Once:
    """Notifications of a process that meets the same cause again and again: it is told when it comes or changes."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._told: dict[Event, tuple[str, str]] = {}

    def notify(self, event: Event, title: str, text: str) -> None:
        """Send what differs from the last message of its kind; gauges are set whenever they are."""
        if event in QUIET or self._told.get(event) != (title, text):
            notify(event, title, text)
            self._told[event] = title, text
        if event == "success":
            self.over("failed")

    def over(self, event: Event) -> None:
        """Forget a cause that has ended, so that it is told should it come back."""
        self._told.pop(event, None)


def addresses(text: str) -> list[str]:
    """Return addresses that stand between commas, spaces or line ends."""
    return [part for part in (part.strip(",") for part in SEPARATOR.split(text)) if part]


def _named(place: int, url: str) -> str:
    scheme, found, _ = url.partition("://")
    return f"address {place} of NOTIFY_URLS ({scheme.lower() if found else 'it has no scheme like slack://'})"


def _sent(asked: str) -> dict[int, str]:
    """Return what each job said in time; all else that the libraries print, secrets maybe among it, is dropped."""
    command = [sys.executable, "-m", "fraud.loop.notifying.messenger"]
    try:
        done = subprocess.run(command, input=asked.encode(), capture_output=True, check=False, timeout=PATIENCE)
        printed = done.stdout
    except subprocess.TimeoutExpired as late:
        printed = late.stdout or b""
    found = re.findall(r"^(\d+) (.*)\n", printed.decode(errors="replace"), flags=re.MULTILINE)
    return {int(place): said for place, said in found}


def main(*arguments: str) -> None:
    """Notify of EVENT=… with TITLE=… and TEXT=…."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    events = get_args(Event)
    if given.get("EVENT") not in events:
        raise Problem(f"EVENT={given.get('EVENT', '')}: expected one of {', '.join(events)}; {FORM}")
    if given["EVENT"] not in QUIET and not (given.get("TITLE") or given.get("TEXT")):
        raise Problem(f"TITLE, TEXT: found neither, expected what people are to be told; {FORM}")
    event: Event = given["EVENT"]  # type: ignore[assignment]  # one of them, as was just seen
    notify(event, given.get("TITLE") or f"fraud: {event}", given.get("TEXT", ""))


if __name__ == "__main__":
    run(main)
