"""Let the registered model that HEAD pins be the champion, whatever branch we are on."""

from fraud.errors import Problem, run
from fraud.loop.repro import alone
from fraud.loop.track import BUSY, say, track, version
from fraud.loop.tracking.mlflow_place import in_its_environment, place, reached
from fraud.loop.tracking.mlflow_runs import CHAMPION, MISSING, Runs
from fraud.loop.tracking.revisions import head


def main() -> None:
    """Track HEAD if it is not, register its model if it is not, and move the alias."""
    where, revision = place(), head()
    in_its_environment("fraud.loop.promote")
    with alone(BUSY), reached(where):
        runs = Runs(where)
        found = track(revision, runs, where)
        number = version(found, runs)
        if number is None:
            raise Problem(f"{found.data.tags[MISSING]}; `make push` where it is, then `make promote` again")
        runs.point(CHAMPION, number)
        say(revision, found, number)
        print(f"{where.model} version {number} is {CHAMPION}")


if __name__ == "__main__":
    run(main)
