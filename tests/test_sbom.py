"""The bill of materials and the licences of what is installed."""

import json
from email.message import Message
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import cast

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from examples import ROOT
from fraud.errors import Problem
from fraud.operations import sbom
from fraud.operations.licences import ENVIRONMENTS, PAGE, Entry, Rules, declared, licence, licences, page, rules
from fraud.operations.locks import Pin, pins

KNOWN = Rules({"MIT": "", "BSD License": ""}, {"MIT License": "MIT"}, {"ours": Entry("GPL-3.0-only", "a tool")})
PROJECT = {"name": "fraud", "version": "1", "license": "Apache-2.0"}
SCHEMA = JsonStrictValidator(SchemaVersion.V1_6)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def metadata(**fields: str) -> PackageMetadata:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return cast(PackageMetadata, message)


def test_every_licence_of_what_is_locked_is_allowed_and_listed() -> None:
    known = rules()
    found = {group: licences(group, known) for group in ENVIRONMENTS}
    assert PAGE.read_text() == page(found, known), "run `make sbom` and commit docs/licences.md"
    everybody = {pin.name: one for members in found.values() for pin, one in members.items()}
    assert known.packages.keys() <= everybody.keys(), "ops/licences.yaml names packages that are gone"
    used = {one for name, one in everybody.items() if name not in known.packages}
    assert known.allowed.keys() == used, "ops/licences.yaml allows what nothing comes under any more"


def test_each_bill_fits_cyclonedx_and_names_every_package_of_its_lock_file() -> None:
    for group in ENVIRONMENTS:
        made = sbom.bill(group, dict.fromkeys(pins(group), "MIT OR Apache-2.0"), PROJECT, b"lock")
        assert SCHEMA.validate_str(json.dumps(made)) is None, group
        lines = (ROOT / f"requirements/{group}.txt").read_text().splitlines()
        assert sum(line.startswith("    --hash=") for line in lines) == sum(
            len(c["hashes"]) for c in made["components"]
        )
        assert [one["name"] for one in made["components"]] == [
            line.partition("==")[0].partition("[")[0] for line in lines if line[:1].isalnum()
        ]


def test_a_component_has_version_hashes_address_licence_and_where_it_is_installed() -> None:
    pin = Pin("tzdata", "2026.6", "sys_platform == 'win32'", ("0" * 64,))
    made = sbom.bill("serve", {pin: "BSD License"}, PROJECT, b"lock")
    (component,) = made["components"]
    assert (component["purl"], component["version"]) == ("pkg:pypi/tzdata@2026.6", "2026.6")
    assert component["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    assert component["licenses"] == [{"license": {"name": "BSD License"}}]
    assert component["properties"] == [{"name": "fraud:marker", "value": "sys_platform == 'win32'"}]
    assert SCHEMA.validate_str(json.dumps(made)) is None
    del made["components"][0]["name"]
    assert SCHEMA.validate_str(json.dumps(made)) is not None


def test_the_command_writes_a_bill_for_each_group_twice_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sbom, "FOLDER", tmp_path / "sbom")
    monkeypatch.setattr(sbom, "PAGE", tmp_path / "licences.md")
    texts = []
    for _ in range(2):
        sbom.main()
        texts.append({path.name: path.read_bytes() for path in tmp_path.rglob("*.*")})
    assert texts[0] == texts[1]
    assert {f"{group}.cdx.json" for group in ENVIRONMENTS} | {"licences.md", "sbom"} >= texts[0].keys()
    for name, text in texts[0].items():
        assert name.endswith(".md") or SCHEMA.validate_str(text.decode()) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "MIT OR Apache-2.0", "License": "see below"}, "MIT OR Apache-2.0"),
        ({"License": "BSD-3-Clause", "Classifier": "License :: OSI Approved :: BSD License"}, "bsd-3-clause"),
        (
            {"License": "Apache 2", "Classifier": "License :: OSI Approved :: Apache Software License"},
            "apache software",
        ),
        ({"License": "Copyright (c) 2018 by somebody, who reserves all of his rights"}, ""),
        ({"License": "New BSD"}, "new bsd"),
        ({}, ""),
    ],
)
def test_a_licence_is_read_where_packages_declare_it(fields: dict[str, str], expected: str) -> None:
    assert declared(metadata(**fields)).lower().startswith(expected.lower())
    assert bool(declared(metadata(**fields))) == bool(expected)


def test_what_is_allowed_comes_in_and_what_is_looked_up_comes_in_for_its_package_alone() -> None:
    assert licence("any", "MIT License", KNOWN) == "MIT"
    assert licence("ours", "", KNOWN) == licence("ours", "GPLv3", KNOWN) == "GPL-3.0-only"


@pytest.mark.parametrize(
    ("name", "said", "why"),
    [
        ("any", "GPL-3.0-only", "its licence is GPL-3.0-only, which ops/licences.yaml does not allow"),
        ("any", "", "its licence is not declared"),
        ("any", "MIT AND GPL-2.0-only", "does not allow"),
        ("ours", "AGPL-3.0-only", "found GPL-3.0-only, but it declares AGPL-3.0-only"),
    ],
)
def test_a_licence_that_is_unknown_or_changed_stops_it(name: str, said: str, why: str) -> None:
    with pytest.raises(Problem, match=why):
        licence(name, said, KNOWN)


def test_a_package_without_a_hash_is_not_overlooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "requirements/setup.txt").read_text()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/setup.txt").write_text(text + "other==1.0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match="found 2 packages, 1 of them with hashes; run `make lock`"):
        pins("setup")
