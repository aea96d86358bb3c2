"""Nothing from people, files or models reaches a place where Streamlit reads Markdown or HTML."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

WORKSPACE = Path(__file__).parents[2] / "app" / "workspace"
MARKDOWN = {
    "button", "caption", "checkbox", "radio", "pills", "segmented_control", "expander", "popover",
    "tabs", "status", "metric", "progress", "table", "toast", "error", "warning", "info",
    "success", "title", "header", "subheader", "markdown", "write", "download_button",
    "form_submit_button", "text_input", "text_area", "number_input", "selectbox", "multiselect",
    "toggle", "menu_button", "page_link", "link_button", "file_uploader", "dialog", "badge",
}  # fmt: skip
FORBIDDEN = {"markdown", "write", "write_stream", "html", "latex", "table", "image", "iframe"}
SAFE = {"t", "plain", "_cost", "_left"}
"""What makes a label; the last two join such labels in the head of a run."""
NO_LABEL_FIRST = {"progress", "page_link"}
OWN = {("url", "link"): 1, ("drawer", "drawer"): 0}
"""Our own functions with a label, and which argument it is."""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> tuple[str, str]:
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        return owner, function.attr
    return "", function.id if isinstance(function, ast.Name) else ""


class Scope:
    """Names of one function that hold nothing but safe texts."""

    def __init__(self, function: ast.AST) -> None:
        self.values: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.values.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                self.values.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, ast.Call) and name_of(node)[1] in ("append", "extend"):
                owner = name_of(node)[0]
                self.values.setdefault(owner, []).extend(node.args)

    def is_safe(self, node: ast.expr, depth: int = 0) -> bool:
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.JoinedStr):
            return all(self.is_safe(part, depth) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.is_safe(node.value, depth)
        if isinstance(node, ast.IfExp):
            return self.is_safe(node.body, depth) and self.is_safe(node.orelse, depth)
        if isinstance(node, ast.BoolOp):
            return all(self.is_safe(value, depth) for value in node.values)
        if isinstance(node, ast.BinOp):
            return self.is_safe(node.left, depth) and self.is_safe(node.right, depth)
        if isinstance(node, ast.List | ast.Tuple):
            return all(self.is_safe(item, depth) for item in node.elts)
        if isinstance(node, ast.Subscript):  # a table of our own words and icons
            return isinstance(node.value, ast.Name) and node.value.id.isupper()
        if isinstance(node, ast.Call):
            if name_of(node)[1] == "join":
                return all(self.is_safe(one, depth) for one in node.args)
            return name_of(node)[1] in SAFE
        if isinstance(node, ast.Name) and depth < 4:
            values = self.values.get(node.id)
            return bool(values) and all(self.is_safe(value, depth + 1) for value in values)
        return False


def functions(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def faults(source: str) -> list[str]:
    """Lines where something else than our own words stands in a label or body."""
    tree = ast.parse(source)
    scopes: dict[int, Scope] = {}
    for function in functions(tree):
        for call in calls(function):
            scopes[id(call)] = Scope(function)  # the innermost function comes last
    found = []
    for call in calls(tree):
        owner, name = name_of(call)
        if any(word.arg == "unsafe_allow_html" for word in call.keywords):
            found.append(f"{call.lineno}: unsafe_allow_html")
        if owner == "st" and name in FORBIDDEN:
            found.append(f"{call.lineno}: st.{name}")
        label = OWN.get((owner, name), 0 if name in MARKDOWN and owner in _PLACES else None)
        if label is None or len(call.args) <= label:
            continue
        named = {"help", "text", "label"}
        checked = [word.value for word in call.keywords if word.arg in named]
        if name not in NO_LABEL_FIRST:
            checked.append(call.args[label])
        found += [
            f"{call.lineno}: {ast.unparse(one)}"
            for one in checked
            if not scopes[id(call)].is_safe(one)
        ]
    return found


_PLACES = {"st", "left", "right", "middle"}
# Their label is an argument that every caller fills with t(…); checked at the callers below.
PARAMETERS = {
    "drawer.py": {"title"},
    "url.py": {"title", "label"},
    "editor.py": {"label"},
    "forms.py": {"note", "label"},
    "messages.py": {"icon"},
    "runs_verdict.py": {"label"},
    "settings_general.py": {"label"},
    "labeling.py": set(),
    "table.py": set(),
    "header.py": set(),
}


@pytest.mark.parametrize("path", sorted(WORKSPACE.rglob("*.py")), ids=lambda p: p.name)
def test_only_own_words_stand_in_markdown(path: Path):
    allowed = PARAMETERS.get(path.name, set())
    found = [one for one in faults(path.read_text()) if one.split(": ")[1] not in allowed]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "st.button(row.name)", "st.caption(f'x {name}')", "st.error(error.message)",
        "st.markdown('x')", "st.caption('x', unsafe_allow_html=True)", "st.write_stream(x)",
        "def f(x):\n    label = x\n    st.subheader(label)", "st.progress(1, text=name)",
        "url.link('runs', run.title)", "st.text_input('a', help=text)",
    ],
)  # fmt: skip
def test_the_check_finds_what_it_is_for(source: str):
    assert faults(source)


@pytest.mark.parametrize("path", sorted(WORKSPACE.glob("*.py")), ids=lambda path: path.name)
def test_a_page_has_no_value_alone_on_a_line(path: Path):
    """Where Streamlit's magic is on, it is shown as Markdown."""
    lines = ast.parse(path.read_text()).body[1:]
    alone = [one.value for one in lines if isinstance(one, ast.Expr)]
    assert [ast.unparse(one) for one in alone if not isinstance(one, ast.Call)] == []


def test_no_script_reaches_another_origin():
    """Component scripts open two addresses, both our own: the stream and the code editor."""
    namespace = "http://www.w3.org/2000/svg"
    for path in WORKSPACE.rglob("*.js"):
        source = path.read_text().replace(namespace, "")
        assert source.count("import(") == (1 if path.name == "editor.js" else 0)
        assert "http" not in source, path.name
        assert "innerHTML" not in source, path.name
        assert "fetch(" not in source, path.name
        assert source.count("new EventSource(") == (1 if path.name == "output.js" else 0)


def test_the_theme_names_no_address():
    assert "http" not in (WORKSPACE / ".streamlit" / "config.toml").read_text()
