"""The processes that are measured: started, told what to do, held back, let go, and what they used of the processor."""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import psutil

READY_S = 60
LONGEST_S = 180
STOP_S = 25


class ClientFailed(Exception):
    """A process of the benchmark ended or did not answer."""


class Client:
    """One process, in a context: at the end it is stopped, whatever happened."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.set_blocking(self._process.stderr.fileno(), False)  # type: ignore[union-attr]

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process = self._process
        self.go_on()
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def expect(self, answer: str, *, within_s: float = READY_S) -> None:
        """
        Wait for the process to say `answer`.

        Raises:
            ClientFailed: It ended, or did not in time; with the last line of what it wrote to stderr.
        """
        output = self._process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while selector.select(within_s):
                line = output.readline()
                if not line:
                    raise ClientFailed(f"{self.name} ended: {self._last_words()}")
                if line.strip() == answer:
                    return
        raise ClientFailed(f"{self.name} was not {answer} within {within_s:.0f} s: {self._last_words()}")

    def tell(self, command: str) -> None:
        self.begin(command)
        self.expect("done", within_s=LONGEST_S)

    def begin(self, command: str) -> None:
        """Tell, and do not wait."""
        try:
            print(command, file=self._process.stdin, flush=True)
        except OSError:
            raise ClientFailed(f"{self.name} ended: {self._last_words()}") from None

    def hold(self) -> None:
        """Stop the process where it is; what is queued for it waits."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """
        Raises:
            ClientFailed: The process has ended.
        """
        if self._process.poll() is not None:
            raise ClientFailed(f"{self.name} ended: {self._last_words()}")

    def cpu_s(self) -> float:
        """Processor time that it and its children used so far, in seconds."""
        try:
            root = psutil.Process(self._process.pid)
            times = [each.cpu_times() for each in [root, *root.children(recursive=True)]]
        except psutil.NoSuchProcess:
            return 0.0
        return sum(each.user + each.system for each in times)

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        lines = ((self._process.stderr.read() or "") if self._process.stderr else "").strip().splitlines()
        return lines[-1] if lines else "without a word"
