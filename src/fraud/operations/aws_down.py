"""Delete the bucket on AWS with all that is in it, and the stack that made it, once a person has typed its name."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # It comes with dvc-s3.

from fraud.errors import Problem, run
from fraud.loop.storing.s3 import code
from fraud.loop.storing.stack import client, explained, outputs, place
from fraud.operations.aws_stack import NAME, failure, parameters, settled
from fraud.operations.given import given

FORM = "make aws-down [STACK=fraud] [REGION=eu-west-1] [YES=1]"
Version = dict[str, str]
LONGEST = 1000  # Versions that S3 lists and deletes at a time.


class Page(NamedTuple):
    """Some versions of objects, in the words in which S3 is asked to delete them, and what they weigh."""

    versions: list[Version]
    weights: dict[str, list[int]]  # By the first part of the name.
    older: int  # Of the versions, those that were written over or deleted, and the marks of a deletion.


def pages(store: Any, bucket: str) -> Iterator[Page]:
    """Return all versions in a bucket; none where it is gone."""
    try:
        listing = store.get_paginator("list_object_versions")
        for page in listing.paginate(Bucket=bucket, PaginationConfig={"PageSize": LONGEST}):
            there, marks = page.get("Versions", []), page.get("DeleteMarkers", [])
            weights: dict[str, list[int]] = {}
            for one in there:
                weights.setdefault(one["Key"].partition("/")[0], []).append(one["Size"])
            found = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in [*there, *marks]]
            yield Page(found, weights, len(marks) + sum(not one["IsLatest"] for one in there))
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise


def shown(store: Any, bucket: str) -> list[str]:
    """Return what is in a bucket, a line for each first part of a name."""
    counts, weights, older = Counter[str](), Counter[str](), 0
    for page in pages(store, bucket):
        older += page.older
        for name, sizes in page.weights.items():
            counts[name] += len(sizes)
            weights[name] += sum(sizes)
    lines = [f"  {name}: {counts[name]} files, {weights[name] / 1e6:.1f} MB" for name in sorted(counts)]
    return (
        [*lines, f"  of all these, older versions and marks of deletion: {older}"] if counts or older else ["  nothing"]
    )


def confirm(bucket: str) -> None:
    """Go on only when the bucket's name is typed."""
    try:
        typed = input(f"type {bucket} to delete it with all that is in it, for good: ").strip()
    except EOFError:
        raise Problem("nobody answered, so nothing was deleted; YES=1 asks nobody") from None
    if typed != bucket:
        raise Problem(f"found '{typed}', expected '{bucket}'; nothing was deleted")


def empty(store: Any, bucket: str) -> None:
    """Delete each version of each object, and then the bucket; run again it goes on where it stopped."""
    while (page := next(pages(store, bucket), None)) and page.versions:
        answer = store.delete_objects(Bucket=bucket, Delete={"Objects": page.versions, "Quiet": True})
        for error in answer.get("Errors", ()):
            raise Problem(f"{bucket}: {error['Key']}: {error['Message']}; mend that, then run it again")
    try:
        store.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if code(error) == "BucketNotEmpty":
            raise Problem(f"{bucket}: somebody wrote into it meanwhile; stop them, then run it again") from None
        if code(error) != "NoSuchBucket":
            raise


def remove(formation: Any, stack: dict[str, Any]) -> None:
    """Delete the stack, which leaves its bucket alone, and wait until it is gone."""
    where = place(formation, stack["StackName"])
    with explained(where):
        formation.delete_stack(StackName=stack["StackId"])
    after = settled(formation, stack["StackId"])
    if after and after["StackStatus"] != "DELETE_COMPLETE":
        raise Problem(f"{where}: {failure(formation, stack['StackId'])}; mend that, then run it again")


def main(*arguments: str) -> None:
    """Do what `make aws-down` asks for."""
    asked = {"STACK": NAME} | given(arguments, FORM)
    formation = client("cloudformation", asked.get("REGION", ""))
    where = place(formation, asked["STACK"])
    stack = settled(formation, asked["STACK"])
    if stack is None:
        raise Problem(f"{where}: there is none; mend STACK and REGION, if it should be there")
    parameters(stack)
    bucket = outputs(stack).get("Bucket", "")
    if bucket:
        store = client("s3", formation.meta.region_name)
        with explained(bucket):
            print(f"{where} goes, and its bucket {bucket} with", *shown(store, bucket), sep="\n")
            if asked.get("YES", "0") == "0":
                confirm(bucket)
            empty(store, bucket)
    remove(formation, stack)
    print(f"{where}: gone" + (f", and so is {bucket}" if bucket else ""))
    print("back to a folder on this machine: `dvc remote default local`; in GitHub remove the variable AWS_ROLE")


if __name__ == "__main__":
    run(main)
