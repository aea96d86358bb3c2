// The editor of prompts: `mount` puts one into an element and hands back what steers it.
import { defaultKeymap, history, historyKeymap, standardKeymap } from "@codemirror/commands"
import { Compartment, EditorState, StateEffect, StateField } from "@codemirror/state"
import {
  Decoration, Direction, EditorView, ViewPlugin, highlightSpecialChars, keymap,
  lineNumbers, placeholder,
} from "@codemirror/view"
import { completion } from "./completion.js"
import { jinja } from "./jinja.js"

const LINES = new Set(["moveLineUp", "moveLineDown"])
const moves = defaultKeymap.filter((one) => LINES.has(one.run?.name))

// Each line has the direction of its own text, and a tag stays together within an Arabic one.
const line = Decoration.line({ attributes: { dir: "auto" } })
const seenLines = function* (view) {
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to;) {
      const here = view.state.doc.lineAt(at)
      yield here
      at = here.to + 1
    }
  }
}
const linesOf = (view) =>
  Decoration.set([...seenLines(view)].map((here) => line.range(here.from)), true)

const LONGEST = 5000
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/
const isolate = Decoration.mark({ class: "cm-jinja-tag", bidiIsolate: Direction.LTR })
const tagsOf = (view) => {
  const found = []
  for (const here of seenLines(view)) {
    if (here.length > LONGEST || !RIGHT_TO_LEFT.test(here.text)) continue
    for (const tag of here.text.matchAll(/\{\{[^{}]*\}\}|\{%[^{}]*%\}/g)) {
      const from = here.from + tag.index
      found.push(isolate.range(from, from + tag[0].length))
    }
  }
  return Decoration.set(found, true)
}
const moved = (update) => update.docChanged || update.viewportChanged
const directions = ViewPlugin.fromClass(
  class {
    constructor(view) { this.read(view) }
    read(view) {
      this.lines = linesOf(view)
      this.tags = tagsOf(view)
    }
    update(update) { if (moved(update)) this.read(update.view) }
  },
  {
    provide: (plugin) => {
      const part = (name) => (view) => view.plugin(plugin)?.[name] ?? Decoration.none
      return [
        EditorView.decorations.of(part("lines")),
        EditorView.decorations.of(part("tags")),
        EditorView.bidiIsolatedRanges.of(part("tags")),
      ]
    },
  },
)

// The line at which the template cannot be read.
const setFault = StateEffect.define()
const faults = StateField.define({
  create: () => Decoration.none,
  update(found, transaction) {
    found = found.map(transaction.changes)
    for (const effect of transaction.effects) {
      if (effect.is(setFault)) found = markOf(transaction.state.doc, effect.value)
    }
    return found
  },
  provide: (field) => [
    EditorView.decorations.from(field),
    EditorView.contentAttributes.from(field, (found) =>
      found.size ? { "aria-invalid": "true", "aria-describedby": "fault" } : {}),
  ],
})
const markOf = (doc, number) => {
  if (number === null) return Decoration.none
  const here = doc.line(Math.min(Math.max(number, 1), doc.lines))
  const blank = here.text.length - here.text.trimStart().length
  const [from, to] = [here.from + blank, here.from + here.text.trimEnd().length]
  if (from >= to) return Decoration.set([Decoration.line({ class: "cm-fault" }).range(here.from)])
  return Decoration.set([Decoration.mark({ class: "cm-fault" }).range(from, to)])
}

const theme = EditorView.theme({
  "&": { flex: "1", minWidth: "0", fontSize: "13px", color: "var(--st-text-color)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": {
    fontFamily: "var(--st-code-font)", lineHeight: "1.5", maxHeight: "480px", overflow: "auto",
  },
  ".cm-content": { padding: "0.5rem 0", caretColor: "var(--st-text-color)" },
  ".cm-line": { padding: "0 0.6rem", overflowWrap: "anywhere" },
  ".cm-gutters": {
    color: "var(--st-gray-text-color, var(--st-text-color))",
    backgroundColor: "var(--st-secondary-background-color)", border: "none",
  },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "1.4em", padding: "0 0.5rem" },
  ".cm-placeholder": { color: "var(--st-gray-text-color, var(--st-text-color))" },
  ".cm-jinja-tag": { unicodeBidi: "isolate", direction: "ltr" },
  ".cm-fault": {
    textDecoration: "underline wavy var(--st-red-text-color) 1.5px", textUnderlineOffset: "3px",
    textDecorationSkipInk: "none",
  },
  ".cm-line.cm-fault": { boxShadow: "inset 0 -2px var(--st-red-text-color)" },
  ".cm-tooltip": {
    color: "var(--st-text-color)", backgroundColor: "var(--st-background-color)",
    border: "1px solid var(--st-border-color)", borderRadius: "var(--st-base-radius)",
    zIndex: "1000",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {
    fontFamily: "var(--st-code-font)", maxWidth: "min(420px, 90vw)", maxHeight: "14em",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--st-text-color)", backgroundColor: "var(--st-secondary-background-color)",
    boxShadow: "inset 3px 0 var(--st-primary-color)",
  },
  ".cm-completionMatchedText": { textDecoration: "underline", fontWeight: "600" },
})

const described = (data) => [
  EditorView.contentAttributes.of({ "aria-label": data.label }),
  EditorState.phrases.of({ Completions: data.words.completions }),
  placeholder(data.placeholder),
  EditorView.theme({ ".cm-content, .cm-gutter": { minHeight: data.height + "px" } }),
]

export const mount = ({ parent, root, doc, selection, data, changed, left, pressed }) => {
  let told = data
  let waiting = null
  const parts = new Compartment()
  const view = new EditorView({
    parent,
    root,
    state: EditorState.create({
      doc,
      selection: selection && { anchor: selection[0], head: selection[1] },
      extensions: [
        parts.of(described(data)),
        data.numbered ? lineNumbers() : [],
        history(), highlightSpecialChars(), EditorView.lineWrapping,
        EditorView.perLineTextDirection.of(true), directions, faults, theme, jinja,
        completion(() => told.template),
        keymap.of([...standardKeymap, ...historyKeymap, ...moves]),
        EditorView.updateListener.of((update) => { if (update.docChanged) changed() }),
        EditorView.domEventHandlers({ blur: () => left(), keydown: (event) => pressed(event) }),
      ],
    }),
  })
  // A word being composed would be torn by what is drawn anew.
  const show = () => {
    if (view.composing) {
      waiting ??= setTimeout(() => { waiting = null; show() }, 100)
      return
    }
    const fault = told.template.fault
    view.dispatch({
      effects: [parts.reconfigure(described(told)), setFault.of(fault ? fault.line : null)],
    })
  }
  show()
  return {
    text: () => view.state.doc.toString(),
    composing: () => view.composing,
    focus: () => view.focus(),
    show: (data) => {
      const before = told
      told = data
      const same = ["label", "placeholder", "height"].every((one) => before[one] === data[one])
      const [old, fresh] = [before.template.fault, data.template.fault]
      if (same && old?.line === fresh?.line && old?.sentence === fresh?.sentence) return
      show()
    },
    close: () => {
      clearTimeout(waiting)
      view.destroy()
    },
  }
}
