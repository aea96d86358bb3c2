"""The seams of source code: definitions before blank lines before lines."""

from array import array
from functools import lru_cache

from rag.cutting.seams import PARAGRAPH, Seams

_ALIASES = {
    "py": "python", "python3": "python", "javascript": "js", "jsx": "js", "node": "js",
    "typescript": "ts", "tsx": "ts", "c++": "cpp", "cc": "cpp", "cs": "csharp", "c#": "csharp",
    "golang": "go", "rs": "rust", "rb": "ruby", "kt": "kotlin", "tex": "latex", "sh": "",
}  # fmt: skip


def code_lines(text: str, lines: Seams, language: str) -> Seams:
    """Those seams, the ones before a definition of the language made strong."""
    openings = _openings(language.lower())
    strengths = array(
        "b",
        (
            PARAGRAPH if openings and text.startswith(openings, start) else strength
            for start, strength in zip(lines.starts, lines.strengths, strict=True)
        ),
    )
    return lines._replace(strengths=strengths)


@lru_cache(maxsize=64)
def _openings(language: str) -> tuple[str, ...]:
    """What a definition begins with, as langchain-text-splitters lists it for the language."""
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    try:
        known = Language(_ALIASES.get(language, language))
        separators = RecursiveCharacterTextSplitter.get_separators_for_language(known)
    except ValueError:
        return ()
    return tuple(each[1:] for each in separators if each.startswith("\n") and each.strip())
