"""The manifest of a OneRoster package: its version, and which files it holds in which mode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from services.roster.imports.csv_table import Columns, read_table
from services.roster.imports.findings import Findings
from services.roster.imports.oneroster_files import Version, files_of
from services.roster.imports.package import Package
from services.roster.imports.records import Mode

MANIFEST = "manifest.csv"
_COLUMNS = Columns(
    ("propertyName", "value"),
    required=frozenset({"propertyName"}),
    used=frozenset({"propertyName", "value"}),
    extensions=None,
)
_SDS_ONLY = {"relationships.csv", "userFlags.csv"}


@dataclass(frozen=True)
class Manifest:
    """`modes` holds the files to read, by name without `.csv`, and the name each has in the package."""

    version: Version
    modes: Mapping[str, Mode]
    file_names: Mapping[str, str]
    system: str | None = None


def read_manifest(package: Package, findings: Findings) -> Manifest | None:
    """
    What the package says it is. Microsoft SDS 2.1 has no manifest and is recognised by its files.

    Returns:
        The manifest; None if it is too broken to go on, with the reason among the findings.
    """
    name = _find(package, MANIFEST, findings)
    if name is None:
        if _SDS_ONLY & set(package.names()):
            return _sds_manifest(package, findings)
        findings.error(
            MANIFEST, None, "", "missing", "a manifest.csv with a row for every file (without one: Microsoft SDS 2.1)"
        )
        return None
    properties = _properties(package, name, findings)
    version = _version(properties, findings)
    if version is None:
        return None
    return _checked(package, version, properties, findings)


def _properties(package: Package, name: str, findings: Findings) -> dict[str, tuple[str, int]]:
    properties: dict[str, tuple[str, int]] = {}
    with package.open(name) as stream:
        for row in read_table(MANIFEST, stream, _COLUMNS, findings):
            if row["propertyName"] in properties:
                first = properties[row["propertyName"]][1]
                findings.error(
                    MANIFEST,
                    row.line,
                    "propertyName",
                    row["propertyName"],
                    f"each property once; first on line {first}",
                )
            else:
                properties[row["propertyName"]] = (row["value"], row.line)
    return properties


def _version(properties: Mapping[str, tuple[str, int]], findings: Findings) -> Version | None:
    for name, allowed in (("manifest.version", ("1.0",)), ("oneroster.version", ("1.1", "1.2"))):
        value, line = properties.get(name, ("", None))
        if value not in allowed:
            findings.error(MANIFEST, line, name, value or "missing", " or ".join(allowed))
    version = properties.get("oneroster.version", ("", None))[0]
    return cast(Version, version) if version in ("1.1", "1.2") else None


def _checked(
    package: Package, version: Version, properties: Mapping[str, tuple[str, int]], findings: Findings
) -> Manifest:
    kinds = files_of(version)
    known = {f"file.{name}" for name in kinds} | {"manifest.version", "oneroster.version"}
    known |= {"source.systemName", "source.systemCode"}
    for name, (_, line) in properties.items():
        if name not in known:
            findings.error(MANIFEST, line, "propertyName", name, f"a property of OneRoster {version}")
    modes: dict[str, Mode] = {}
    file_names: dict[str, str] = {}
    for name, kind in kinds.items():
        found = _find(package, kind.file, findings)
        mode = _mode(name, found, properties, kind.is_read, findings)
        if mode is not None and found is not None:
            modes[name], file_names[name] = mode, found
    listed = {kind.file.lower() for kind in kinds.values()} | {MANIFEST}
    for extra in package.names():
        if extra.lower() not in listed:
            findings.warning(extra, None, "", extra, f"a file of OneRoster {version}; this one is left out")
    return Manifest(version, modes, file_names, _system(properties, findings))


def _mode(
    name: str, found: str | None, properties: Mapping[str, tuple[str, int]], is_read: bool, findings: Findings
) -> Mode | None:
    column = f"file.{name}"
    if column not in properties:
        findings.error(MANIFEST, None, column, "missing", f"a row {column} with absent, bulk or delta")
        return None
    value, line = properties[column]
    if value in ("bulk", "delta"):
        if found is None:
            findings.error(MANIFEST, line, column, value, f"{name}.csv in the package, or absent here")
        return cast(Literal["bulk", "delta"], value)
    if value == "absent":
        if found is not None:
            findings.error(MANIFEST, line, column, value, f"bulk or delta, or no {found} in the package")
    elif value == "" and not (is_read and found):
        findings.warning(MANIFEST, line, column, value, "absent, bulk or delta; taken as absent")
    else:
        findings.error(MANIFEST, line, column, value, "absent, bulk or delta")
    return None


def _system(properties: Mapping[str, tuple[str, int]], findings: Findings) -> str | None:
    for name in ("source.systemCode", "source.systemName"):
        value, line = properties.get(name, ("", None))
        if value == "absent":
            findings.warning(MANIFEST, line, name, value, "the name of the sending system; taken as unnamed")
        elif value:
            return value
    return None


def _find(package: Package, wanted: str, findings: Findings) -> str | None:
    """The package's own spelling of a file name, which should be exact but is not always."""
    if wanted in package.names():
        return wanted
    found = [name for name in package.names() if name.lower() == wanted.lower()]
    if len(found) == 1:
        findings.warning(found[0], None, "", found[0], f"the exact name {wanted}; read as that")
        return found[0]
    if found:
        findings.error(found[0], None, "", ", ".join(found), f"one file named {wanted}")
    return None


def _sds_manifest(package: Package, findings: Findings) -> Manifest:
    findings.warning(MANIFEST, None, "", "missing", "a manifest.csv; read as Microsoft SDS 2.1, every file complete")
    kinds = files_of("sds")
    for extra in package.names():
        if extra not in {kind.file for kind in kinds.values()}:
            findings.warning(extra, None, "", extra, "a file of Microsoft SDS 2.1; this one is left out")
    for needed in ("orgs", "users", "roles"):
        if f"{needed}.csv" not in package.names():
            findings.error(f"{needed}.csv", None, "", "missing", f"a file {needed}.csv")
    present: dict[str, str] = {name: kind.file for name, kind in kinds.items() if kind.file in package.names()}
    return Manifest("sds", dict.fromkeys(present, "bulk"), present, "microsoft-sds")
