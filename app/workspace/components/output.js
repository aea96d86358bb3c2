// Shows a model's text as text. All outputs of a page share one EventSource.
const HIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]/g
const symbol = (c) => {
  const code = c.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  return code === 0x7f ? "\u2421" : "⟨U+" + code.toString(16).toUpperCase().padStart(4, "0") + "⟩"
}
const visible = (text) => text.replace(HIDDEN, symbol)

// One connection for all that streams: { listeners: id → {text, done}, source, wanted }.
const hub = (window.promptstoneStreams ??= { listeners: new Map(), source: null, wanted: "" })

const connect = () => {
  const ids = [...hub.listeners.keys()].sort().join(",")
  if (ids === hub.wanted) return
  hub.wanted = ids
  if (hub.source) hub.source.close()
  hub.source = null
  if (!ids) return
  const source = (hub.source = new EventSource("/ui/streams?ids=" + encodeURIComponent(ids)))
  const on = (name, handle) => source.addEventListener(name, (event) => {
    if (hub.source !== source) return
    const message = JSON.parse(event.data)
    const listener = hub.listeners.get(message.id)
    if (listener) handle(listener, message)
  })
  on("text", (listener, message) => listener.set(message.text))
  on("delta", (listener, message) => listener.append(message.text))
  on("end", (listener, message) => listener.end(message))
}

const soon = () => {
  clearTimeout(hub.timer)
  hub.timer = setTimeout(connect, 0)
}

// Pieces of a comparison: removed and added words, told by shape and not by colour alone; or the
// turns of a training row, told by the words of their roles.
const drawPieces = (box, pieces) => {
  box.replaceChildren(...pieces.map(([change, text]) => {
    const tag = change === "added" ? "ins" : change === "removed" ? "del" : "span"
    const node = document.createElement(tag)
    if (["role", "asked", "learned", "avoided"].includes(change)) node.className = change
    node.textContent = visible(text)
    return node
  }))
}

const cells = new WeakMap()

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const box = parentElement.querySelector(".output")
  box.setAttribute("aria-label", data.label)
  box.dataset.state = data.live ? "live" : "done"
  const state = cells.get(parentElement) ?? {}
  cells.set(parentElement, state)

  if (data.pieces) {
    drawPieces(box, data.pieces)
  } else if (!("id" in state) || state.id !== data.stream) {
    if (state.id) hub.listeners.delete(state.id)
    state.id = data.stream
    box.textContent = visible(data.text)
    if (data.stream) {
      hub.listeners.set(data.stream, {
        set: (text) => { box.textContent = visible(text) },
        append: (text) => { box.append(visible(text)) },
        end: () => {
          hub.listeners.delete(data.stream)
          soon()
          setTriggerValue("ended", data.stream)
        },
      })
    }
    soon()
  } else if (!data.stream && box.textContent !== visible(data.text)) {
    box.textContent = visible(data.text)
  }
  return () => {
    if (state.id) hub.listeners.delete(state.id)
    cells.delete(parentElement)
    soon()
  }
}
