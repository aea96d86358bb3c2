"""Plain text, Markdown and XML of no known kind."""

import re

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from core.errors import Invalid
from rag.parsing.encodings import declared_encoding, decode
from rag.parsing.extract import Extract, first_heading, plain, title_of
from rag.parsing.limits import Limits

_FRONT_MATTER = re.compile(r"\A---\n(.{0,20000}?\n)(?:---|\.\.\.)(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
_DATA_URL = re.compile(r"\]\(\s{0,9}<?data:[^)]*\)")
_MAX_ALT = 500

_ENTITIES = "Its XML declares entities, which are never expanded. Save it without them."


def read_text(data: bytes, _limits: Limits) -> Extract:
    """The file as it is."""
    text, notes = decode(data, declared_encoding(data))
    return Extract("text", text, None, (), notes)


def read_markdown(data: bytes, _limits: Limits) -> Extract:
    """The file as it is, without its front matter and without pictures that it carries inside."""
    text, notes = decode(data)
    front = _FRONT_MATTER.match(text)
    named = _FRONT_TITLE.search(front[1]) if front else None
    body = text[front.end() :] if front else text
    kept = _without_data(body)
    if kept != body:
        notes = (*notes, "pictures inside the file were left out")
    title = title_of(named[1]) if named else first_heading(kept)
    return Extract("markdown", kept, title, (), notes)


def _without_data(text: str) -> str:
    """Pictures whose bytes stand in the text leave their description."""
    kept: list[str] = []
    at = 0
    for found in _DATA_URL.finditer(text):
        start = text.rfind("[", max(at, found.start() - _MAX_ALT), found.start())
        if start >= 0:
            picture = start > at and text[start - 1] == "!"
            kept += [text[at : start - picture], text[start + 1 : found.start()]]
            at = found.end()
    return "".join([*kept, text[at:]])


def read_xml(data: bytes, _limits: Limits) -> Extract:
    """The text of every element on a line of its own."""
    lines: list[str] = []
    for element in xml_root(data).iter():
        own = element.text if isinstance(element.tag, str) else None
        lines += (" ".join(piece.split()) for piece in (own, element.tail) if piece)
    return Extract("xml", plain("\n".join(line for line in lines if line)))


def xml_root(data: bytes) -> etree._Element:
    """The root of XML in which nothing is fetched, declared or expanded."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        if b"<!ENTITY" in data:
            raise Invalid(_ENTITIES) from None
        raise Invalid("Its XML is damaged. Save it again with the program that made it.") from None
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise Invalid(_ENTITIES)
    return root
