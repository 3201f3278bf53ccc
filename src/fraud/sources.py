"""Who gave the labels of the training window, as the reports of ingest and split count them."""

from collections import Counter
from typing import Any, NamedTuple


class Given(NamedTuple):
    """How many labels each source gave, and how many of them said fraud."""

    labels: Counter[str]
    frauds: Counter[str]

    def share(self, name: str) -> str:
        """Return a source's share of the labels, or a dash where it gave none."""
        return f"{self.labels[name] / self.labels.total():.1%}" if self.labels[name] else "-"


def of_window(ingested: dict[str, Any], split: dict[str, Any]) -> Given:
    """Return what each source gave to the batches that a model is trained and tested on."""
    found = Given(Counter(), Counter())
    for batch in dict.fromkeys([*split["train"]["batches"], *split["test"]["batches"]]):
        for source, given in ingested["batches"].get(batch, {}).get("sources", {}).items():
            found.labels[source] += given["labels"]
            found.frauds[source] += given["frauds"]
    return found
