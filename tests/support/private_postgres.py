"""A PostgreSQL server of one's own: crashed, paused, and filled up to the last block."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.testing.deployment import free_port

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 16MB
min_wal_size = 32MB
max_wal_size = 64MB
"""
BLOCK = bytes(64 * 1024)


@dataclass
class Server:
    """A running server. `is_small`: its folder is a file system of its own, which can be filled."""

    folder: Path
    binaries: Path
    port: int
    is_small: bool

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._control("start", "-l", str(self.folder / "log"))

    def ensure_started(self) -> None:
        """Start it if it is down: without room for its log it gives up by itself."""
        if not self._is_running():
            self.start()

    def crash(self) -> None:
        """End all of it at once, with recovery at the next start."""
        self._control("stop", "-m", "immediate")

    def fill(self) -> None:
        """Leave no free block on its file system."""
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(BLOCK)
            except OSError:
                return

    def empty(self) -> None:
        self._ballast.unlink()

    def _is_running(self) -> bool:
        command = [str(self.binaries / "pg_ctl"), "-s", "-D", str(self.folder / "data"), "status"]
        return subprocess.run(_as_owner(command), stdout=subprocess.DEVNULL).returncode == 0

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def _control(self, *arguments: str) -> None:
        command = [str(self.binaries / "pg_ctl"), "-s", "-w", "-t", "60", "-D", str(self.folder / "data"), *arguments]
        subprocess.run(_as_owner(command), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def server(*, tmpfs_mib: int | None = None) -> Iterator[Server | None]:
    """
    A server with a superuser `postgres`; None where PostgreSQL is not installed.

    Args:
        tmpfs_mib: Keep its data on a file system of this size, where we may mount one.
    """
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        is_small = tmpfs_mib is not None and stack.enter_context(_mounted(folder, tmpfs_mib))
        if _is_root():
            shutil.chown(folder, "postgres")
        started = Server(folder, binaries, free_port(), is_small)
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(_as_owner(initdb), check=True, capture_output=True)
        with (folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION.format(port=started.port, folder=folder))
        started.start()
        stack.callback(_stop, started)
        yield started


@contextmanager
def _mounted(folder: Path, mib: int) -> Iterator[bool]:
    """A small file system in place of the folder; False where we may not mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _stop(started: Server) -> None:
    try:
        started.crash()
    except subprocess.CalledProcessError:
        return  # it is down already


def _binaries() -> Path | None:
    folders = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ.get("PATH", "")]
    found = shutil.which("initdb", path=os.pathsep.join(folders))
    return Path(found).parent if found else None


def _as_owner(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root, so root hands it to another user."""
    return ["runuser", "-u", "postgres", "--", *command] if _is_root() else command


def _is_root() -> bool:
    return os.geteuid() == 0
