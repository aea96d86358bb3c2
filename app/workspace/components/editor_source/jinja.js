// Colours of a prompt: Jinja's tags over plain text, and the few signs of Markdown that carry.
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language"
import { tags } from "@lezer/highlight"

const KEYWORDS = new Set(
  ("for in if elif else endif endfor set endset macro endmacro call endcall filter endfilter " +
    "with endwith raw endraw include block endblock and or not is true false none True False None")
    .split(" "),
)
const NAME = /^[\p{L}_][\p{L}\p{N}_]*/u
// A line is coloured so far; the rest stays plain, so that a line of a megabyte opens at once.
const MOST_COLUMNS = 5000
const OPENS = /\{[{%#]/

// Plain text up to the next tag, so that one look colours a whole run.
const upTo = (stream, pattern) => {
  const rest = stream.string.slice(stream.pos)
  const at = rest.search(pattern)
  if (at < 0) stream.skipToEnd()
  else stream.pos += at
}

const text = (stream, state) => {
  if (stream.match(/^\{#/)) {
    state.mode = "comment"
    return comment(stream, state)
  }
  const open = stream.match(/^\{([{%])[-+]?/)
  if (open) {
    state.mode = open[1] === "{" ? "print" : "tag"
    state.first = true
    state.filter = false
    return "brace"
  }
  if (stream.sol() && stream.match(/^\s{0,3}#{1,6}(?=\s)/)) state.heading = true
  if (state.heading) {
    upTo(stream, OPENS)
    return "heading"
  }
  if (stream.sol() && stream.match(/^\s*([-*+]|\d+[.)])(?=\s)/)) return "list"
  if (stream.match(/^\*\*(?=\S)[^*{]*\*\*/)) return "strong"
  if (stream.match(/^`[^`{]+`/)) return "monospace"
  if (stream.match(/^<\/?[A-Za-z][\w-]*>/)) return "angle"
  stream.next()
  upTo(stream, /\{[{%#]|\*\*|`|</)
  return null
}

const comment = (stream, state) => {
  const closed = stream.string.indexOf("#}", stream.pos)
  if (closed < 0) stream.skipToEnd()
  else {
    stream.pos = closed + 2
    state.mode = "text"
  }
  return "comment"
}

const raw = (stream, state) => {
  if (stream.match(/^\{%[-+]?\s*endraw\b/, false)) {
    state.mode = "text"
    return text(stream, state)
  }
  stream.next()
  upTo(stream, /\{%[-+]?\s*endraw\b/)
  return "monospace"
}

const expression = (stream, state) => {
  if (stream.eatSpace()) return null
  const end = stream.match(state.mode === "print" ? /^[-+]?\}\}/ : /^[-+]?%\}/)
  if (end) {
    state.mode = state.raw ? "raw" : "text"
    state.raw = false
    return "brace"
  }
  if (stream.match(/^"(?:[^"\\]|\\.)*("|$)|^'(?:[^'\\]|\\.)*('|$)/)) return "string"
  if (stream.match(/^\d[\d_.]*/)) return "number"
  const name = stream.match(NAME)
  if (name) {
    const keyword = KEYWORDS.has(name[0]) && !state.filter
    if (state.mode === "tag" && state.first && name[0] === "raw") state.raw = true
    const kind = state.filter ? "function" : keyword ? "keyword" : "variable"
    state.first = state.filter = false
    return kind
  }
  state.filter = stream.next() === "|"
  return "operator"
}

const MODES = { text, comment, raw, print: expression, tag: expression }

const language = StreamLanguage.define({
  name: "jinja-prompt",
  startState: () => ({ mode: "text", first: false, filter: false, raw: false, heading: false }),
  token(stream, state) {
    if (stream.sol()) state.heading = false
    if (stream.pos > MOST_COLUMNS) {
      stream.skipToEnd()
      state.mode = "text"
      return null
    }
    return MODES[state.mode](stream, state)
  },
  tokenTable: {
    angle: tags.angleBracket,
    brace: tags.brace,
    function: tags.function(tags.variableName),
    variable: tags.variableName,
  },
})

// The names of Streamlit's colours are the same in the light and in the dark.
const colour = (name) => `var(--st-${name}-text-color, var(--st-text-color))`
const style = HighlightStyle.define([
  { tag: tags.brace, color: colour("violet") },
  { tag: tags.keyword, color: colour("violet"), fontWeight: "600" },
  { tag: tags.variableName, color: colour("blue"), fontWeight: "600" },
  { tag: tags.function(tags.variableName), color: colour("orange") },
  { tag: tags.string, color: colour("green") },
  { tag: tags.number, color: colour("green") },
  { tag: tags.comment, color: colour("gray"), fontStyle: "italic" },
  { tag: tags.heading, fontWeight: "700" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.list, color: colour("gray") },
  { tag: tags.monospace, color: colour("gray") },
  { tag: tags.angleBracket, color: colour("gray") },
])

export const jinja = [language, syntaxHighlighting(style)]
