// Builds ../template_editor.js from the packages of the lock, installed in the folder it is given.
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const folder = resolve(process.argv[2])
const esbuild = createRequire(join(folder, "package.json"))("esbuild")
const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"))

const bundled = Object.entries(lock.packages)
  .filter(([path, one]) => path && !one.dev && !one.devOptional)
  .map(([path, one]) => ({ path, name: path.replace("node_modules/", ""), version: one.version }))

const licences = new Map()
for (const one of bundled) {
  const file = ["LICENSE", "LICENSE.md"].map((name) => join(folder, one.path, name)).find(existsSync)
  if (!file) throw new Error(`${one.name} has no licence file`)
  const text = readFileSync(file, "utf8").trim()
  licences.set(text, [...(licences.get(text) ?? []), one.name])
}
const sources = ["main.js", "completion.js", "jinja.js"].map((name) => readFileSync(join(here, name)))
const digest = createHash("sha256").update(Buffer.concat(sources)).digest("hex")
const header = [
  "Built by `make editor` from editor_source/; do not edit.",
  `Sources: sha256 ${digest}`,
  ...bundled.map((one) => `${one.name} ${one.version}`),
  ...[...licences].flatMap(([text, names]) => ["", `${names.join(", ")}:`, "", ...text.split("\n")]),
].map((line) => ` * ${line}`.trimEnd()).join("\n")

const { outputFiles } = await esbuild.build({
  entryPoints: [join(here, "main.js")],
  nodePaths: [join(folder, "node_modules")],
  bundle: true, format: "esm", minify: true, target: "es2022", charset: "ascii",
  legalComments: "none", write: false,
})
writeFileSync(join(here, "..", "template_editor.js"), `/*\n${header}\n */\n${outputFiles[0].text}`)
