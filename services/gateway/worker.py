"""The gateway's worker: hears of everything, and writes it down for journeys."""

from services.gateway.feed.handlers import give_positions
from services.gateway.integrators import consumers as integrators
from services.gateway.journeys import consumers, handlers
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import consumers as webhooks
from services.gateway.webhooks.deliveries import forget_old
from services.gateway.webhooks.sending import DeliverDue
from shared.events.contract import contracts
from shared.messaging.hosting import EventService, every, reaction
from shared.messaging.periodic import Periodic

_deliver = DeliverDue()


class GatewayService(EventService):
    """Logs every event of every service; a new contract is logged from the day it is declared."""

    name = "gateway"
    settings_class = GatewaySettings

    log_every_event = tuple(reaction(contract, consumers.on_any_event) for contract in contracts().values())
    queue_webhooks = tuple(reaction(contract, webhooks.on_any_event) for contract in contracts().values())
    disclose_to_integrators = tuple(reaction(contract, integrators.on_any_event) for contract in contracts().values())
    deliver_webhooks = every(1.0, _deliver, finish=_deliver.finish)
    forget_old_webhooks = Periodic(3600.0, forget_old, after_batches=False)
    give_positions = every(1.0, give_positions)
    forget_old_journeys = Periodic(3600.0, handlers.forget_old_journeys, after_batches=False)
