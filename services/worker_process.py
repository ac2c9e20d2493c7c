"""`python -m services.worker_process SERVICE...`: the worker of one or several services, in an eventlet process."""

import shared.messaging.worker.patched  # isort: skip  # noqa: F401  (before anything that opens a socket)

import sys

from services.composition import SERVICES, consumer_groups, worker_class
from shared.messaging.rabbitmq.topology import TopologyMissing
from shared.messaging.worker.process import GroupsMissing, run_workers
from shared.settings import Settings
from shared.telemetry.logs import configure_logs
from shared.telemetry.traces import configure_traces


def main(services: list[str]) -> None:
    settings = Settings()
    name = f"{services[0]}-worker" if len(services) == 1 else "worker"
    configure_logs(service=name, level=settings.log_level)
    configure_traces(settings, service=name)
    try:
        run_workers(settings, [worker_class(service) for service in services], groups=consumer_groups())
    except (GroupsMissing, TopologyMissing) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:] or list(SERVICES))
