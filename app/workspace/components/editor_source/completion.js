// What can stand where the caret is: variables, filters, tags, and prompts to include.
import { autocompletion, completionKeymap, startCompletion } from "@codemirror/autocomplete"
import { EditorView, keymap, runScopeHandlers } from "@codemirror/view"

const REACH = 2000
const NAME = "[\\p{L}_][\\p{L}\\p{N}_]*"
const END_OF_NAME = new RegExp(`(?:${NAME})?$`, "u")
const AFTER_DOT = new RegExp(`\\.\\s*(?:${NAME})?$`, "u")
const AFTER_PIPE = new RegExp(`\\|\\s*(?:${NAME})?$`, "u")
const TAG = new RegExp(`^[-+]?\\s*(?:${NAME})?$`, "u")
const INCLUDE = /^[-+]?\s*include\s+(["'])([^"'\n]*)$/
const OPEN_STRING = /^(?:[^"']|"[^"]*"|'[^']*')*["'][^"']*$/

// The tag that stands open before `pos`: its sign and the text behind it.
const openTag = (doc, pos) => {
  const before = doc.sliceString(Math.max(0, pos - REACH), pos)
  const found = /\{([{%#])(?!.*\{[{%#])([\s\S]*)$/.exec(before.slice(before.search(/\{[{%#][^{]*$/)))
  if (!found) return null
  const [, sign, inside] = found
  const closer = { "{": "}}", "%": "%}", "#": "#}" }[sign]
  return sign === "#" || inside.includes(closer) ? null : { sign, inside }
}

// What is missing to the end of the tag after the caret; nothing where it is closed on this line.
const closing = (doc, pos, closer) => {
  const line = doc.lineAt(pos)
  const rest = line.text.slice(pos - line.from)
  const next = rest.search(/\{[{%#]/)
  return (next < 0 ? rest : rest.slice(0, next)).includes(closer) ? "" : closer
}

const insert = (text, closer) => (view, completion, from, to) => {
  const { doc } = view.state
  const before = doc.sliceString(Math.max(0, from - 3), from)
  const lead = /\{[{%][-+]?$/.test(before) ? " " : ""
  const missing = closer ? closing(doc, to, closer) : ""
  const written = lead + text + (missing && " " + missing)
  view.dispatch({
    changes: { from, to, insert: written },
    selection: { anchor: from + written.length },
    userEvent: "input.complete",
  })
}

const options = (names, type, closer) =>
  names.map((label) => ({ label, type, apply: insert(label, closer) }))

const included = (context, names, match) => {
  const from = context.pos - match[2].length
  const apply = (label) => (view, completion, start, to) => {
    const { doc } = view.state
    const rest = doc.lineAt(to).text.slice(to - doc.lineAt(to).from)
    const quote = rest.startsWith(match[1]) ? "" : match[1]
    const end = quote + (closing(doc, to, "%}") && " %}")
    view.dispatch({
      changes: { from: start, to, insert: label + end },
      selection: { anchor: start + label.length + end.length },
      userEvent: "input.complete",
    })
  }
  const found = names.map((label) => ({ label, type: "snippet", apply: apply(label) }))
  return { from, options: found, validFor: /^[^"'\n]*$/ }
}

// `known` tells at each question what the page knows now: variables, filters, tags, snippets.
const source = (known) => (context) => {
  const tag = openTag(context.state.doc, context.pos)
  if (!tag) return null
  const { sign, inside } = tag
  const include = sign === "%" && INCLUDE.exec(inside)
  if (include) return included(context, known().snippets, include)
  if (OPEN_STRING.test(inside) || AFTER_DOT.test(inside)) return null
  const from = context.pos - END_OF_NAME.exec(inside)[0].length
  const validFor = new RegExp(`^(?:${NAME})?$`, "u")
  if (AFTER_PIPE.test(inside)) {
    return { from, options: options(known().filters, "filter", ""), validFor }
  }
  if (sign === "%" && TAG.test(inside)) {
    const tags = known().tags.filter((name) => name !== "include" || known().snippets.length)
    return { from, options: options(tags, "tag", ""), validFor }
  }
  const bare = /^[-+]?\s*$/.test(inside.slice(0, inside.length - (context.pos - from)))
  if (from === context.pos && !bare && !context.explicit) return null
  return { from, options: options(known().variables, "variable", sign === "{" ? "}}" : ""), validFor }
}

// A long list scrolls, so it can be focused; the editor's keys do there what they do in the text.
const focusable = EditorView.updateListener.of(({ view }) => {
  const list = view.dom.querySelector(".cm-tooltip-autocomplete > ul")
  if (!list || list.tabIndex === 0) return
  list.tabIndex = 0
  list.addEventListener("keydown", (event) => {
    if (!runScopeHandlers(view, event, "editor")) return
    event.preventDefault()
    view.focus()
  })
})

export const completion = (known) => [
  autocompletion({
    override: [source(known)],
    icons: false,
    defaultKeymap: false,
    optionClass: (one) => "kind-" + one.type,
  }),
  keymap.of(completionKeymap),
  focusable,
]
export { startCompletion }
