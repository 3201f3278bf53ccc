"""AWS on loopback, by moto's server, and a template of ours as CloudFormation would read it."""

import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.session import Session  # type: ignore[import-untyped]  # It comes with dvc-s3.
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from examples import ROOT
from needed import needed
from repositories import BIN
from s3 import free_port

REGION, ACCOUNT = "eu-west-1", "123456789012"
NOTHING = object()  # What AWS::NoValue becomes, and takes away.


class Amazon:
    """An account; whoever asks may do all, until `guarded` lets policies decide."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return what sends botocore here, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "an-example",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        """Return a client, with the keys of a role where they are given."""
        found = keys or {"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "an-example", "SessionToken": ""}
        return Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"] or None,
        )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Let the policies of who asks decide, until the block ends."""
        self._auth("0")
        try:
            yield
        finally:
            self._auth("inf")

    def _auth(self, after: str) -> None:
        headers = {"Content-Type": "text/plain"}  # Of a form the server would take the body away.
        asked = urllib.request.Request(f"{self.endpoint}/moto-api/reset-auth", after.encode(), headers)  # noqa: S310  # our own address
        urllib.request.urlopen(asked, timeout=10).close()  # noqa: S310  # as above


@contextmanager
def amazon() -> Iterator[Amazon]:
    """Serve an empty account until the block ends."""
    program = needed(shutil.which("moto_server", path=f"{BIN}:{os.environ['PATH']}"), "moto_server")
    port = free_port()
    process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, "moto ended"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Amazon(port)
    finally:
        process.terminate()
        process.wait()


def template(name: str) -> dict[str, Any]:
    """Return a template with the short forms (!Ref, !Sub) written out."""
    reader = YAML(typ="safe", pure=True)
    reader.constructor.add_multi_constructor("!", _long)
    return reader.load((ROOT / "ops/aws" / name).read_text())


def _long(constructor: Any, suffix: str, node: Any) -> dict[str, Any]:
    kinds = {ScalarNode: "construct_scalar", SequenceNode: "construct_sequence", MappingNode: "construct_mapping"}
    build = getattr(constructor, kinds[type(node)])
    value = build(node) if isinstance(node, ScalarNode) else build(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def resolved(name: str, **given: str) -> dict[str, Any]:
    """Return the resources of a template as they are made with some parameters; `Name.Arn` stands for attributes."""
    whole = template(name)
    values = {key: str(one.get("Default", "")) for key, one in whole["Parameters"].items()} | given
    values |= {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
    reading = _Reading(values, whole.get("Conditions", {}))
    wanted = {key: one for key, one in whole["Resources"].items() if reading.holds(one.get("Condition"))}
    return {key: reading.read(one) for key, one in wanted.items()}


class _Reading:
    def __init__(self, values: Mapping[str, str], conditions: Mapping[str, Any]) -> None:
        self._values, self._conditions = values, conditions

    def holds(self, name: str | None) -> bool:
        return name is None or self.read(self._conditions[name])

    def read(self, node: Any) -> Any:
        if isinstance(node, dict) and len(node) == 1 and (made := self._made(*next(iter(node.items())))) is not None:
            return made
        if isinstance(node, dict):
            items = {key: self.read(one) for key, one in node.items()}
            return {key: one for key, one in items.items() if one is not NOTHING}
        if isinstance(node, list):
            return [one for one in map(self.read, node) if one is not NOTHING]
        return node

    def _made(self, function: str, value: Any) -> Any:
        makers: dict[str, Callable[[], Any]] = {
            "Ref": lambda: NOTHING if value == "AWS::NoValue" else self._values.get(value, value),
            "Fn::GetAtt": lambda: value,
            "Fn::Sub": lambda: re.sub(r"\$\{([^}!]+)\}", lambda found: self._values.get(found[1], found[1]), value),
            "Fn::If": lambda: self.read(value[1 if self.holds(value[0]) else 2]),
            "Fn::Equals": lambda: self.read(value[0]) == self.read(value[1]),
            "Fn::Not": lambda: not self.read(value[0]),
        }
        return makers[function]() if function in makers else None


def admits(statement: Mapping[str, Any], token: Mapping[str, str], issuer: str) -> bool:
    """Return whether a statement of a trust policy lets a token in; an operator unknown here fails the test."""
    (tests,) = [statement["Condition"][operator] for operator in statement["Condition"] if operator == "StringEquals"]
    assert len(statement["Condition"]) == 1
    assert statement["Principal"].keys() == {"Federated"}
    claims = {f"{issuer}:{claim}": value for claim, value in token.items()}
    wanted = {key: [value] if isinstance(value, str) else value for key, value in tests.items()}
    return all(claims.get(key) in values for key, values in wanted.items())


def listed(value: Any) -> list[Any]:
    """Return a list, as a policy may have one value without."""
    return value if isinstance(value, list) else [value]


def inside(folder: Path, monkeypatch: Any, aws: Amazon) -> None:
    """Be in a folder, and know that account and no other."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GITHUB_", "GH_"))]:
        monkeypatch.delenv(name)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
