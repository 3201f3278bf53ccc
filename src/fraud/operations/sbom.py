"""Write a software bill of materials for each group of packages (CycloneDX), and the list of their licences."""

import hashlib
import tomllib
import uuid
from pathlib import Path
from typing import Any

from fraud.errors import run
from fraud.operations.licences import ENVIRONMENTS, PAGE, licences, page, rules, spdx
from fraud.operations.locks import Pin, path
from fraud.outputs import whole, write_json

Json = dict[str, Any]
FOLDER = Path("sbom")


def bill(group: str, found: dict[Pin, str], project: Json, lock: bytes) -> Json:
    """Return the bill of a group; the same lock file and the same licences give the same bill."""
    root = {
        "type": "application",
        "bom-ref": project["name"],
        "name": project["name"],
        "version": project["version"],
        "licenses": _licences(project["license"]),
    }
    components = [_component(pin, licence) for pin, licence in found.items()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(lock).hexdigest())}",
        "version": 1,
        "metadata": {"component": root, "properties": [{"name": "fraud:group", "value": group}]},
        "components": components,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(pin: Pin, licence: str) -> Json:
    purl = f"pkg:pypi/{pin.name}@{pin.version}"
    made: Json = {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": one} for one in pin.hashes],  # One of each file that pip may take.
        "licenses": _licences(licence),
    }
    if pin.marker:
        made["properties"] = [{"name": "fraud:marker", "value": pin.marker}]
    return made


def _licences(licence: str) -> list[Json]:
    if not spdx(licence):
        return [{"license": {"name": licence}}]
    return [{"expression": licence} if " " in licence else {"license": {"id": licence}}]


def main() -> None:
    """Write sbom/<group>.cdx.json for each group, and docs/licences.md; nothing where a licence is not allowed."""
    known = rules()
    found = {group: licences(group, known) for group in ENVIRONMENTS}
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for group, members in found.items():
        target = FOLDER / f"{group}.cdx.json"
        write_json(target, bill(group, members, project, path(group).read_bytes()))
        print(f"{target}: {len(members)} packages")
    with whole(PAGE) as draft:
        draft.write_text(page(found, known), encoding="utf-8")
    print(f"{PAGE}: under which licence each comes, and why it may")


if __name__ == "__main__":
    run(main)
