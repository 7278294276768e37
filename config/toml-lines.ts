/**
 * Where in a TOML document a key stands. Reads only as much of TOML (https://toml.io/en/v1.0.0) as that
 * takes, and only documents that a parser has found to be right.
 */

/** Tables' and keys' names from the outside in; the elements of an array of tables are numbered from 0. */
export type KeyPath = readonly (string | number)[]

const idOf = (path: KeyPath): string => JSON.stringify(path)

class LineReader {
  readonly lines = new Map<string, number>()
  readonly #source: string
  #position = 0
  #table: KeyPath = []
  /** how many elements each array of tables has had, by its path */
  readonly #counts = new Map<string, number>()

  constructor(source: string) {
    this.#source = source
  }

  read(): void {
    for (this.#skipBlank(); this.#position < this.#source.length; this.#skipBlank()) {
      const line = this.#source.slice(0, this.#position).split('\n').length
      if (this.#at('[')) this.#readHeader(line)
      else this.#readPair(line)
    }
  }

  #at(text: string): boolean {
    return this.#source.startsWith(text, this.#position)
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#position
    const text = pattern.exec(this.#source)?.[0] ?? ''
    this.#position += text.length
    return text
  }

  #skipBlank(): void {
    this.#match(/(?:\s+|#[^\n]*)*/y)
  }

  #note(path: KeyPath, line: number): void {
    for (let length = path.length; length > 0; length -= 1) {
      const id = idOf(path.slice(0, length))
      if (!this.lines.has(id)) this.lines.set(id, line)
    }
  }

  #readHeader(line: number): void {
    const isArray = this.#at('[[')
    this.#position += isArray ? 2 : 1
    const names = this.#readKey()
    this.#match(/[\s\]]*/y)
    let path: KeyPath = []
    names.forEach((name, index) => {
      path = [...path, name]
      const id = idOf(path)
      const count = this.#counts.get(id) ?? 0
      if (isArray && index === names.length - 1) {
        this.#counts.set(id, count + 1)
        path = [...path, count]
      } else if (count > 0) path = [...path, count - 1]
    })
    this.#table = path
    this.#note(path, line)
  }

  #readPair(line: number): void {
    const path = [...this.#table, ...this.#readKey()]
    this.#note(path, line)
    this.#match(/\s*=/y)
    this.#skipValue()
  }

  /** `a.b."c d"` */
  #readKey(): string[] {
    const names: string[] = []
    do {
      this.#match(/[ \t]*\.?[ \t]*/y)
      const text = this.#match(/"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[\w-]+/y)
      if (text === '') break
      names.push(unquoted(text))
      this.#match(/[ \t]*/y)
    } while (this.#at('.'))
    return names
  }

  /** To the end of the value: brackets nest, strings hide what is in them. */
  #skipValue(): void {
    for (let depth = 0; this.#position < this.#source.length; ) {
      if (this.#match(STRING) !== '') continue
      if (this.#match(/[^"'[\]{}\n#]+/y) !== '') continue
      const character = this.#source[this.#position] as string
      if (character === '\n' && depth === 0) return
      if (character === '#') this.#match(/#[^\n]*/y)
      else this.#position += 1
      if ('[{'.includes(character)) depth += 1
      if (']}'.includes(character)) depth -= 1
    }
  }
}

const STRING = /"""(?:\\[\s\S]|[^\\])*?"{3,5}|'''[\s\S]*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y

const unquoted = (text: string): string => {
  if (text.startsWith("'")) return text.slice(1, -1)
  if (!text.startsWith('"')) return text
  try {
    return String(JSON.parse(text))
  } catch {
    return text.slice(1, -1)
  }
}

/**
 * The line, from 1, on which the path's key stands; for what stands in an inline table or an array the line
 * of the key that holds it; undefined for what is not in the document at all.
 */
export const locateKeys = (source: string): ((path: KeyPath) => number | undefined) => {
  const reader = new LineReader(source)
  reader.read()
  return (path) => {
    for (let length = path.length; length > 0; length -= 1) {
      const line = reader.lines.get(idOf(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return undefined
  }
}
