"""What is done to a document's text before it is cut."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class CleaningSettings(BaseModel):
    """Each step by itself; those that may take away what somebody looks for are off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normalise: Annotated[
        bool,
        Field(description="Unicode NFC, invisible characters, hyphens at line ends, blanks."),
    ] = True
    furniture: Annotated[
        bool, Field(description="Headers, footers and page numbers that repeat over pages.")
    ] = True
    boilerplate: Annotated[
        bool, Field(description="Cookie banners, navigation links, rights lines of web pages.")
    ] = True
    near_duplicates: Annotated[
        bool, Field(description="Disable chunks that nearly equal an earlier one of the base.")
    ] = False
    threshold: Annotated[
        float,
        Field(ge=0.5, le=1, description="From which share of equal shingles on two texts are one."),
    ] = 0.9
    pii: Annotated[
        Literal["off", "mask"],
        Field(description="Mask e-mail and IP addresses, phone, card, bank and identity numbers."),
    ] = "off"
