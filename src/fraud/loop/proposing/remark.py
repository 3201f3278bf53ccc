"""The loop's own comments on a pull request: each kind begins with a marker that nobody sees, and is there once."""

from typing import Any

from fraud.loop.proposing.github import Repository, ensured

SUPERSEDED, DIFFERENCE = "<!-- fraud-superseded -->", "<!-- fraud-difference -->"
MAY_WRITE = ("OWNER", "MEMBER", "COLLABORATOR")


def find(repository: Repository, number: int, marker: str) -> dict[str, Any] | None:
    """Return the comment of a kind; one by somebody who may not write here only looks like it."""
    comments = repository.listed(f"issues/{number}/comments")
    return next((one for one in comments if str(one["body"]).startswith(marker) and _trusted(one)), None)


def _trusted(comment: dict[str, Any]) -> bool:
    return comment["user"]["type"] == "Bot" or comment["author_association"] in MAY_WRITE


def ensure(repository: Repository, number: int, marker: str, text: str) -> dict[str, Any]:
    """Return the comment of a kind, written now where there was none."""
    return ensured(
        lambda: find(repository, number, marker),
        lambda: repository.ask("POST", f"issues/{number}/comments", {"body": f"{marker}\n{text}"}),
    )


def replace(repository: Repository, comment: dict[str, Any], text: str) -> bool:
    """Let a comment say something else below its marker; return whether it did not say so already."""
    marker, _, said = str(comment["body"]).replace("\r\n", "\n").partition("\n")
    if said.strip() == text.strip():
        return False
    repository.ask("PATCH", f"issues/comments/{comment['id']}", {"body": f"{marker}\n{text}"})
    return True
