"""
Hosts services of the benchmark as a worker process does.

    python -m benchmarks.host ledger|tally ...
"""

import sys

import shared.messaging.patched  # noqa: F401  (before anything that opens a socket)
from benchmarks.pipeline import SERVICES, groups
from shared.messaging.process import run_workers
from shared.settings import Settings
from shared.telemetry.logs import configure_logs

if __name__ == "__main__":
    configure_logs(service="bench", level="ERROR")
    run_workers(Settings(), [SERVICES[name] for name in sys.argv[1:]], groups=groups())
