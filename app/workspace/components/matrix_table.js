// Cases by arms as a table. One cell is in the order of the Tab key; arrows walk from it.
const HELD_MS = 120
const tables = new WeakMap()

const cellOf = (told, tag) => {
  const node = document.createElement(tag)
  node.setAttribute("dir", "auto")
  node.textContent = visible(told)
  return node
}

const row = ([name, cells]) => {
  const line = document.createElement("tr")
  const head = cellOf(name, "th")
  head.setAttribute("scope", "row")
  head.title = head.textContent
  line.append(head, ...cells.map((told) => {
    if (told === null) return document.createElement("td")
    const [id, text, looks] = told
    const node = cellOf(text, "td")
    node.dataset.id = id
    node.classList.add(...looks)
    node.tabIndex = -1
    return node
  }))
  return line
}

const head = (data) => {
  const line = document.createElement("tr")
  for (const name of [data.case, ...data.arms]) {
    const node = cellOf(name, "th")
    node.setAttribute("scope", "col")
    node.title = node.textContent
    line.append(node)
  }
  return line
}

const build = (state, data) => {
  const table = document.createElement("table")
  table.setAttribute("role", "grid")
  table.setAttribute("aria-label", data.label)
  table.style.setProperty("--arms", data.arms.length)
  const [top, body] = [document.createElement("thead"), document.createElement("tbody")]
  top.append(head(data))
  body.append(...data.rows.map(row))
  table.append(top, body)
  state.box.replaceChildren(table)
  state.table = table
}

const ids = (state) => state.table.querySelectorAll("td[data-id]")

const mark = (state, id) => {
  const cells = [...ids(state)]
  const chosen = cells.find((cell) => cell.dataset.id === String(id))
  for (const cell of cells) {
    cell.setAttribute("aria-selected", String(cell === chosen))
    cell.tabIndex = -1
  }
  const first = chosen ?? cells[0]
  if (first) first.tabIndex = 0
  state.marked = chosen ? String(id) : null
  return chosen
}

const open = (state, cell, wait) => {
  mark(state, cell.dataset.id)
  cell.focus({ preventScroll: true })
  clearTimeout(state.timer)
  const tell = () => state.tell(Number(cell.dataset.id))
  // A held arrow opens the cell at which it stops.
  if (wait) state.timer = setTimeout(tell, HELD_MS)
  else tell()
}

const STEPS = {
  ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1],
  PageDown: [10, 0], PageUp: [-10, 0],
}

const stepped = (cell, [down, right]) => {
  const lines = [...cell.closest("tbody").rows]
  const at = cell.closest("tr").sectionRowIndex
  const to = Math.min(Math.max(at + down, 0), lines.length - 1)
  const step = Math.sign(right || down)
  if (right) {
    let next = cell
    do next = step > 0 ? next.nextElementSibling : next.previousElementSibling
    while (next && !next.dataset.id)
    return next
  }
  for (let n = to; n !== at; n -= step) {
    const next = lines[n].cells[cell.cellIndex]
    if (next.dataset.id) return next
  }
  return null
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const box = parentElement.querySelector(".matrix")
  const state = tables.get(box) ?? { box }
  tables.set(box, state)
  state.tell = (id) => setTriggerValue("opened", id)

  const shown = JSON.stringify([data.rows, data.arms, data.case, data.label])
  if (state.shown !== shown) {
    const root = box.getRootNode()
    const had = state.table?.contains(root.activeElement)
    const [top, left] = [box.scrollTop, box.scrollLeft]
    const marked = state.marked
    state.shown = shown
    build(state, data)
    box.scrollTop = top
    box.scrollLeft = left
    const cell = mark(state, data.selected ?? marked)
    if (had) cell?.focus({ preventScroll: true })
    state.told = data.selected
  } else if (state.told !== data.selected) {
    // The address moved by something else than a press here, as by going back.
    state.told = data.selected
    if (data.selected !== null && String(data.selected) !== state.marked) {
      mark(state, data.selected)?.scrollIntoView({ block: "nearest" })
    }
  }

  box.onclick = (event) => {
    const cell = event.target.closest("td[data-id]")
    // Whoever marks words with the mouse wants to copy them.
    if (cell && !String(getSelection())) open(state, cell, false)
  }
  box.onkeydown = (event) => {
    const cell = event.target.closest("td[data-id]")
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault()
      open(state, cell, false)
      return
    }
    const step = STEPS[event.key]
    if (!step) return
    event.preventDefault()
    event.stopPropagation()
    const next = stepped(cell, step)
    if (!next) return
    open(state, next, event.repeat)
    next.scrollIntoView({ block: "nearest", inline: "nearest" })
  }
  return () => {
    clearTimeout(state.timer)
    tables.delete(box)
  }
}
