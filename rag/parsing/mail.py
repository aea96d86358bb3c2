"""E-mail: who wrote to whom about what, and the words; what is attached is named, not read."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from rag.parsing.extract import Extract, counted, one_line, plain, title_of
from rag.parsing.html import html_root, strip
from rag.parsing.limits import Limits
from rag.parsing.markup import Markup

_HEADERS = ("Subject", "From", "To", "Cc", "Date")


def read_mail(data: bytes, _limits: Limits) -> Extract:
    """The plain text of a message; its HTML where it has no other."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    head = [f"{name}: {one_line(value)}" for name in _HEADERS if (value := _header(message, name))]
    body = message.get_body(("plain", "html"))
    words = _content(body) if body is not None else ""
    if body is not None and body.get_content_subtype() == "html" and words.strip():
        words = Markup().text(strip(html_root(words)))
    attached = [part.get_filename() or "one without a name" for part in message.iter_attachments()]
    names = ", ".join(one_line(plain(name))[:100] for name in attached[:10])
    what = counted(len(attached), "attachment was", "attachments were")
    notes = (f"{what} not read: {names}",) if attached else ()
    text = plain("\n".join(head) + "\n\n" + words).strip()
    return Extract("email", text, title_of(_header(message, "Subject")), (), notes)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (ValueError, IndexError, AttributeError, LookupError):  # the parser of headers is strict
        return ""


def _content(part: Any) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError, AttributeError):  # of a character set that nobody knows
        payload = part.get_payload(decode=True) or b""
        return payload.decode("utf-8", "replace")
