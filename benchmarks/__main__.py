"""`make bench`: every figure, one after the other. Bounded, on this machine alone."""

import signal
import sys

from benchmarks import engine, system


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    engine.main()
    system.main()


if __name__ == "__main__":
    main()
