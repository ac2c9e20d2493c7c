"""The files of one import: a zip or a folder, opened without trusting it."""

import io
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast

from services.roster.imports.findings import Findings

MOST_FILES = 200
MOST_COMPRESSION = 200  # CSV and XML of real rosters compress 5 to 30 times
SMALL_ENTRY = 1_048_576
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")


class Package(Protocol):
    """Named files, all at the top level."""

    name: str

    def names(self) -> list[str]: ...

    def size(self, name: str) -> int: ...

    def open(self, name: str) -> BinaryIO: ...


P = TypeVar("P", bound=Package)


class FolderPackage:
    """The regular files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
        self.ignored = sorted(path.name for path in folder.iterdir() if not path.is_file())

    def names(self) -> list[str]:
        return list(self._files)

    def size(self, name: str) -> int:
        return self._files[name].stat().st_size

    def open(self, name: str) -> BinaryIO:
        return self._files[name].open("rb")


class SingleFile:
    """One file that is a package by itself."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path

    def names(self) -> list[str]:
        return [self.name]

    def size(self, name: str) -> int:
        return self._path.stat().st_size

    def open(self, name: str) -> BinaryIO:
        return self._path.open("rb")


class ZipPackage:
    """
    The entries of a zip that were found safe.

    No entry is ever written to a path, and zipfile reads no more of an entry than the size the
    directory declares, so the check of declared sizes bounds what is unpacked.
    """

    def __init__(self, name: str, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
        self.name = name
        self._archive = archive
        self._entries = {entry.filename: entry for entry in entries}

    def names(self) -> list[str]:
        return sorted(self._entries)

    def size(self, name: str) -> int:
        return self._entries[name].file_size

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._archive.open(self._entries[name]))


@contextmanager
def open_package(path: Path, *, max_bytes: int, findings: Findings) -> Iterator[Package]:
    """
    Open a folder, a zip, or a single file as a package.

    Raises:
        ImportRefused: It is missing, not a zip, or a zip that is not safe to read.
    """
    if path.is_dir():
        yield _checked_folder(FolderPackage(path), max_bytes, findings)
    elif not path.is_file():
        findings.error(path.name, None, "", str(path), "a zip file or a folder that exists")
        findings.refuse_if_wrong()
    elif path.suffix.lower() in (".csv", ".xml"):
        yield _of_bearable_size(SingleFile(path), max_bytes, findings)
    else:
        with path.open("rb") as stream, open_zip(path.name, stream, max_bytes=max_bytes, findings=findings) as package:
            yield package


@contextmanager
def open_zip(name: str, stream: BinaryIO, *, max_bytes: int, findings: Findings) -> Iterator[Package]:
    """
    Open a zip from a stream.

    Raises:
        ImportRefused: It is not a zip, or one that is not safe to read.
    """
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError):
        findings.error(name, None, "", name, "a zip file; this is not one or is cut off")
        findings.refuse_if_wrong()
        raise AssertionError("refused above") from None
    with archive:
        entries = _safe_entries(name, archive, max_bytes, findings)
        findings.refuse_if_wrong()
        yield ZipPackage(name, archive, entries)


def digest_of(package: Package) -> str:
    """SHA-256 over names and contents; the same for a folder and any zip of it."""
    whole = sha256()
    for name in sorted(package.names()):
        content = sha256()
        with package.open(name) as stream:
            while chunk := stream.read(1 << 20):
                content.update(chunk)
        whole.update(f"{name}\x00{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def packed(package: Package) -> bytes:
    """The package as one zip, to be kept until a person has decided about it."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in package.names():
            with package.open(name) as stream, archive.open(name, "w") as entry:
                while chunk := stream.read(1 << 20):
                    entry.write(chunk)
    return kept.getvalue()


def _checked_folder(package: FolderPackage, max_bytes: int, findings: Findings) -> FolderPackage:
    for name in package.ignored:
        findings.warning(name, None, "", name, "files at the top level only; this is left out")
    return _of_bearable_size(package, max_bytes, findings)


def _of_bearable_size(package: P, max_bytes: int, findings: Findings) -> P:
    total = sum(package.size(name) for name in package.names())
    if total > max_bytes:
        findings.error(package.name, None, "", f"{total} bytes", f"at most {max_bytes} bytes in all")
    findings.refuse_if_wrong()
    return package


def _safe_entries(name: str, archive: zipfile.ZipFile, max_bytes: int, findings: Findings) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in archive.infolist() if not _is_junk(entry.filename)]
    if len(entries) > MOST_FILES:
        findings.error(name, None, "", f"{len(entries)} entries", f"at most {MOST_FILES} entries")
        return []
    total = sum(entry.file_size for entry in entries)
    if total > max_bytes:
        findings.error(name, None, "", f"{total} bytes unpacked", f"at most {max_bytes} bytes unpacked")
    seen: set[str] = set()
    for entry in entries:
        _check_entry(entry, seen, findings)
        seen.add(entry.filename)
    return [entry for entry in entries if not entry.is_dir()]


def _check_entry(entry: zipfile.ZipInfo, seen: set[str], findings: Findings) -> None:
    shown = entry.orig_filename
    if "/" in shown or "\\" in shown or ".." in shown or "\x00" in shown or ":" in shown:
        findings.error(shown, None, "", shown, "all files at the top level of the zip, no folders and no paths")
    if entry.filename in seen:
        findings.error(shown, None, "", shown, "each file once")
    if entry.flag_bits & 0x1:
        findings.error(shown, None, "", "encrypted", "a zip without a password")
    if stat.S_ISLNK(entry.external_attr >> 16):
        findings.error(shown, None, "", "symbolic link", "a regular file")
    if entry.file_size > max(SMALL_ENTRY, entry.compress_size * MOST_COMPRESSION):
        times = entry.file_size // max(entry.compress_size, 1)
        findings.error(shown, None, "", f"compressed {times} times", f"at most {MOST_COMPRESSION} times")


def _is_junk(name: str) -> bool:
    return any(name.startswith(junk) or name.endswith(junk) for junk in _JUNK)
