"""Send messages and gauges in a process of its own, as apprise's threads would hold a run as long as a server likes.

It reads one JSON object on stdin, so that no address is among the arguments, and writes a line when a job is done.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from fraud.loop.notifying import gauges


def send(url: str, title: str, text: str, kind: str) -> str:
    """Send a message to one service, and return what went wrong in words that hold no secret."""
    from apprise import Apprise, AppriseAsset, NotifyType  # noqa: PLC0415  # a second, for those who ask for it

    service = Apprise(asset=AppriseAsset(async_mode=False))
    if not service.add(url):
        return "is no address that apprise knows; mend it"
    sent = service.notify(body=text or title, title=title, notify_type=NotifyType(kind))
    return "" if sent else "did not take the message; check the address, its token and the network"


def work(place: int, job: Callable[[], str]) -> None:
    """Do one job, and write its place and what it says."""
    try:
        said = job()
    except Exception as error:  # Of any library, and its message may hold the address.
        said = f"ended with {type(error).__name__}; check the address"
    sys.stdout.write(f"{place} {said}\n")
    sys.stdout.flush()


def main(asked: dict[str, Any]) -> None:
    """Send to all services and to the Pushgateway at the same time."""
    message = asked["title"], asked["text"], asked["kind"]
    jobs: list[Callable[[], str]] = [partial(send, url, *message) for url in asked["urls"]]
    if asked["gateway"]:
        jobs.append(lambda: gauges.push(asked["gateway"], asked["event"]))
    threads = [threading.Thread(target=work, args=item) for item in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)  # Nobody waits for what the libraries still hold.


if __name__ == "__main__":
    main(json.load(sys.stdin))
