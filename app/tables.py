"""All tables of all rooms, for what works on the whole database."""

import connectors.backends.models
import connectors.models
import core.models
import evalsets.models
import prompts.models
import rag.models
import serving.models
import tuning.models

MODULES = (
    connectors.backends.models,
    connectors.models,
    core.models,
    evalsets.models,
    prompts.models,
    rag.models,
    serving.models,
    tuning.models,
)
"""Importing them has put their tables into `core.database.Base.metadata`."""
