#!/bin/sh
# Resolve the groups of pyproject.toml into lock files: one set of versions for Python 3.11 to 3.14, and no index address.
set -eu
lock() {
    group=$1; shift
    touch "requirements/$group.txt"
    cp "requirements/$group.txt" "requirements/$group.lock" # Versions stay, unless UPGRADE is set; then a week (P7D) has to have looked at new ones.
    uv pip compile ${UPGRADE:+--upgrade --exclude-newer P7D} --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-emit-index-url --no-header --no-annotate --group "$group" "$@" -o "requirements/$group.lock" pyproject.toml
    python -c 'import sys, tomllib
groups = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]
print("# make lock wrote this from:", ", ".join(groups[sys.argv[1]]))' "$group" | cat - "requirements/$group.lock" >"requirements/$group.txt"
    rm "requirements/$group.lock"
}
lock setup
lock serve
lock pipeline -c requirements/serve.txt
lock loop -c requirements/serve.txt -c requirements/pipeline.txt
lock dev -c requirements/serve.txt -c requirements/pipeline.txt -c requirements/loop.txt
lock evidently
# What MLflow asks for, but neither logging, nor its pages, nor its client import: a third of it all.
for package in docker matplotlib pyarrow scikit-learn skops; do
    echo "$package; python_version < '3'"
done >requirements/left-out.lock
lock track -c requirements/pipeline.txt --overrides requirements/left-out.lock
rm requirements/left-out.lock
# All peers read the forest that the pipeline's scikit-learn fitted.
grep -oE '^(numpy|scikit-learn)==[^ ]+' requirements/pipeline.txt >requirements/forest.lock
for peer in demo fastapi mlflow mlserver bentoml; do
    lock "bench-$peer" -c requirements/forest.lock
done
rm requirements/forest.lock
