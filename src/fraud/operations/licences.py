"""Say under which licence each locked package comes, and stop at one that ops/licences.yaml does not allow."""

from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

import msgspec
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

from fraud.errors import Problem
from fraud.operations.locks import Pin, pins
from fraud.yamlfile import read_yaml

RULES = Path("ops/licences.yaml")
PAGE = Path("docs/licences.md")
# Groups by the environment that has them installed; those of the benches are in no environment that lasts.
ENVIRONMENTS = {
    "serve": ".venv-serve",
    "pipeline": ".venv",
    "loop": ".venv",
    "track": ".venv-mlflow",
    "dev": ".venv",
    "setup": ".venv",
}
LONGEST = 60  # Characters of a name; more is the text of a licence.


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What a person looked up about a package."""

    licence: str
    why: str


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    """What ops/licences.yaml says."""

    allowed: dict[str, str]
    spelt: dict[str, str]
    packages: dict[str, Entry]


def rules() -> Rules:
    """Return the rules of this repository."""
    try:
        return msgspec.convert(read_yaml(RULES), Rules)
    except msgspec.ValidationError as error:
        raise Problem(f"{RULES}: {error}; mend it there") from None


def declared(metadata: PackageMetadata) -> str:
    """Return the licence that a package declares, as it is written there; nothing where it declares none."""
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    names = [line.rpartition(" :: ")[2] for line in classifiers]
    expression, field = (_field(metadata, name) for name in ("License-Expression", "License"))
    candidates = [expression, spdx(field), ", ".join(names), field]
    return next((one for one in candidates if one and len(one) <= LONGEST), "")


def _field(metadata: PackageMetadata, name: str) -> str:
    return next(iter(metadata.get_all(name) or []), "")


def spdx(text: str) -> str:
    """Return an SPDX expression in its usual spelling, or nothing where the text is none."""
    try:
        return str(canonicalize_license_expression(text)) if text.strip() else ""
    except InvalidLicenseExpression:
        return ""


def licence(name: str, said: str, known: Rules) -> str:
    """Return the licence of a package, if it may come in."""
    found = known.spelt.get(said, said)
    if entry := known.packages.get(name):
        if spdx(found) not in ("", entry.licence):
            raise Problem(
                f"{RULES}, packages, {name}: found {entry.licence}, but it declares {found}; look it up again"
            )
        return entry.licence
    if found in known.allowed:
        return found
    what = f"its licence is {found or 'not declared'}, which {RULES} does not allow"
    raise Problem(f"{name}: {what}; look it up and enter it there with the reason, or do without the package")


def installed(group: str) -> dict[str, Distribution]:
    """Return what is installed where a group is, by name."""
    folders = [str(path) for path in Path(ENVIRONMENTS[group]).glob("lib/*/site-packages")]
    if not folders:
        raise Problem(f"{ENVIRONMENTS[group]}: there is no such environment; run `make sbom`, which makes it")
    return {canonicalize_name(one.metadata["Name"]): one for one in distributions(path=folders)}


def licences(group: str, known: Rules) -> dict[Pin, str]:
    """Return the licence of each package of a group; one for another system has to be in ops/licences.yaml."""
    here = installed(group)
    return {
        pin: licence(pin.name, declared(here[pin.name].metadata) if pin.name in here else "", known)
        for pin in pins(group)
    }


def page(found: dict[str, dict[Pin, str]], known: Rules) -> str:
    """Return docs/licences.md: which package comes in under which licence, and why it may."""
    groups: dict[tuple[str, str], list[str]] = {}
    for group, members in found.items():
        for pin, one in members.items():
            groups.setdefault((pin.name, one), []).append(group)
    used = {one for (name, one) in groups if name not in known.packages}
    return "\n".join(
        [
            "# Licences of what is installed",
            "",
            "Made by `make sbom` from the metadata of the packages that the lock files name. What may come in says",
            "`ops/licences.yaml`; a licence that is not there stops it. Of these groups the image holds `serve` alone.",
            "",
            *_table("licence", "why it may come in", sorted((one, known.allowed[one]) for one in used)),
            "",
            *_table(
                "looked up, or allowed for this package alone",
                "licence, and why",
                sorted((name, f"{entry.licence}: {entry.why}") for name, entry in known.packages.items()),
            ),
            "",
            "| package | licence | groups |",
            "|---|---|---|",
            *(f"| {name} | {one} | {', '.join(members)} |" for (name, one), members in sorted(groups.items())),
            "",
        ]
    )


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> list[str]:
    return [f"| {left} | {right} |", "|---|---|", *(f"| {one} | {other} |" for one, other in rows)]
