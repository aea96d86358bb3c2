"""The same values give the same text in every worker: no address, no order of a hash."""

from collections.abc import Iterator

import pytest

from prompts.content import MessageTemplate
from prompts.template import Renderer, TemplateError, TemplateProblem

FUNCTION = "is a function, not a value; call it with ()"
UNFINISHED = "add |list or |join"
PRINTED = [
    ("{{ x }}", FUNCTION),
    ("{{ [x] }}", FUNCTION),
    ("{{ 'a' ~ x }}", FUNCTION),
    ("{{ x|string }}", FUNCTION),
    ("{{ {'k': [x]}|pprint }}", FUNCTION),
    ("{{ [x, 'a']|join }}", FUNCTION),
    ("{{ '%s'|format(x) }}", FUNCTION),
    ("{{ '%r' % [x] }}", FUNCTION),
    ("{{ '{}'.format(x) }}", FUNCTION),
    ("{{ x|upper }}{{ x|length }}", FUNCTION),
    ("{{ x|e }}", FUNCTION),
    ("{% set ns = namespace(f=x) %}{{ [ns] }}", FUNCTION),
]
FUNCTIONS = [
    "range",
    "'a'.upper",
    "'a'['upper']",
    "'a'|attr('upper')",
    "d.get",
    "loop_of",
    "'a'.format",
]
LAZY = ["d|items", "a|map('upper')", "a|select", "a|reject", "a|reverse", "a|unique", "a|batch(2)"]


@pytest.fixture(scope="module")
def r() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def rendered(r: Renderer, source: str) -> str:
    template = [MessageTemplate(role="user", content=source)]
    return r.render(template, {"d": {"k": 1, "l": 2}, "a": ["p", "q"]}).messages[0]["content"]


def sentence(r: Renderer, source: str) -> str:
    with pytest.raises(TemplateError) as caught:
        rendered(r, source)
    problem: TemplateProblem = caught.value.problem
    assert problem.line == 1
    return problem.sentence


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("source", "why"), PRINTED)
def test_a_function_has_no_text_anywhere(r: Renderer, source: str, why: str, function: str) -> None:
    if function == "loop_of":
        source = "{% for x in [1] %}{% set x = loop.cycle %}" + source + "{% endfor %}"
    else:
        source = f"{{% set x = {function} %}}" + source
    told = sentence(r, source)
    assert why in told
    assert "0x" not in told


@pytest.mark.parametrize("items", LAZY)
@pytest.mark.parametrize("source", ["{{ x }}", "{{ [x] }}", "{{ 'a' ~ x }}", "{{ x|pprint }}"])
def test_an_unfinished_list_has_no_text_anywhere(r: Renderer, source: str, items: str) -> None:
    assert UNFINISHED in sentence(r, f"{{% set x = {items} %}}" + source)


def test_a_block_has_no_text(r: Renderer) -> None:
    assert FUNCTION in sentence(r, "{% block b %}1{% endblock %}{{ [self.b] }}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ range(2)|list }}{{ 'a'.upper() }}{{ d.get('k') }}", "[0, 1]A1"),
        ("{% set up = 'a'.upper %}{{ up() }}{{ '{0}!'.format(up()) }}", "AA!"),
        (
            "{{ a|map('upper')|join(',') }} {{ a|reverse|list }} {{ 'ab'|reverse }}",
            "P,Q ['q', 'p'] ba",
        ),
        ("{% for k, v in d|items %}{{ k }}{{ v }}{% endfor %}", "k1l2"),
        ("{% for x in a|select %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/2 2/2 "),
        ("{{ a|map('upper')|first }}{{ a|batch(1)|list }}", "P[['p'], ['q']]"),
        ("{% for x in a %}{{ loop.cycle('x', 'y') }}{% endfor %}", "xy"),
        ("{% block b %}1{% endblock %}{{ self.b() }}", "11"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}{{ [m]|length }}", "<1>1"),
        ("{{ 5 - 2 }}{{ [2.5 - 1] }}", "3[1.5]"),
    ],
)
def test_functions_and_filters_work_as_before(r: Renderer, source: str, expected: str) -> None:
    assert rendered(r, source) == expected


def test_a_difference_of_keys_is_in_order_in_every_worker() -> None:
    names = [f"key {n}" for n in range(40)]
    template = [MessageTemplate(role="user", content="{{ (d.keys() - ['key 3'])|join(' ') }}")]
    made: set[str] = set()
    for _ in range(3):
        renderer = Renderer()
        values = {"d": dict.fromkeys(names, 1)}
        made.add(renderer.render(template, values).messages[0]["content"])
        renderer.close()
    assert made == {" ".join(name for name in names if name != "key 3")}
