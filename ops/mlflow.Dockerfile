# MLflow's server, from the same lock file as `make track`; ops/compose.yaml builds it, with requirements/ as its context.
# The base is that of ops/Dockerfile.
ARG BASE_IMAGE=python
FROM docker.io/library/python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS python

FROM ${BASE_IMAGE} AS packages
WORKDIR /build
COPY install.sh setup.txt track.txt requirements/
RUN python3 -m venv /opt/venv \
    && PYTHON=/opt/venv/bin/python requirements/install.sh requirements/track.txt \
    && /opt/venv/bin/python -m pip uninstall --quiet --yes uv setuptools pip \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} +

FROM ${BASE_IMAGE}
COPY --from=packages /opt/venv /opt/venv
# For a volume that starts as a copy of this folder.
RUN install -d -o 10001 -g 10001 -m 0700 /data
WORKDIR /data
LABEL org.opencontainers.image.title="fraud-mlflow" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is told to anybody outside, and no processes are started that nothing here uses.
ENV PATH=/opt/venv/bin:${PATH} \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
VOLUME ["/data", "/tmp"]
EXPOSE 5001
USER 10001:10001
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5001", "--workers", "1"]
