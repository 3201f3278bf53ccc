"""Write the server's tokens, which SSM Parameter Store keeps, into a file for systemd that only root can read."""

import json
import os
import sys

import boto3  # On the machine it is Ubuntu's python3-boto3.

NAMES = ("API_TOKEN", "ADMIN_TOKEN")


def main(target: str) -> None:
    """Ask for each token by its name below PARAMETERS; without all of them nothing is written."""
    prefix = os.environ["PARAMETERS"]
    names = [f"{prefix}/{name}" for name in NAMES]
    answer = boto3.client("ssm").get_parameters(Names=names, WithDecryption=True)
    if missing := answer["InvalidParameters"]:
        sys.exit(
            f"SSM Parameter Store: found no {' and no '.join(missing)}; ops/aws/README.md says how to put it there"
        )
    values = {one["Name"].rpartition("/")[2]: one["Value"] for one in answer["Parameters"]}
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{name}={json.dumps(value)}\n" for name, value in sorted(values.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
