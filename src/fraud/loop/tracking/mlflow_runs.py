"""What is kept in MLflow: one finished run for each dvc.lock, one version for each model, and who is champion.

Nothing here relies on being alone: another machine may track the same lock at the same moment. What is made twice is
found after it is made, and all who look keep the same one.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fraud.errors import Problem
from fraud.loop.tracking.mlflow_place import Place
from fraud.loop.tracking.tracked import Metric

FINISHED, MODEL, MISSING = "FINISHED", "model", "model_missing"
CHAMPION, CHALLENGER = "champion", "challenger"
AT_ONCE = 100  # Parameters that MLflow takes in one call.


class Runs:
    """One experiment and one registered model."""

    def __init__(self, place: Place) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415  # 2 s

        self._client: Any = MlflowClient(place.uri, place.uri)
        self._name = place.model
        self._experiment = self._made(place.experiment)

    def _made(self, name: str) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # it is in .venv-mlflow only

        found = self._client.get_experiment_by_name(name)
        if found is None:
            with suppress(MlflowException):  # Another was quicker.
                return self._client.create_experiment(name)
            found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise Problem(f"MLFLOW_EXPER={name}: that experiment was deleted; restore it in MLflow, or name another")
        return found.experiment_id

    def finished(self, lock_md5: str) -> Any | None:
        """Return the run of a dvc.lock, once it is whole."""
        return next((run for run in self._of(lock_md5) if run.info.status == FINISHED), None)

    def _of(self, lock_md5: str) -> list[Any]:
        """Return all runs of a dvc.lock, in an order that never changes."""
        found = self._client.search_runs([self._experiment], f"tags.dvc_lock_md5 = '{lock_md5}'")
        return sorted(found, key=lambda run: run.info.run_id)

    def begin(self, name: str, tags: dict[str, str], seconds: int) -> str:
        """Return the id of a new run, which is not whole before `finish`."""
        made = self._client.create_run(self._experiment, start_time=seconds * 1000, tags=tags, run_name=name)
        return made.info.run_id

    def add(self, run_id: str, parameters: dict[str, str], metrics: Iterable[Metric], seconds: int) -> None:
        """Give a run its parameters and metrics."""
        from mlflow.entities import Metric as Point  # noqa: PLC0415  # it is in .venv-mlflow only
        from mlflow.entities import Param  # noqa: PLC0415  # the same

        points = [Point(one.name, float(one.value), seconds * 1000, one.step) for one in metrics]
        given = [Param(name, value) for name, value in parameters.items()]
        for start in range(0, max(len(points), len(given)), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            self._client.log_batch(run_id, metrics=points[part], params=given[part])

    def add_files(self, run_id: str, folder: Path, where: str | None = None) -> None:
        """Give a run all files of a folder."""
        self._client.log_artifacts(run_id, str(folder), where)

    def add_model(self, run_id: str, folder: Path) -> None:
        """Give a run its model, also one that was finished without."""
        self.add_files(run_id, folder, MODEL)
        if MISSING in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, MISSING)

    def lack_model(self, run_id: str, reason: str) -> None:
        """Let a run say why it has no model."""
        self._client.set_tag(run_id, MISSING, reason)

    def finish(self, run_id: str, lock_md5: str, seconds: int) -> None:
        """Declare a run whole, and remove all others of its dvc.lock: of two that are whole the first by id stays."""
        self._client.set_terminated(run_id, FINISHED, end_time=seconds * 1000)
        found = self._of(lock_md5)
        whole = [run.info.run_id for run in found if run.info.status == FINISHED]
        for run in found:
            if run.info.run_id != whole[0]:
                self._client.delete_run(run.info.run_id)

    def version(self, model_md5: str) -> str | None:
        """Return the version of a model; of two that were made at once the older one stays."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # it is in .venv-mlflow only

        found = self._client.search_model_versions(f"name = '{self._name}' and tags.model_md5 = '{model_md5}'")
        numbers = sorted(int(version.version) for version in found)
        for later in numbers[1:]:
            with suppress(MlflowException):  # Another was quicker.
                self._client.delete_model_version(self._name, str(later))
        return str(numbers[0]) if numbers else None

    def register(self, run: Any, model_md5: str) -> str:
        """Return the version of a run's model, which is made where there is none."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # it is in .venv-mlflow only

        if known := self.version(model_md5):
            return known
        if not self._client.search_registered_models(f"name = '{self._name}'"):
            with suppress(MlflowException):  # Another was quicker.
                self._client.create_registered_model(self._name)
        kept = ("model_md5", "training_md5", "dataset", "git_revision", "dvc_lock_md5")
        tags = {name: value for name, value in run.data.tags.items() if name in kept}
        source = f"{run.info.artifact_uri}/{MODEL}"
        made = self._client.create_model_version(self._name, source, run.info.run_id, tags)
        return self.version(model_md5) or made.version

    def aliases(self) -> dict[str, str]:
        """Return the version that each alias stands for."""
        found = self._client.search_registered_models(f"name = '{self._name}'")
        return {alias: str(version) for alias, version in found[0].aliases.items()} if found else {}

    def point(self, alias: str, version: str) -> None:
        """Let an alias stand for a version; a champion is no challenger any more."""
        if self.aliases().get(alias) != version:
            self._client.set_registered_model_alias(self._name, alias, version)
        if alias == CHAMPION and self.aliases().get(CHALLENGER) == version:
            self._client.delete_registered_model_alias(self._name, CHALLENGER)
