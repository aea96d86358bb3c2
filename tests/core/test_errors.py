"""Every foreseen failure has a status."""

import importlib
import pkgutil

import pytest

import core
from core.errors import STATUS, NotFound, PromptstoneError, http_status


def _all_subclasses(kind: type) -> set[type]:
    return {kind}.union(*(_all_subclasses(child) for child in kind.__subclasses__()))


def test_every_subclass_has_a_status_of_its_own_kind() -> None:
    for package in ("connectors", "prompts", "evalsets", "core"):
        module = importlib.import_module(package)
        for found in pkgutil.iter_modules(module.__path__, f"{package}."):
            if found.name.rsplit(".", 1)[-1] not in {"demo_server", "render_worker", "fetch_demo"}:
                importlib.import_module(found.name)
    for kind in _all_subclasses(PromptstoneError):
        named = [base for base in kind.__mro__ if base in STATUS]
        assert named[0] is not PromptstoneError or kind is PromptstoneError, kind


def test_the_nearest_class_decides() -> None:
    class Special(NotFound):
        pass

    assert http_status(Special("x")).status == 404
    assert http_status(PromptstoneError("x")).status == 400
    assert core.__name__ == "core"


def test_a_status_is_an_http_error() -> None:
    for status in STATUS.values():
        assert 400 <= status.status < 600


def test_the_sentence_is_kept() -> None:
    with pytest.raises(NotFound, match="Make one"):
        raise NotFound("There is no prompt. Make one.")
