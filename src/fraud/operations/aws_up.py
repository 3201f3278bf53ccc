"""Make or change the bucket on AWS, and the role by which this repository's main branch reaches it without a key."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # It comes with dvc-s3.

from fraud.errors import Problem, run
from fraud.loop.proposing import gh, github
from fraud.loop.storing.s3 import code
from fraud.loop.storing.stack import client, explained, outputs, place
from fraud.operations.aws_stack import NAME, failure, parameters, settled
from fraud.operations.given import given

FORM = "make aws-up [STACK=fraud] [REGION=eu-west-1] [REPOSITORY=owner/name] [KMS_KEY=arn]"
TEMPLATE = Path("ops/aws/template.yaml")
ISSUER = "token.actions.githubusercontent.com"
PART = r"[A-Za-z0-9_.-]+"
NUMBERED = re.compile(rf"({PART})@\d+/({PART})@\d+")
PLAIN = re.compile(f"{PART}/{PART}")
HOW = "sign gh in and run it again, or REPOSITORY=owner@number/name@number"
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
UNMENDABLE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")


class Names(NamedTuple):
    """A repository as GitHub's tokens name it: of old by its name, since July 2026 with numbers."""

    plain: str
    numbered: str


def names(text: str) -> Names:
    """Return both names of a repository, of which GitHub knows the numbers unless they are given."""
    if found := NUMBERED.fullmatch(text):
        return Names(f"{found[1]}/{found[2]}", text)
    if text and not PLAIN.fullmatch(text):
        raise Problem(f"REPOSITORY={text}: expected owner/name, or owner@number/name@number")
    repository = github.here() if not text else github.Repository("github.com", text)
    try:
        gh.check(repository.host)
        found = repository.ask("GET", "")
        owner, name = str(found["full_name"]).split("/")
        return Names(found["full_name"], f"{owner}@{found['owner']['id']}/{name}@{found['id']}")
    except Problem as problem:
        print(f"GitHub was not asked for its numbers ({problem})")
        return Names(repository.name, "")


def provider(region: str) -> str:
    """Return the ARN of the account's identity provider for GitHub, or nothing where the stack has to make it."""
    with explained("AWS"):
        found = client("iam", region).list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((one["Arn"] for one in found if one["Arn"].endswith(f"/{ISSUER}")), "")


def wanted(before: dict[str, str] | None, named: Names, asked: dict[str, str]) -> dict[str, str]:
    """Return the parameters of the stack: those it has, but for what was asked for."""
    kept = {"Provider": provider(asked.get("REGION", ""))} if before is None else before
    same = kept.get("Repository") == named.plain
    numbered = named.numbered or (kept.get("Numbered", "") if same else "")
    key = {"KmsKey": asked["KMS_KEY"]} if "KMS_KEY" in asked else {}
    return kept | {"Repository": named.plain, "Numbered": numbered} | key


def deploy(formation: Any, name: str, before: dict[str, Any] | None, values: dict[str, str]) -> str:
    """Begin to make or change the stack, and return its ARN; nothing where it is so already."""
    words = {
        "StackName": name,
        "TemplateBody": TEMPLATE.read_text(),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    with explained(place(formation, name)):
        if before is None:
            return formation.create_stack(**words, OnFailure="DELETE")["StackId"]
        try:
            return formation.update_stack(**words)["StackId"]
        except ClientError as error:
            if code(error) == "ValidationError" and "No updates" in str(error):
                return ""
            raise


def main(*arguments: str) -> None:
    """Do what `make aws-up` asks for, wait, and say what comes next."""
    asked = {"STACK": NAME} | given(arguments, FORM)
    name = asked["STACK"]
    formation = client("cloudformation", asked.get("REGION", ""))
    where = place(formation, name)
    before = settled(formation, name)
    if before and before["StackStatus"] in UNMENDABLE:
        raise Problem(
            f"{where}: is {before['StackStatus']} and takes no change; `make aws-down STACK={name}`, then again"
        )
    values = wanted(parameters(before) if before else None, names(asked.get("REPOSITORY", "")), asked)
    changed = deploy(formation, name, before, values)
    after = settled(formation, changed or name)
    if after is None or (changed and after["StackStatus"] not in DONE):
        left = "all is as it was" if before else "nothing stays but an empty bucket, if it came that far"
        raise Problem(f"{where}: {failure(formation, changed or name)}; {left}; mend that, then run it again")
    print(*told(name, outputs(after), values), sep="\n")


def told(name: str, made: dict[str, str], values: dict[str, str]) -> list[str]:
    """Return what was made, and what to do with it."""
    trusted = [f"repo:{one}:ref:refs/heads/main" for one in (values["Repository"], values["Numbered"]) if one]
    region = made["Region"]
    return [
        *(f"{key}: {value}" for key, value in made.items()),
        f"the role trusts: {' and '.join(trusted)}",
        *([] if values["Numbered"] else [f"a repository made or renamed since 15 July 2026 has numbers there; {HOW}"]),
        f"next: `make remote STACK={name} REGION={region}`, then `make push`",
        f"and in the repository's settings, Actions, variables: AWS_ROLE={made['Role']} AWS_REGION={region}",
    ]


if __name__ == "__main__":
    run(main)
