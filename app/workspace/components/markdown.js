// A subset of Markdown as elements whose text is set as text: headings, lists, quotes, code,
// tables, rules, strong, emphasis. Links and images are words: nothing is fetched, nothing leads
// away, and no HTML of a model is ever read.
const INLINE = /(`+)([\s\S]*?[^`])\1(?!`)|(\*\*|__)(?=\S)([\s\S]*?\S)\3|(\*|_)(?=\S)([^*_]*?[^\s*_])\5(?!\w)|!\[([^\]]*)\]\(([^)\s]*)[^)]*\)|\[([^\]]*)\]\(([^)\s]*)[^)]*\)/g

// A longer paragraph is no prose: marks in it are not worth the time that looking for them takes.
const MOST_INLINE = 8000

const inline = (node, text, depth = 0) => {
  if (text.length > MOST_INLINE) return node.append(text)
  let from = 0
  const add = (tag, inner, deeper) => {
    const child = document.createElement(tag)
    if (deeper && depth < 4) inline(child, inner, depth + 1)
    else child.textContent = inner
    node.append(child)
  }
  for (const found of text.matchAll(INLINE)) {
    const [whole, tick, code, , strong, , soft, alt, source, words, target] = found
    const before = text[found.index - 1]
    if (found[5] === "_" && before && /\w/.test(before)) continue
    node.append(text.slice(from, found.index))
    from = found.index + whole.length
    if (tick) add("code", code.trim() || code, false)
    else if (strong !== undefined) add("strong", strong, true)
    else if (soft !== undefined) add("em", soft, true)
    else if (source !== undefined) node.append((alt || "image") + " (" + source + ")")
    else if (target !== undefined) node.append(words === target ? words : words + " (" + target + ")")
  }
  node.append(text.slice(from))
}

const FENCE = /^\s{0,3}(```+|~~~+)/
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/
const ITEM = /^(\s*)(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/
const QUOTE = /^\s{0,3}>\s?(.*)$/
const TABLE_LINE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/

const element = (tag, text) => {
  const node = document.createElement(tag)
  if (text !== undefined) inline(node, text)
  return node
}

const cellsOf = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim())

const table = (lines) => {
  const node = document.createElement("table")
  lines.forEach((line, row) => {
    if (row === 1) return
    const tr = document.createElement("tr")
    cellsOf(line).forEach((cell) => tr.append(element(row ? "td" : "th", cell)))
    node.append(tr)
  })
  return node
}

const list = (items) => {
  const ordered = items[0].number !== undefined
  const node = document.createElement(ordered ? "ol" : "ul")
  if (ordered && items[0].number !== "1") node.start = Number(items[0].number)
  let inner = []
  const flush = () => {
    if (inner.length && node.lastChild) node.lastChild.append(list(inner))
    inner = []
  }
  items.forEach((item) => {
    if (item.indent > items[0].indent + 1) return inner.push(item)
    flush()
    node.append(element("li", item.text))
  })
  flush()
  return node
}

const isStart = (line, next) => FENCE.test(line) || HEADING.test(line) || ITEM.test(line) ||
  RULE.test(line) || QUOTE.test(line) || !line.trim() ||
  (line.includes("|") && next !== undefined && TABLE_LINE.test(next) && next.includes("-"))

const blocks = (lines, depth) => {
  const found = []
  let at = 0
  const take = (fits) => {
    const from = at
    while (at < lines.length && fits(lines[at])) at += 1
    return lines.slice(from, at)
  }
  while (at < lines.length) {
    const line = lines[at]
    const fence = line.match(FENCE)
    const heading = line.match(HEADING)
    if (!line.trim()) at += 1
    else if (fence) {
      at += 1
      const inner = take((one) => !one.trim().startsWith(fence[1]))
      at += 1
      const pre = document.createElement("pre")
      pre.textContent = inner.join("\n")
      found.push(pre)
    } else if (heading) {
      at += 1
      // A heading of an answer is none of the page's: it stands in its outline below the others.
      const node = element("p", heading[2])
      node.className = "heading h" + heading[1].length
      found.push(node)
    } else if (RULE.test(line)) {
      at += 1
      found.push(document.createElement("hr"))
    } else if (QUOTE.test(line)) {
      const inner = take((one) => QUOTE.test(one)).map((one) => one.match(QUOTE)[1])
      const node = document.createElement("blockquote")
      if (depth < 4) node.append(...blocks(inner, depth + 1))
      else node.textContent = inner.join("\n")
      found.push(node)
    } else if (ITEM.test(line)) {
      const items = []
      const kind = line.match(ITEM)[3] === undefined
      while (at < lines.length) {
        const item = lines[at].match(ITEM)
        if (item && (item[1].length > 1 || (item[3] === undefined) === kind)) {
          items.push({ indent: item[1].length, number: item[3], text: item[4] })
        } else if (!item && items.length && lines[at].trim() && /^\s/.test(lines[at])) {
          items[items.length - 1].text += "\n" + lines[at].trim()
        } else break
        at += 1
      }
      found.push(list(items))
    } else if (line.includes("|") && TABLE_LINE.test(lines[at + 1] ?? "")) {
      const head = at
      at += 2
      take((one) => one.includes("|"))
      found.push(table(lines.slice(head, at)))
    } else {
      const from = at
      at += 1
      while (at < lines.length && !isStart(lines[at], lines[at + 1])) at += 1
      found.push(element("p", lines.slice(from, at).join("\n")))
    }
  }
  return found
}

const drawMarkdown = (box, text) => box.replaceChildren(...blocks(text.split("\n"), 0))
