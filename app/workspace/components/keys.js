// Mounted once. What it adds is comfort: without it every page still works with the mouse.
const deepActive = () => {
  let node = document.activeElement
  while (node && node.shadowRoot && node.shadowRoot.activeElement) {
    node = node.shadowRoot.activeElement
  }
  return node
}

const isField = (node) =>
  !!node && (node.tagName === "TEXTAREA" || node.isContentEditable ||
    (node.tagName === "INPUT" && !["checkbox", "radio", "button", "file"].includes(node.type)))

// The first text field inside an element, looking into the shadow roots of components too.
const fieldWithin = (root) => {
  const direct = root.querySelector("textarea, input:not([type=checkbox]):not([type=radio])")
  if (direct) return direct
  for (const node of root.querySelectorAll("*")) {
    const inner = node.shadowRoot && fieldWithin(node.shadowRoot)
    if (inner) return inner
  }
  return null
}

// In a table that can be written a key is typing, though no field has the focus yet. A table
// that has just come tells its cells a moment later: until then it counts as one.
const isWritableGrid = (node) => {
  const grid = node?.closest?.('[data-testid="stDataFrame"]')
  return !!grid && (!grid.querySelector('[role="gridcell"]') ||
    !!grid.querySelector('[role="gridcell"][aria-readonly="false"]'))
}

const focusField = (key) => {
  const root = document.querySelector(".st-key-" + key)
  const field = root && fieldWithin(root)
  if (field) field.focus()
  return !!field
}

const withoutSel = (address) => {
  const url = new URL(address, location.href)
  url.searchParams.delete("sel")
  return url.href
}

const install = (state) => {
  const push = history.pushState.bind(history)
  history.pushState = (data, title, address) =>
    address != null && withoutSel(address) === withoutSel(location.href)
      ? history.replaceState(data, title, address)
      : push(data, title, address)

  const stop = (event) => {
    event.preventDefault()
    event.stopImmediatePropagation()
  }
  const isBare = (event) => !event.ctrlKey && !event.metaKey && !event.altKey
  window.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return
    const field = deepActive()
    const typing = isField(field)
    // The code editor's list of suggestions is closed before the editor is left.
    const hasList = field?.classList.contains("cm-content") && field.hasAttribute("aria-controls")
    if (event.key === "Escape" && typing && !hasList) {
      field.blur()
      return stop(event)
    }
    const letter = isBare(event) && event.key.length === 1
    if (letter && performance.now() < held.until) {
      held.text += event.key
      return stop(event)
    }
    if (event.key !== "Shift") held.until = 0
    if (!letter || typing) return
    if (isWritableGrid(field)) return event.key === " " ? undefined : hold()
    if (event.repeat) return stop(event)
    if (document.querySelector('[role="dialog"]')) return
    const name = event.key === "/" ? "goto" : state.fields[event.key.toLowerCase()]
    if (name && focusField(name)) stop(event)
  }, true)
  window.addEventListener("mousedown", () => { held.until = 0 }, true)
  // The field puts its caret behind its text right after the focus.
  window.addEventListener("focusin", () => {
    if (held.until && isField(deepActive())) setTimeout(letGo)
  })
  // The table hears a key below this element, Streamlit's shortcuts at the document above it.
  document.documentElement.addEventListener("keydown", (event) => {
    if (isBare(event) && event.key.length === 1 && isWritableGrid(event.target)) {
      event.stopPropagation()
    }
  })
}

// The first letter in a cell opens its field, which Streamlit may have to fetch first, and the
// table drops the letters that come until the field has the focus: keep them for it.
const HELD_MS = 10000
const held = { text: "", until: 0 }

const hold = () => {
  held.text = ""
  held.until = performance.now() + HELD_MS
}

const letGo = () => {
  const text = performance.now() < held.until ? held.text : ""
  held.until = 0
  if (text) document.execCommand("insertText", false, text)
}

// Two of Streamlit's own texts are too dim: the chosen one of a segmented control in the dark,
// and the key on a primary button.
const readable = (state, parentElement) => {
  const style = (state.style ??= document.head.appendChild(document.createElement("style")))
  const host = parentElement.host ?? parentElement
  const color = getComputedStyle(host).getPropertyValue("--st-link-color").trim() || "inherit"
  style.textContent = `
    [data-variant="segmented_control"][aria-checked="true"] p { color: ${color} !important; }
    [data-testid="stBaseButton-primary"] kbd { color: inherit !important; opacity: 1 !important; }`
}

export default function (component) {
  const { data, parentElement } = component
  document.documentElement.lang = data.lang
  const state = (window.promptstoneKeys ??= { fields: {}, installed: false })
  state.fields = data.fields
  readable(state, parentElement)
  if (!state.installed) {
    state.installed = true
    install(state)
  }
}
