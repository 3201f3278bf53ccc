#!/bin/sh
# Serve what main says: bring the newest commit, reload the model, and start anew only where code has changed.
set -eu
cd "$(dirname "$0")/../.."
before=$(git rev-parse HEAD)
git pull --quiet --ff-only
after=$(git rev-parse HEAD)
[ "$before" != "$after" ] || exit 0
if git diff --quiet "$before" "$after" -- serve src/fraud requirements ops/aws; then
    systemctl reload fraud-api
else
    make -s .venv-serve/ready
    systemctl restart fraud-api
fi
