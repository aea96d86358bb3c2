"""HTML: the main content of a page, scripts and what surrounds the content left out."""

import re

from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]

from core.errors import Invalid
from rag.parsing.encodings import declared_encoding, decode
from rag.parsing.extract import Extract, counted, first_heading, plain, title_of
from rag.parsing.limits import Limits
from rag.parsing.markup import Markup

_DROPPED_TAGS = """
script style noscript template iframe object embed applet canvas audio video map nav dialog button
select input textarea link meta base head
"""
_DROPPED = tuple(_DROPPED_TAGS.split())
_FURNITURE = re.compile(
    r"(?:^|\s)(?:no-?print|navbox\S*|navbar|nav-?menu|breadcrumbs?|mw-editsection|mw-jump-link"
    r"|vector-(?:dropdown|menu|header|toc|page-toolbar)\S*|hash-link|header-?link|anchor-?link"
    r"|skip-(?:link|to-content)|sr-only|visually-hidden|screen-reader-text|cookie-?(?:banner|notice"
    r"|consent)|share-?(?:buttons|links)|social-?(?:share|links)|interlanguage-link)(?:\s|$)",
    re.IGNORECASE,
)
"""Classes that well-known site generators give to what surrounds the text."""
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_ROLES = {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alert"}
_MAIN_SHARE = 0.3
"""What of the body's text a <main> or a single <article> must hold to stand for the page."""
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def read_html(data: bytes, _limits: Limits) -> Extract:
    """The page as Markdown."""
    text, notes = decode(data, declared_encoding(data))
    root = html_root(text)
    found = root.find(".//title")
    title = title_of(found.text_content()) if found is not None else None
    for aside in root.xpath("//body/header|//body/footer|//body/aside|//body/*/footer"):
        aside.drop_tree()
    markup = Markup()
    body = markup.text(main_content(strip(root)))
    if not body.strip():
        raise Invalid("The page has no text without its scripts. Save it from a browser as PDF.")
    return Extract("html", body, title or first_heading(body), (), (*notes, *pictures(markup)))


def pictures(markup: Markup) -> tuple[str, ...]:
    """The note about what was left out of the text."""
    count = markup.pictures
    return (f"{counted(count, 'picture was', 'pictures were')} left out",) if count else ()


def html_root(text: str) -> html.HtmlElement:
    """The tree of a page, however broken; raises Invalid when there is none."""
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(_DECLARATION.sub("", text), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise Invalid("The page holds no HTML. Give a file with text in it.") from None
    return root


def strip(root: html.HtmlElement) -> html.HtmlElement:
    """The tree without what a reader of the page does not read."""
    for element in list(root.iter(*_DROPPED)):
        if element.getparent() is not None:
            element.drop_tree()
    for element in root.xpath("//*[@hidden or @style or @role or @class]"):
        hidden = element.get("hidden") is not None or _HIDDEN.search(element.get("style", ""))
        around = element.get("role") in _ROLES or _FURNITURE.search(element.get("class", ""))
        if (hidden or around) and element.getparent() is not None and element.tag != "body":
            element.drop_tree()
    return root


def main_content(root: html.HtmlElement) -> html.HtmlElement:
    """The element that holds what the page is about; the whole when none can be told."""
    body = root.find("body")
    whole = body if body is not None else root
    total = len(plain(whole.text_content()).split()) or 1
    for path in ("//main|//*[@role='main']", "//article"):
        found = root.xpath(path)
        if len(found) == 1 and len(found[0].text_content().split()) >= _MAIN_SHARE * total:
            return found[0]
    return whole
