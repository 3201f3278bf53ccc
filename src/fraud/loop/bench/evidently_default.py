"""Say what Evidently makes of pairs of samples by its defaults; runs in an environment of its own.

Takes files of two arrays, `reference` and `current`, with one column a feature and the last one a category. Prints a
line a file: the seconds it took, whether any column drifted, and whether its own verdict on all columns is drift.
"""

import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from evidently import Report  # type: ignore[import-not-found]  # it is in .venv-evidently only
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]  # the same


def frame(values: Any) -> pd.DataFrame:
    """Return the columns, the last one in words."""
    columns = pd.DataFrame(values, columns=[f"v{place}" for place in range(values.shape[1])])
    last = columns.columns[-1]
    return columns.assign(**{last: columns[last].map("c{:g}".format)})


for path in sys.argv[1:]:
    arrays = np.load(path)
    reference, current = frame(arrays["reference"]), frame(arrays["current"])
    start = time.perf_counter()
    report = Report([DataDriftPreset()]).run(current, reference).dict()
    seconds = time.perf_counter() - start
    drifted = report["metrics"][0]["value"]
    print(seconds, drifted["count"] > 0, drifted["share"] >= 0.5, flush=True)
