"""Addresses of alerts that are refused when they are entered; each call checks them again."""

from sqlmodel import Session

from connectors.access import is_allowed
from connectors.address import RefusedAddress, refusal
from connectors.webhook_address import parse_webhook
from serving.settings import Operations


def refuse_addresses(session: Session, operations: Operations) -> None:
    """Raise RefusedAddress for a webhook that is malformed or in a network that is not allowed."""
    for alert in operations.alerts:
        server = parse_webhook(alert.url).server
        allowed = is_allowed(session, server.url)
        why = server.ip and refusal(server.host, server.port, server.ip, local_allowed=allowed)
        if why or (server.host == "localhost" and not allowed):
            raise RefusedAddress(
                why
                or "The address leads to this machine, which is not allowed. Use a public one, or "
                "ask the administrator.",
                param="alerts",
            )
