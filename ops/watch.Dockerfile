# All that `make watch` needs to retrain and propose: git, gh, the pipeline, and MLflow's client in an environment of its own.
# ops/compose.yaml builds it, with requirements/ as its context. The code comes from the repository that it watches.
ARG BASE_IMAGE=python
FROM docker.io/library/python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS python

FROM ${BASE_IMAGE} AS packages
WORKDIR /build
COPY install.sh setup.txt serve.txt pipeline.txt loop.txt track.txt requirements/
RUN python3 -m venv /opt/venv \
    && PYTHON=/opt/venv/bin/python requirements/install.sh requirements/serve.txt requirements/pipeline.txt requirements/loop.txt \
    && python3 -m venv /opt/venv-mlflow \
    && PYTHON=/opt/venv-mlflow/bin/python requirements/install.sh requirements/track.txt \
    && for one in /opt/venv /opt/venv-mlflow; do "$one/bin/python" -m pip uninstall --quiet --yes uv pip; done \
    && find /opt/venv /opt/venv-mlflow -type d -name tests -prune -exec rm -rf {} +

FROM ${BASE_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update -q && apt-get install -qy --no-install-recommends ca-certificates gh git && rm -rf /var/lib/apt/lists/*
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /opt/venv-mlflow /opt/venv-mlflow
# DVC wants a name for its user. The folder is for a volume that starts as a copy of it.
RUN useradd --no-log-init --no-create-home --uid 10001 --home-dir /loop watch && install -d -o 10001 -g 10001 -m 0700 /loop
WORKDIR /loop
LABEL org.opencontainers.image.title="fraud-watch" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:${PATH} \
    HOME=/loop \
    DVC_SITE_CACHE_DIR=/loop/.dvc-site \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=src
VOLUME ["/loop", "/tmp"]
USER 10001:10001
CMD ["/bin/sh", "/watch.sh"]
