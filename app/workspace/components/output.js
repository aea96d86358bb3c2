// Shows a model's text as text. All outputs of a page share one EventSource.
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

// Markdown is read anew as a text grows: at once, then at most ten times a second.
const MARKDOWN_MS = 100
const show = (state, box) => {
  clearTimeout(state.timer)
  const wait = (state.shownAt ?? -MARKDOWN_MS) + MARKDOWN_MS - performance.now()
  if (wait > 0) {
    state.timer = setTimeout(() => show(state, box), wait)
    return
  }
  drawMarkdown(box, visible(state.text))
  if (state.text) state.shownAt = performance.now()
}
const put = (state, box, text) => {
  state.text = text
  if (state.markdown) show(state, box)
  else box.textContent = visible(text)
}
const more = (state, box, text) => {
  state.text += text
  if (state.markdown) show(state, box)
  else box.append(visible(text))
}

const cells = new WeakMap()

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const box = parentElement.querySelector(".output")
  box.setAttribute("aria-label", data.label)
  box.dataset.state = data.live ? "live" : "done"
  const state = cells.get(parentElement) ?? {}
  cells.set(parentElement, state)

  const turned = state.markdown !== !!data.markdown || !!data.pieces !== !!state.pieces
  state.markdown = !!data.markdown
  state.pieces = !!data.pieces
  box.classList.toggle("markdown", state.markdown && !data.pieces)
  if (turned) state.shownAt = undefined
  if (data.pieces) {
    if (state.id) hub.listeners.delete(state.id)
    if (state.id) soon()
    state.id = undefined
    state.text = null
    drawPieces(box, data.pieces)
  } else if (!("id" in state) || state.id !== data.stream) {
    if (state.id) hub.listeners.delete(state.id)
    state.id = data.stream
    put(state, box, data.text)
    if (data.stream) {
      hub.listeners.set(data.stream, {
        set: (text) => put(state, box, text),
        append: (text) => more(state, box, text),
        end: () => {
          hub.listeners.delete(data.stream)
          soon()
          setTriggerValue("ended", data.stream)
        },
      })
    }
    soon()
  } else if (!data.stream ? turned || state.text !== data.text : turned) {
    put(state, box, data.stream ? state.text : data.text)
  }
  return () => {
    clearTimeout(state.timer)
    if (state.id) hub.listeners.delete(state.id)
    cells.delete(parentElement)
    soon()
  }
}
