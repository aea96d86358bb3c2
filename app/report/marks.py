"""HTML of a report: escaped texts, tables, and its one style sheet."""

from collections.abc import Iterable, Sequence

from app.telling.escape import text
from prompts.diff import Piece

_LIGHT = ("#1D5FA6", "#C8560B", "#3A9A82", "#490F3A", "#0B9ACA", "#9A3A3A")
_DARK = ("#6AA9E9", "#F28E4B", "#B6F2E2", "#D0368A", "#F4EE90", "#3D6DF0")


def prose(value: object) -> str:
    """A text of a model or a person as its author set it: its lines, its direction."""
    return f'<pre dir="auto">{text(value)}</pre>'


def diffed(pieces: Iterable[Piece]) -> str:
    """A text with what was removed struck through and what was added underlined."""
    tags = {"removed": "del", "added": "ins"}
    parts = (
        f"<{tags[piece.change]}>{text(piece.text)}</{tags[piece.change]}>"
        if piece.change in tags
        else text(piece.text)
        for piece in pieces
    )
    return f'<pre dir="auto">{"".join(parts)}</pre>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` are HTML already; the first column heads its row."""
    top = "".join(f'<th scope="col">{text(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>\n'
        for row in rows
    )
    inner = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table>{inner}</table></div>'


def section(title: str, *parts: str) -> str:
    """Nothing where there is nothing to say."""
    inner = "".join(parts)
    return f"<section><h2>{text(title)}</h2>{inner}</section>\n" if inner else ""


def figure(caption: str, picture: str, finding: str) -> str:
    """A picture under its caption, its finding below it."""
    return (
        f"<figure><figcaption>{text(caption)}</figcaption>{picture}<p>{text(finding)}</p></figure>"
    )


def _colors(colors: Sequence[str]) -> str:
    return "".join(f".a{place}{{color:{color}}}" for place, color in enumerate(colors))


STYLE = f"""
:root {{ --text:#0F1419; --ground:#fff; --soft:#F4F5F7; --line:#D3D8DF; --faint:#59616C;
  --good:#0B7261; --bad:#B23A0E }}
{_colors(_LIGHT)}.ax{{color:#808891}}
@media (prefers-color-scheme: dark) {{
  :root {{ --text:#E7EAEE; --ground:#14181D; --soft:#1D232B; --line:#343D49; --faint:#9AA4B1;
    --good:#4CC2AC; --bad:#F28E63 }}
  {_colors(_DARK)}.ax{{color:#808891}}
}}
body {{ font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif; color:var(--text);
  background:var(--ground); margin:2rem auto; max-width:1200px; padding:0 1.5rem }}
h1 {{ font-size:24px; margin:0 }} h2 {{ font-size:18px; margin:2.2rem 0 .6rem }}
h3 {{ font-size:16px; margin:.2rem 0 }}
p {{ margin:.4rem 0; max-width:80ch }} .faint, figcaption {{ color:var(--faint) }}
.claim {{ border:1px solid var(--line); border-radius:6px; padding:.8rem 1rem; margin:.6rem 0 }}
.word {{ font-weight:600; border:1px solid var(--line); border-radius:4px; padding:0 .4rem }}
.good, ins {{ color:var(--good) }} .bad, del, .failed {{ color:var(--bad) }}
.two {{ display:grid;
  grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr)); gap:1.5rem }}
figure {{ margin:.5rem 0; max-width:620px }}
svg {{ width:100%; height:auto; font:13px system-ui,sans-serif }}
svg.key {{ width:16px; height:16px; vertical-align:-2px }}
svg text {{ fill:currentColor }} svg text.tick, svg text.name {{ fill:var(--faint) }}
svg .grid {{ stroke:var(--line) }}
svg .zero, svg .front {{ stroke:var(--faint); stroke-dasharray:4 3; fill:none }}
svg .rule {{ stroke:currentColor; stroke-width:3 }} svg .thin {{ stroke:currentColor; opacity:.5;
  stroke-width:2 }}
svg .line {{ stroke:currentColor; stroke-width:2; fill:none }} svg .mark {{ fill:currentColor }}
.scroll {{ overflow-x:auto; margin:.6rem 0 }}
table {{ border-collapse:collapse; width:100% }}
th, td {{ border:1px solid var(--line); padding:.35rem .6rem; text-align:left; vertical-align:top }}
thead th {{ background:var(--soft) }} tbody th {{ font-weight:500 }}
pre {{ white-space:pre-wrap; overflow-wrap:anywhere; margin:0; font:inherit; max-width:64ch }}
summary {{ cursor:pointer; font-weight:600 }}
@media print {{ body {{ margin:0; max-width:none }} }}
"""
