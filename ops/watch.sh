#!/bin/sh
# In the container `watch`: clone the repository once, bring it up to date at each start, and look for new weeks.
set -eu
: "${WATCH_REPOSITORY:?set it in .env: https://github.com/<owner>/<name>.git, the fork that is to be retrained}"
: "${GH_TOKEN:?set it in .env: a token with contents, pull requests and commit statuses: write}"
[ -d repository/.git ] || git clone -q -c credential.helper='!gh auth git-credential' "$WATCH_REPOSITORY" repository
cd repository
git pull -q --ff-only
git config user.name "fraud watch"
git config user.email "watch@localhost"
ln -sfn /opt/venv-mlflow .venv-mlflow
# What this machine calls 127.0.0.1:8333 is the service s3 in here.
dvc config --list | sed -n 's#^remote\.\(.*\)\.endpointurl=http://\(127\.0\.0\.1\|localhost\):8333$#\1#p' |
    while read -r name; do dvc remote modify --local "$name" endpointurl http://s3:8333; done
exec python -m fraud.loop.watch "EVERY=$EVERY"
