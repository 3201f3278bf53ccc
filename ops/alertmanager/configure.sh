#!/bin/sh
# Print alertmanager.yml with a receiver for each setting that is there: ALERT_WEBHOOK, SLACK_WEBHOOK, ALERT_EMAIL.
# Alertmanager itself reads no environment. ops/README.md lists the settings.
set -eu
folder=$(dirname "$0")

quoted() { # As YAML quotes it; of a text with an end of line the first line counts.
    printf '%s\n' "$1" | sed "s/'/''/g; s/^/'/; s/\$/'/; q"
}

cat "$folder/alertmanager.yml"
runbooks=$(quoted "{{ range .Alerts }}{{ .Annotations.summary }}: {{ .Annotations.description }} ${RUNBOOKS:-}{{ .Annotations.runbook_url }} {{ end }}")

if [ -n "${ALERT_WEBHOOK:-}" ]; then
    cat <<YAML
    webhook_configs:
      - url: $(quoted "$ALERT_WEBHOOK")
YAML
fi
if [ -n "${SLACK_WEBHOOK:-}" ]; then
    cat <<YAML
    slack_configs:
      - api_url: $(quoted "$SLACK_WEBHOOK")
        send_resolved: true
        text: $runbooks
YAML
fi
if [ -n "${ALERT_EMAIL:-}" ]; then
    : "${ALERT_EMAIL_FROM:?set it, as ALERT_EMAIL is set}" "${SMTP_HOST:?set it to host:port, as ALERT_EMAIL is set}"
    cat <<YAML
    email_configs:
      - to: $(quoted "$ALERT_EMAIL")
        from: $(quoted "$ALERT_EMAIL_FROM")
        smarthost: $(quoted "$SMTP_HOST")
        auth_username: $(quoted "${SMTP_USER:-}")
        auth_password: $(quoted "${SMTP_PASSWORD:-}")
        send_resolved: true
        html: ''
        text: $runbooks
YAML
fi
