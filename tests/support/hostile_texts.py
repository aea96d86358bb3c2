"""Texts that would do something where HTML or Markdown is read."""

from collections.abc import Iterator
from itertools import product

HOST = "http://evil.invalid"
MARK = "promptstonePwned"
_HARM = f"window.{MARK}=1"
_PLAIN = (
    f"<script>{_HARM}</script>",
    f"<img src=x onerror={_HARM}>",
    f"<img src='{HOST}/a.png'>",
    f"<svg onload={_HARM}>",
    f"<svg><image href='{HOST}/a.svg'/></svg>",
    f"<iframe src='{HOST}/'></iframe>",
    f"<iframe srcdoc='<script>parent.{MARK}=1</script>'>",
    f"<a href='javascript:{_HARM}'>x</a>",
    f"<link rel=stylesheet href='{HOST}/a.css'>",
    f"<style>@import '{HOST}/a.css';</style>",
    f"<video src='{HOST}/a.mp4' autoplay></video>",
    f"<object data='{HOST}/a'></object>",
    f"<form action='{HOST}/'><button>x</button></form>",
    f"<base href='{HOST}/'>",
    f"<meta http-equiv=refresh content='0;url={HOST}/'>",
    f"<details open ontoggle={_HARM}>",
    f"<math><mtext><img src=x onerror={_HARM}></mtext></math>",
    f"![x]({HOST}/m.png)",
    f"[![x]({HOST}/m.png)]({HOST}/l)",
    f"![x][ref]\n\n[ref]: {HOST}/r.png",
    f"<{HOST}/auto>",
    f"{HOST}/bare",
    "www.evil.invalid/bare",
    "a@evil.invalid",
    ":material/home: :red[red] :smile:",
    f"$\\href{{{HOST}/x}}{{y}}$",
    f"# heading\n- ![x]({HOST}/l.png)\n\n| ![x]({HOST}/t.png) |\n|---|\n",
    f"```html\n</code></pre><img src=x onerror={_HARM}>\n```",
    "\u202eevil\u202c \u2066x\u2069 \x1b[31mred\x1b[0m",
    f"--><img src=x onerror={_HARM}>",
    f"\"'><img src=x onerror={_HARM}>",
    f"{{{{ constructor.constructor('{_HARM}')() }}}}",
)
_AROUND = ("{}", "text {} text", "<p>{}</p>", "'{}'", '"{}"', "> {}", "* {}", "`{}`", "{{% {} %}}",
           "</textarea>{}", "</script>{}", "<!--{}-->", "\n\n{}\n\n", "**{}**", "[{}](x)", "\\{}")  # fmt: skip


def hostile_texts(deep: bool) -> Iterator[str]:
    """About 30 texts, or 500 with everything around them."""
    for around, text in product(_AROUND if deep else _AROUND[:1], _PLAIN):
        yield around.format(text)
