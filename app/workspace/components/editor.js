// A text field that tells what stands in it 250 ms after the last key, and at once when left.
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

export default function (component) {
  const { data, parentElement, setStateValue } = component
  let state = fields.get(parentElement)
  if (!state) {
    state = {
      area: parentElement.querySelector("textarea"),
      gutter: parentElement.querySelector(".gutter"),
      sent: null, lines: 0, timer: 0,
    }
    fields.set(parentElement, state)
  }
  const { area, gutter } = state
  state.low = data.height
  area.setAttribute("aria-label", data.label)
  area.placeholder = data.placeholder
  gutter.hidden = !data.numbered
  if (state.sent === null) {
    // Only the first drawing sets the text: a late rerun would take keys back.
    state.sent = data.value
    area.value = data.value
  }
  const send = () => {
    clearTimeout(state.timer)
    if (area.value === state.sent) return
    state.sent = area.value
    setStateValue("value", area.value)
  }
  area.oninput = () => {
    number(state)
    grow(state)
    clearTimeout(state.timer)
    state.timer = setTimeout(send, QUIET_MS)
  }
  area.onblur = send
  area.onscroll = () => { gutter.scrollTop = area.scrollTop }
  area.onkeydown = (event) => {
    if (event.isComposing) return
    if (!(event.ctrlKey || event.metaKey) || event.key !== "Enter") return
    send()
    // The page's shortcut takes the focus away; who goes on typing wants it back.
    if (data.keepsFocus) setTimeout(() => area.focus({ preventScroll: true }), 0)
  }
  number(state)
  grow(state)
  return () => clearTimeout(state.timer)
}
