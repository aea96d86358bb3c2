// Lines of two texts beside each other. Equal ones are folded but for a few around each change.
const AROUND = 3
const SHORTEST = 3
const TAGS = { added: "ins", removed: "del", same: "span" }

const made = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

const side = (number, pieces) => {
  if (!pieces) return [made("td", { className: "number" }), made("td", { className: "nothing" })]
  const changed = pieces.some(([change]) => change !== "same")
  const parts = pieces.map(([change, text]) =>
    made(TAGS[change], { textContent: visible(text) }))
  return [
    made("td", { className: "number", textContent: number }),
    made("td", { className: changed ? "changed" : "", dir: "auto" }, ...parts),
  ]
}

const isEqual = (row) => typeof row === "string"

// Runs of rows: { from, to, folded }.
const runs = (rows) => {
  const near = rows.map(() => false)
  rows.forEach((row, at) => {
    if (isEqual(row)) return
    for (let i = Math.max(0, at - AROUND); i <= Math.min(rows.length - 1, at + AROUND); i++) {
      near[i] = true
    }
  })
  const found = []
  near.forEach((shown, at) => {
    const last = found[found.length - 1]
    if (last && last.folded === !shown) last.to = at + 1
    else found.push({ from: at, to: at + 1, folded: !shown })
  })
  found.forEach((run) => { if (run.to - run.from < SHORTEST) run.folded = false })
  return found
}

const lines = (rows) => {
  let [left, right] = [0, 0]
  return rows.map((row) => {
    const [before, after] = isEqual(row) ? [[["same", row]], [["same", row]]] : row
    const numbers = [before ? ++left : "", after ? ++right : ""]
    return () => made("tr", {}, ...side(numbers[0], before), ...side(numbers[1], after))
  })
}

const draw = (box, { rows, label, words }) => {
  const body = made("tbody", {})
  const drawn = lines(rows)
  for (const run of runs(rows)) {
    const all = () => drawn.slice(run.from, run.to).map((one) => one())
    if (!run.folded) {
      body.append(...all())
      continue
    }
    const button = made("button", {
      type: "button", textContent: words.diff_equal.replace("{n}", run.to - run.from),
    })
    const fold = made("tr", { className: "fold" }, made("td", { colSpan: 4 }, button))
    button.onclick = () => fold.replaceWith(...all())
    body.append(fold)
  }
  const heads = [words.diff_a, words.diff_b].map((text) =>
    made("th", { scope: "col", colSpan: 2, textContent: text }))
  const widths = ["number", "text", "number", "text"].map((className) => made("col", { className }))
  const table = made("table", {}, made("colgroup", {}, ...widths), made("thead", {}, made("tr", {}, ...heads)), body)
  table.setAttribute("aria-label", label)
  box.replaceChildren(table)
}

const drawings = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  const box = parentElement.querySelector(".sides")
  const told = JSON.stringify(data)
  // What was unfolded stays so while the texts are the same.
  if (drawings.get(parentElement) === told) return
  drawings.set(parentElement, told)
  draw(box, data)
}
