// A picture as the server drew it: shapes and texts alone, nothing that loads or runs.
const KNOWN = {
  svg: ["role", "aria-label", "viewBox"],
  title: [],
  g: ["class"],
  path: ["class", "d", "transform", "stroke-dasharray"],
  text: ["class", "x", "y", "text-anchor"],
}
const SPACE = "http://www.w3.org/2000/svg"

const copied = (from) => {
  if (from.nodeType === Node.TEXT_NODE) return document.createTextNode(from.data)
  const known = KNOWN[from.localName]
  if (!known) return document.createTextNode("")
  const node = document.createElementNS(SPACE, from.localName)
  for (const name of known) {
    if (from.hasAttribute(name)) node.setAttribute(name, from.getAttribute(name))
  }
  node.append(...[...from.childNodes].map(copied))
  return node
}

export default function (component) {
  const { data, parentElement } = component
  const box = parentElement.querySelector(".picture")
  const shown = JSON.stringify(data)
  if (box.dataset.shown === shown) return
  box.dataset.shown = shown
  const read = new DOMParser().parseFromString(data.svg, "text/html").querySelector("svg")
  const drawn = copied(read)
  data.colors.forEach((color, place) => {
    const name = place === data.colors.length - 1 ? "x" : place
    drawn.querySelectorAll(`.a${name}`).forEach((node) => { node.style.color = color })
  })
  box.replaceChildren(drawn)
  // A scrolled box must be reached by keys, too.
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0
}
