"""Zips and folders, opened without trusting them."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from services.roster.imports.findings import Finding, Findings, ImportRefused
from services.roster.imports.package import digest_of, open_package, packed

MAX_BYTES = 10_000_000


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def names(path: Path) -> list[str]:
    with open_package(path, max_bytes=MAX_BYTES, findings=Findings()) as package:
        return package.names()


def refusal(path: Path, *, max_bytes: int = MAX_BYTES) -> list[Finding]:
    findings = Findings()
    with pytest.raises(ImportRefused), open_package(path, max_bytes=max_bytes, findings=findings):
        pass
    return findings.listed()


class TestOpenPackage:
    def test_reads_a_folder_and_a_zip_of_it_alike(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "users.csv").write_bytes(b"a,b\r\n")
        archive = zipped(tmp_path / "package.zip", {"users.csv": b"a,b\r\n"})

        with (
            open_package(folder, max_bytes=MAX_BYTES, findings=Findings()) as one,
            open_package(archive, max_bytes=MAX_BYTES, findings=Findings()) as other,
        ):
            assert one.names() == other.names() == ["users.csv"]
            assert digest_of(one) == digest_of(other)
            assert zipfile.ZipFile(io.BytesIO(packed(one))).read("users.csv") == b"a,b\r\n"

    @pytest.mark.parametrize(
        "name", ["../users.csv", "/etc/users.csv", "folder/users.csv", "..\\users.csv", "C:users.csv"]
    )
    def test_refuses_entries_with_a_path(self, tmp_path: Path, name: str) -> None:
        (finding,) = refusal(zipped(tmp_path / "package.zip", {name: b"x"}))

        assert finding.expected == "all files at the top level of the zip, no folders and no paths"

    def test_leaves_out_what_a_mac_adds(self, tmp_path: Path) -> None:
        path = zipped(tmp_path / "package.zip", {"__MACOSX/._users.csv": b"x", ".DS_Store": b"x", "users.csv": b"x"})

        assert names(path) == ["users.csv"]

    def test_refuses_a_bomb_by_its_ratio(self, tmp_path: Path) -> None:
        (finding,) = refusal(zipped(tmp_path / "bomb.zip", {"users.csv": b"0" * 3_000_000}))

        assert "times" in finding.expected

    def test_refuses_more_than_the_set_size(self, tmp_path: Path) -> None:
        (finding,) = refusal(zipped(tmp_path / "package.zip", {"users.csv": b"01234567890"}), max_bytes=10)

        assert finding.expected == "at most 10 bytes unpacked"

    def test_refuses_a_folder_larger_than_the_set_size(self, tmp_path: Path) -> None:
        (tmp_path / "users.csv").write_bytes(b"01234567890")

        (finding,) = refusal(tmp_path, max_bytes=10)

        assert finding.expected == "at most 10 bytes in all"

    def test_refuses_the_same_name_twice(self, tmp_path: Path) -> None:
        path = tmp_path / "package.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("users.csv", b"one")
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr("users.csv", b"two")

        (finding,) = refusal(path)

        assert finding.expected == "each file once"

    def test_refuses_a_symbolic_link(self, tmp_path: Path) -> None:
        path = tmp_path / "package.zip"
        with zipfile.ZipFile(path, "w") as archive:
            link = zipfile.ZipInfo("users.csv")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")

        (finding,) = refusal(path)

        assert finding.expected == "a regular file"

    def test_refuses_what_is_no_zip(self, tmp_path: Path) -> None:
        path = tmp_path / "package.zip"
        path.write_bytes(b"PK\x03\x04 cut off")

        (finding,) = refusal(path)

        assert "a zip file" in finding.expected

    def test_refuses_what_is_not_there(self, tmp_path: Path) -> None:
        (finding,) = refusal(tmp_path / "nothing.zip")

        assert finding.expected == "a zip file or a folder that exists"

    def test_refuses_too_many_entries(self, tmp_path: Path) -> None:
        (finding,) = refusal(zipped(tmp_path / "many.zip", {f"{number}.csv": b"" for number in range(201)}))

        assert finding.expected == "at most 200 entries"
