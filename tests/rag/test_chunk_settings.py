import pytest
from pydantic import ValidationError

from rag.chunk_settings import CHUNK_SETTINGS, Markdown, ParentChild, Recursive


def test_the_kind_tells_the_class() -> None:
    assert CHUNK_SETTINGS.validate_python({"kind": "recursive"}) == Recursive()
    assert CHUNK_SETTINGS.validate_json('{"kind":"markdown","chunk_tokens":99}') == Markdown(
        chunk_tokens=99
    )
    assert CHUNK_SETTINGS.validate_python(ParentChild(parent_tokens=600).model_dump()) == (
        ParentChild(parent_tokens=600)
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "recursive", "chunk_tokens": 64, "overlap": 64}, "give an overlap below"),
        ({"kind": "parent_child", "parent_tokens": 256}, "give parent_tokens above"),
        ({"kind": "markdown", "chunk_tokens": 15}, "greater than or equal to 16"),
        ({"kind": "markdown", "chunk_tokens": 9000}, "less than or equal to 8192"),
        ({"kind": "sentence"}, "'recursive', 'markdown', 'parent_child'"),
        ({"kind": "recursive", "size": 3}, "Extra inputs are not permitted"),
    ],
)
def test_bounds_are_said(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CHUNK_SETTINGS.validate_python(given)


def test_settings_are_frozen_and_documented() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recursive().overlap = 3  # type: ignore[misc]
    fields = [*Recursive.model_fields.values(), ParentChild.model_fields["parent_tokens"]]
    assert all(each.description for each in fields if each.annotation is int)
