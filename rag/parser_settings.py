"""How documents are read: one frozen class a parser, told apart by `kind`."""

import importlib.util
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from core.errors import Unavailable

INSTALL = "pip install '.[docling]'"


class _Parser(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Builtin(_Parser):
    """Our readers, one a format."""

    kind: Literal["builtin"] = "builtin"


class Docling(_Parser):
    """docling for DOCX, PPTX and HTML; our readers for all else.

    PDF is not among them: what docling makes of one without the models that see its layout has no
    headings, no tables and no order of reading.
    """

    kind: Literal["docling"] = "docling"


ParserSettings = Annotated[Builtin | Docling, Field(discriminator="kind")]
BUILTIN = Builtin()
PARSER_SETTINGS: TypeAdapter[Builtin | Docling] = TypeAdapter(ParserSettings)


def has_docling() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("docling") is not None


def read_parser(kept: Mapping[str, Any] | None) -> ParserSettings:
    """The settings that were kept; what was kept before there was a choice is ours."""
    return PARSER_SETTINGS.validate_python(kept) if kept else BUILTIN


def check_parser(settings: ParserSettings) -> None:
    """Raise Unavailable when what reads so is not installed."""
    if isinstance(settings, Docling) and not has_docling():
        raise Unavailable(
            f"docling is not installed. Install it with `{INSTALL}`, or read with the built-in "
            "parser.",
            param="parser",
        )
