"""`make bench`: every figure, one after the other. Bounded, on this machine alone."""

import signal
import sys
import traceback

from benchmarks import engine, system


def main() -> int:
    """0 if all was measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    quick = "--quick" in sys.argv[1:]
    failed = engine.main(["--quick"] if quick else [])
    if quick:
        return failed
    try:
        system.main()
    except Exception:
        traceback.print_exc()
        failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
