#!/bin/sh
# Serve what main says: bring the newest commit, reload the model, and start anew only where code has changed.
# The commit that is served stands in .git/served, so what fails is tried again a minute later.
set -eu
cd "$(dirname "$0")/../.."
git pull --quiet --ff-only
now=$(git rev-parse HEAD)
served=$(cat .git/served 2>/dev/null || true)
[ "$served" != "$now" ] || exit 0

same() { # Whether these files are as they were in the commit that is served.
    [ -n "$served" ] && git diff --quiet "$served" "$now" -- "$@"
}

answers() { # Whether the server answers with the pinned model: a reload says only that it was asked for.
    md5=$(grep -A 2 'path: models/model.onnx$' dvc.lock | sed -n 's/^ *md5: //p' | head -n 1)
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if .venv-serve/bin/python -m serve.healthy | grep -q "\"model\": *\"$md5\""; then return; fi
        sleep 3
    done
    echo "the server does not serve $md5, which main pins; \`journalctl -u fraud-api\` says why" >&2
    return 1
}

if ! same ops/aws; then
    install -m 644 ops/aws/*.service ops/aws/*.timer /etc/systemd/system/
    systemctl daemon-reload
fi
if ! same ops/aws/Caddyfile; then
    install -m 644 ops/aws/Caddyfile /etc/caddy/Caddyfile
    systemctl restart caddy
fi
if same serve src/fraud requirements ops/aws; then
    systemctl reload-or-restart fraud-api
    answers
else
    make -s .venv-serve/ready
    systemctl restart fraud-api
fi
echo "$now" >.git/served
