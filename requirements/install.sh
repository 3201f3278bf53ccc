#!/bin/sh
# Install lock files into the environment of $PYTHON: by uv, or by pip where uv does not reach the package index.
set -u
try() { "$PYTHON" -m "$@" --quiet --require-hashes --no-deps; }
list=$(for file in "$@"; do printf -- '-r %s ' "$file"; done)
if try pip install --disable-pip-version-check -r requirements/setup.txt && try uv pip install --python "$PYTHON" $list; then exit 0; fi
echo "setup: uv could not install; trying pip, which knows your pip settings" >&2
try pip install --disable-pip-version-check $list && exit 0
echo "setup: cannot install $*: check the network, or the package index in your pip settings, and run make again" >&2
exit 1
