"""Set the commit status `fraud/checks`: a pull request that a workflow's own token opened starts no checks."""

from typing import Any

from fraud.errors import Problem, nearest, run
from fraud.loop.git import resolved
from fraud.loop.proposing import github
from fraud.loop.proposing.github import Repository, ensured

CONTEXT = "fraud/checks"
STATES = ("success", "failure", "pending", "error")
LONGEST = 140  # Characters of a description.


def status(repository: Repository, commit: str, state: str, description: str) -> None:
    """Give a commit a status that links to the run of the workflow, unless it has that one."""
    wanted = {"state": state, "context": CONTEXT, "description": description[:LONGEST]}
    if address := github.run_address():
        wanted["target_url"] = address

    def find() -> dict[str, Any] | None:
        statuses = repository.ask("GET", f"commits/{commit}/statuses?per_page={github.PAGE}")
        newest: dict[str, Any] = next((one for one in statuses if one["context"] == CONTEXT), {})
        return newest if all(newest.get(name) == value for name, value in wanted.items()) else None

    ensured(find, lambda: repository.ask("POST", f"statuses/{commit}", wanted))


def main(*arguments: str) -> None:
    """Set the status that the arguments NAME=value ask for; SHA is a commit or a name of one, HEAD where left out."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    if (state := given.get("STATE", "nothing")) not in STATES:
        raise Problem(f"STATE: found {state}, expected {', '.join(STATES)}{nearest(state, STATES)}")
    commit = resolved(given.get("SHA", "HEAD"))
    status(github.here(), commit, state, given.get("DESCRIPTION", ""))
    print(f"{CONTEXT} of {commit[:9]} is {state}")


if __name__ == "__main__":
    run(main)
