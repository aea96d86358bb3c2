"""Filters on metadata as masks over documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.access import Allowed, meta_values


class MetaIndex:
    """Documents by metadata value, so that a filter costs no look at each of them."""

    def __init__(self, metas: Sequence[Mapping[str, Any]]) -> None:
        self._count = len(metas)
        places: dict[tuple[str, str], list[int]] = {}
        for place, meta in enumerate(metas):
            for name, value in meta.items():
                for text in dict.fromkeys(meta_values(value)):
                    places.setdefault((name, text), []).append(place)
        self._places = {key: np.array(found) for key, found in places.items()}

    def mask(self, filters: Sequence[Allowed]) -> NDArray[np.bool_] | None:
        """A bool a document: whether it passes every filter; None when there is no filter."""
        filters = [one for one in filters if one]
        if not filters:
            return None
        passing = np.ones(self._count, dtype=bool)
        for one in filters:
            for name, values in one.items():
                passing &= self._having(name, values)
        return passing

    def _having(self, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
        having = np.zeros(self._count, dtype=bool)
        for value in values:
            found = self._places.get((name, value))
            if found is not None:
                having[found] = True
        return having
