"""
The gateway's worker as ever, but that what a killed one had in hand is taken up again within seconds.

    python -m tests.support.gateway_worker
"""

if __name__ == "__main__":
    import shared.messaging.worker.patched  # noqa: F401  (before anything that opens a socket)

from services import worker_process
from services.gateway.webhooks import sending

LEASE_S = 3.0

if __name__ == "__main__":
    sending.LEASE_S = LEASE_S
    worker_process.main(["gateway"])
