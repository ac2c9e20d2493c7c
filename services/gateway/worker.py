"""The gateway's worker: hears of everything, and writes it down for journeys."""

from services.gateway.journeys import consumers
from shared.events.contract import contracts
from shared.messaging.hosting import EventService, reaction
from shared.messaging.reactions import Reactions, combine


class GatewayService(EventService):
    """Logs every event of every service; a new contract is logged from the day it is declared."""

    name = "gateway"

    @classmethod
    def reactions(cls) -> Reactions:
        logging = [reaction(contract, consumers.on_any_event) for contract in contracts().values()]
        return combine([*super().reactions().values(), *logging])
