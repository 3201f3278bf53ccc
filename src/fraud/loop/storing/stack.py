"""What a CloudFormation stack says of itself, asked by botocore, which comes with dvc-s3."""

import os
from contextlib import AbstractContextManager
from typing import Any

from botocore.config import Config  # type: ignore[import-untyped]  # It comes with dvc-s3.
from botocore.exceptions import (  # type: ignore[import-untyped]  # as above
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NoAnswer
from botocore.session import Session  # type: ignore[import-untyped]  # as above

from fraud.loop.storing import s3
from fraud.loop.storing.s3 import code

KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
REMEDIES = {
    NoCredentialsError: f"found no credentials; {KEYS}",
    PartialCredentialsError: f"found a part of the credentials only; {KEYS}",
    NoRegionError: "found no region; say where, like REGION=eu-west-1",
    NoAnswer: "nobody answers there; check the network, REGION and AWS_ENDPOINT_URL",
}
PATIENT = Config(connect_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})


def client(service: str, region: str) -> Any:
    """Return a client of a service; where no region is given, the environment or the profile names it."""
    named = region or os.environ.get("AWS_REGION") or None  # botocore itself reads AWS_DEFAULT_REGION only.
    with explained("AWS"):
        return Session().create_client(service, region_name=named, config=PATIENT)


def explained(where: object) -> AbstractContextManager[None]:
    """Turn what AWS or the way there says into one sentence for a person."""
    return s3.explained(where, REMEDIES)


def described(formation: Any, name: str) -> dict[str, Any] | None:
    """Return what there is of a stack, by its name or its ARN; None where there is none."""
    with explained(place(formation, name)):
        try:
            return formation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise


def place(formation: Any, name: str) -> str:
    """Return which stack is meant, for a message."""
    return f"stack '{name}' in {formation.meta.region_name}"


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack by name; one that is not complete has none."""
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
