"""The same commit gives the same bytes: other threads, other processor paths, every model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples import ROOT
from fraud.loop.twice import differences, variants

MODEL_FILES = """
import hashlib
from examples import COST, MIXED, NUMBERS, labelled, params
from test_train import MODELS, file_of
from fraud.stages.train import train
for schema in (NUMBERS, MIXED):
    rows = labelled(schema, rows=3000, fraud_share=0.05)
    for model in MODELS:
        section = params(model=model)
        content = file_of(train(rows, schema, section, COST), rows, schema, section)
        print(schema.name, model, hashlib.sha256(content).hexdigest())
"""


def model_files(environment: dict[str, str]) -> list[str]:
    path = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
    command = [sys.executable, "-W", "ignore", "-c", MODEL_FILES]
    done = subprocess.run(command, env=os.environ | path | environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def ordinary() -> list[str]:
    return model_files({})


@pytest.mark.parametrize("name", variants())
def test_every_model_has_the_same_bytes_on_another_processor_path(name: str, ordinary: list[str]) -> None:
    assert len(set(ordinary)) == 8
    assert model_files(variants()[name]) == ordinary


def test_the_variants_switch_off_what_this_processor_has_more_than_the_oldest(tmp_path: Path) -> None:
    code = (
        "from numpy._core import _multiarray_umath as m; print(any(m.__cpu_features__[n] for n in m.__cpu_dispatch__))"
    )
    oldest = next(environment for name, environment in variants().items() if "oldest" in name)
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | oldest, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False"


def test_what_differs_is_named_by_stage_and_output() -> None:
    ours = {"stages": {"split": {"outs": [{"path": "a", "md5": "1" * 32}]}, "drift": {"outs": []}}}
    theirs = {"stages": {"split": {"outs": [{"path": "a", "md5": "2" * 32}]}, "drift": {"outs": []}}}
    assert differences(ours, theirs) == ["split: a is 222222222, was 111111111"]
    assert differences(ours, ours) == []
