"""
Deliver at least once, apply once: outbox, relay, broker, consumer, inbox.

Here is what each event goes through, whatever carries it; `rabbitmq/` is the broker of a district, `worker/` the
process that hosts relay and consumer, `operations/` what people on duty do with events.
"""

import warnings

# Nameko stands on it, and both are given; a warning in every command's output helps nobody.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
