// Passages as text: every word goes through textContent. One block is chosen.
const HIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]/g
const symbol = (c) => {
  const code = c.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  return code === 0x7f ? "\u2421" : "⟨U+" + code.toString(16).toUpperCase().padStart(4, "0") + "⟩"
}
const visible = (text) => text.replace(HIDDEN, symbol)

const part = (tag, name, text) => {
  const node = document.createElement(tag)
  node.className = name
  node.textContent = visible(text)
  return node
}

const drawn = (block) => {
  const node = document.createElement("div")
  node.className = block.off ? "block off" : "block"
  node.setAttribute("role", "option")
  node.dataset.id = block.id
  node.append(part("div", "head", block.head))
  if (block.note) node.append(part("div", "note", block.note))
  // Offsets count characters as Python does, not UTF-16 units.
  const letters = block.repeated ? Array.from(block.text) : []
  const text = part("pre", "text", block.repeated ? "" : block.text)
  text.setAttribute("dir", "auto")
  if (block.repeated) {
    text.append(part("span", "repeated", letters.slice(0, block.repeated).join("")))
    text.append(part("span", "own", letters.slice(block.repeated).join("")))
  }
  node.append(text)
  return node
}

const boxes = new WeakMap()

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const box = parentElement.querySelector(".passages")
  box.setAttribute("aria-label", data.label)
  const state = boxes.get(box) ?? {}
  boxes.set(box, state)

  const shown = JSON.stringify(data.blocks)
  if (state.shown !== shown) {
    state.shown = shown
    box.replaceChildren(...data.blocks.map(drawn))
    state.selected = null
  }
  const choose = (id) => {
    for (const node of box.children) {
      node.setAttribute("aria-selected", String(node.dataset.id === id))
    }
  }
  if (state.selected !== data.selected) {
    const there = [...box.children].find((node) => node.dataset.id === data.selected)
    // Only the box scrolls: the page stays where the reader has it.
    if (there && (there.offsetTop < box.scrollTop ||
        there.offsetTop + there.offsetHeight > box.scrollTop + box.clientHeight)) {
      box.scrollTop = Math.max(0, there.offsetTop - 12)
    }
    state.selected = data.selected
  }
  choose(data.selected)

  if (data.focus && state.focus !== data.focus) box.focus({ preventScroll: true })
  state.focus = data.focus

  const pick = (id) => {
    choose(id)
    setTriggerValue("picked", id)
  }
  box.onclick = (event) => {
    const node = event.target.closest(".block")
    // Whoever marks words with the mouse wants to copy them.
    if (node && !String(getSelection())) pick(node.dataset.id)
  }
  box.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!data.arrows || !step) return
    const nodes = [...box.children]
    const at = nodes.findIndex((node) => node.getAttribute("aria-selected") === "true")
    const next = nodes[at + step]
    event.preventDefault()
    event.stopPropagation()
    if (!next) return
    next.scrollIntoView({ block: "nearest" })
    state.selected = next.dataset.id
    pick(next.dataset.id)
  }
  return () => { boxes.delete(box) }
}
