// A text field that tells what stands in it 250 ms after the last key, and at once when left. A
// prompt's field becomes a code editor when its script has come; until then, and if it never
// comes, the plain field works.
const QUIET_MS = 250
const fields = new WeakMap()

const number = (state) => {
  const lines = state.area.value.split("\n").length
  if (lines === state.lines) return
  state.lines = lines
  state.gutter.textContent = Array.from({ length: lines }, (_, i) => i + 1).join("\n")
}

const grow = (state) => {
  state.area.style.height = "auto"
  state.area.style.height = Math.min(Math.max(state.area.scrollHeight, state.low), 480) + "px"
  state.gutter.style.height = state.area.style.height
  state.gutter.scrollTop = state.area.scrollTop
}

const text = (state) => state.code ? state.code.text() : state.area.value

const send = (state) => {
  clearTimeout(state.timer)
  if (text(state) === state.sent) return
  state.sent = text(state)
  state.tell(state.sent)
}

const soon = (state) => {
  clearTimeout(state.timer)
  // Half a word of an input method is not told.
  const ready = () => state.code?.composing() ? soon(state) : send(state)
  state.timer = setTimeout(ready, QUIET_MS)
}

const pressed = (state, event) => {
  if (event.isComposing) return false
  if (!(event.ctrlKey || event.metaKey) || event.key !== "Enter") return false
  send(state)
  const field = state.code ?? state.area
  // The page's shortcut takes the focus away; who goes on typing wants it back.
  if (state.data.keepsFocus) setTimeout(() => field.focus({ preventScroll: true }), 0)
  return true
}

const say = (state) => {
  const fault = state.data.template?.fault
  state.fault.textContent = fault ? fault.sentence : ""
  state.fault.hidden = !fault
}

// The plain field gives way with its text, its caret and its focus.
const upgrade = (state, root, { mount }) => {
  if (state.code || state.gone) return
  const { area, gutter } = state
  if (state.composing) {
    area.addEventListener("compositionend", () => setTimeout(() => upgrade(state, root, { mount })),
      { once: true })
    return
  }
  const focused = (root.activeElement ?? document.activeElement) === area
  state.code = mount({
    parent: area.parentElement, root, doc: area.value, data: state.data,
    selection: focused ? [area.selectionStart, area.selectionEnd] : null,
    changed: () => soon(state), left: () => send(state),
    pressed: (event) => pressed(state, event),
  })
  area.hidden = gutter.hidden = true
  if (focused) state.code.focus()
}

export default function (component) {
  const { data, parentElement, setStateValue } = component
  let state = fields.get(parentElement)
  const first = !state
  if (first) {
    state = {
      area: parentElement.querySelector("textarea"),
      gutter: parentElement.querySelector(".gutter"),
      fault: parentElement.querySelector(".fault"),
      sent: null, lines: 0, timer: 0,
    }
    fields.set(parentElement, state)
  }
  const { area, gutter } = state
  state.data = data
  state.low = data.height
  state.tell = (value) => setStateValue("value", value)
  say(state)
  const close = () => {
    clearTimeout(state.timer)
    state.gone = true
    state.code?.close()
    fields.delete(parentElement)
  }
  if (state.code) {
    state.code.show(data)
    return close
  }
  area.setAttribute("aria-label", data.label)
  area.placeholder = data.placeholder
  gutter.hidden = !data.numbered
  if (state.sent === null) {
    // Only the first drawing sets the text: a late rerun would take keys back.
    area.value = data.value
    state.sent = area.value
  }
  area.oninput = () => {
    number(state)
    grow(state)
    soon(state)
  }
  area.onblur = () => send(state)
  area.onscroll = () => { gutter.scrollTop = area.scrollTop }
  area.onkeydown = (event) => { pressed(state, event) }
  area.oncompositionstart = () => { state.composing = true }
  area.oncompositionend = () => { state.composing = false }
  number(state)
  grow(state)
  if (first && data.template) {
    const root = parentElement instanceof ShadowRoot ? parentElement : parentElement.getRootNode()
    // Once there, the script is kept, so that the next field has it at its first drawing.
    const here = window.promptstoneTemplateEditor
    if (here) upgrade(state, root, here)
    else {
      import(new URL(data.script, location.origin).href).then((found) => {
        window.promptstoneTemplateEditor = found
        upgrade(state, root, found)
      }).catch((error) => console.warn("The code editor did not come.", error))
    }
  }
  return close
}
