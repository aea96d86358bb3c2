"""The YAML of a prompt file, read with limits and written so that it reads back the same."""

import re
from typing import Any, NamedTuple, cast

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent

from core.errors import Invalid, TooLarge
from prompts.fields import check_json

MAX_FILE = 1024 * 1024
MAX_FRONT_MATTER = 256 * 1024
_SPLIT = re.compile(
    r"\A\s*(?:---|\+\+\+)[ \t]*\n(?P<yaml>.*?)^(?:---|\+\+\+)[ \t]*$\n?(?P<body>.*)\Z",
    re.DOTALL | re.MULTILINE,
)
_OPENING = re.compile(r"\A\s*(?:---|\+\+\+)[ \t]*$", re.MULTILINE)
_REFERENCE = re.compile(r"\$\{\s*(env|file)\s*:[^}]+\}", re.IGNORECASE)
_UNICODE_BREAK = re.compile("[\x85\u2028\u2029\ufeff]")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)\Z"
)
SCALARS = {
    "tag:yaml.org,2002:null": re.compile(r"(?:~|null|Null|NULL|)\Z"),
    "tag:yaml.org,2002:bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "tag:yaml.org,2002:int": _INT,
    "tag:yaml.org,2002:float": _FLOAT,
}


class SplitFile(NamedTuple):
    """The front matter as a dict (empty without one), the body, and the body's first line."""

    settings: dict[str, Any]
    body: str
    body_line: int


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars (dates and `no` stay text), no aliases, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(AliasEvent):
            mark = self.peek_event().start_mark
            raise ComposerError(None, None, "aliases are refused; write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise ConstructorError(
                    None, None, f"the key {key.value!r} stands twice; remove one", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever either YAML version would not read as the text it is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quoted_if_it_breaks(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """YAML folds Unicode's own line ends outside of double quotes."""
    style = '"' if _UNICODE_BREAK.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted_if_it_breaks)
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern in SCALARS.items():
    _Loader.add_implicit_resolver(_tag, _pattern, None)
    _Dumper.add_implicit_resolver(_tag, _pattern, None)


def decode(data: bytes) -> str:
    """The file's text with \\n line ends; Invalid unless it is UTF-8, or UTF-16 with its mark."""
    if len(data) > MAX_FILE:
        raise TooLarge("The prompt file is larger than 1 MiB. Shorten it.")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(f"Line {line} is not UTF-8 text. Save the file as UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split(text: str) -> SplitFile:
    """Cut a `.prompty` text into front matter and body; raises Invalid naming the line."""
    found = _SPLIT.match(text)
    if found is None:
        if _OPENING.match(text):
            raise Invalid("The front matter has no end. Close it with a line of three dashes.")
        return SplitFile({}, text, 1)
    before = text.count("\n", 0, found.start("yaml"))
    settings = load(found["yaml"], before)
    return SplitFile(settings, found["body"], text.count("\n", 0, found.start("body")) + 1)


def load(source: str, lines_before: int = 0, *, what: str = "front matter") -> dict[str, Any]:
    """A mapping from YAML; raises TooLarge, or Invalid naming the line of `what`."""
    if len(source) > MAX_FRONT_MATTER:
        raise TooLarge(f"The {what} is larger than 256 KiB. Shorten it.")
    try:
        value = _Loader(source).get_single_data()
        value = check_json({} if value is None else value)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 + lines_before if error.problem_mark else "?"
        raise Invalid(f"Line {line} of the {what}: {error.problem}. Correct it.") from None
    except RecursionError:
        raise Invalid(f"The {what} is nested too deeply. Flatten it.") from None
    except (ValueError, yaml.YAMLError) as error:
        raise Invalid(f"The {what} cannot be read: {_line(error)}. Correct it.") from None
    if not isinstance(value, dict):
        raise Invalid(f"The {what} is no mapping. Write lines such as `name: summary`.")
    return cast(dict[str, Any], value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def refuse_references(value: Any, where: str) -> None:
    """Invalid if a text holds `${env:…}` or `${file:…}`: a prompt must not read the machine."""
    if isinstance(value, str):
        found = _REFERENCE.search(value)
        if found:
            kind = "environment variables" if found[1].lower() == "env" else "files"
            raise Invalid(
                f"`{where}` holds {found[0][:80]}: a prompt file may not read {kind} of this "
                "machine. Write the value itself, or make it a variable.",
                param=where,
            )
    elif isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            refuse_references(key, where)
            refuse_references(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            refuse_references(item, where)


def dump(settings: dict[str, Any]) -> str:
    """Front matter between its two lines of dashes."""
    source = yaml.dump(settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{source if settings else ''}---\n"
