/**
 * A user's own dumper: Redis (protocol RESP2), one record for each command with what came of it.
 *
 *     querytap proxy -l :6380 -r 127.0.0.1:6379 -d ./example-dumper.mjs
 *
 * It keeps the rules of every dumper (docs/dumpers.md): pure, never throws, the same records however the
 * bytes are split, bounded memory, secrets masked, and what it cannot read is said.
 */

const WHO = Object.freeze({ dialect: 'redis' })
const NO_EVENTS = Object.freeze([])

/** What is kept: bytes of a line, a value, a command's text; words of a command; unanswered commands. */
const MAX_TEXT = 1024
const MAX_WORDS = 100
const MAX_QUEUE = 10_000

/** Commands whose arguments are, or may hold, secrets. */
const SECRET = new Set(['AUTH', 'HELLO', 'ACL', 'CONFIG', 'MIGRATE'])

/** Splits one direction into items: lines, `*N` announcements, values of which the first bytes are kept. */
class Reader {
  // As latin1, a character a byte, until it is whole: a chunk may end within a character.
  #kept = ''
  /** length of the value that is being read, -1 within a line; and its bytes to come, CRLF counted */
  #length = -1
  #left = 0

  #take(length) {
    const text = Buffer.from(this.#kept.slice(0, length), 'latin1').toString()
    this.#kept = ''
    return text
  }

  /** @yields {{ type: string, text: string, count?: number }} `type` is `+ - : $ *`, or `inline` */
  *read(chunk) {
    for (let at = 0; at < chunk.length; ) {
      const inValue = this.#length >= 0
      const lineEnd = inValue ? at + this.#left - 1 : chunk.indexOf('\n', at)
      const isWhole = lineEnd >= 0 && lineEnd < chunk.length
      const end = isWhole ? lineEnd + 1 : chunk.length
      const room = Math.max(0, MAX_TEXT - this.#kept.length)
      this.#kept += chunk.toString('latin1', at, Math.min(end, at + room))
      this.#left -= end - at
      at = end
      if (isWhole) yield* inValue ? this.#value() : this.#line()
    }
  }

  *#value() {
    const text = this.#take(this.#length)
    this.#length = -1
    yield { type: '$', text }
  }

  *#line() {
    const line = this.#take(MAX_TEXT).trimEnd()
    const [type, text] = [line[0], line.slice(1)]
    if (type === '*') yield { type, text, count: Math.max(0, lengthOf(text)) }
    else if (type === '+' || type === '-' || type === ':') yield { type, text }
    else if (type !== '$') yield { type: 'inline', text: line }
    else if (lengthOf(text) < 0) yield { type, text: '' }
    else {
      this.#length = lengthOf(text)
      this.#left = this.#length + 2
    }
  }
}

/** The number behind `$` or `*`; -1 is null. Thrown errors end in one `gap` record: see `feed`. */
const lengthOf = (text) => {
  const length = Number(text)
  if (text === '' || !Number.isSafeInteger(length)) throw new Error('a length that is no number')
  return length
}

/** @implements {import('querytap/session').Session} */
class RedisSession {
  #frontend = new Reader()
  #backend = new Reader()
  #words = []
  #wordsLeft = 0
  /** commands without their reply, oldest first */
  #queue = []
  /** items that the oldest command's reply still needs; 0 between replies */
  #itemsLeft = 0
  #firstItem
  #isLost = false
  totals = { who: WHO, statements: 0, undecodedIn: 0, undecodedOut: 0 }
  login = 'opaque'

  feed(from, chunk, at) {
    if (this.#isLost) return this.#count(from, chunk.length)
    const events = []
    try {
      if (from === 'frontend') for (const item of this.#frontend.read(chunk)) this.#request(item, at)
      else for (const item of this.#backend.read(chunk)) this.#reply(item, at, events)
    } catch (error) {
      events.push(this.#lose('framing', from, chunk.length, at, error.message))
    }
    return events.length > 0 ? events : NO_EVENTS
  }

  /** Where the next item begins cannot be known after a hole: say so, and count from here on. */
  gap(from, bytes, at) {
    return this.#isLost ? this.#count(from, bytes) : [this.#lose('lost', from, bytes, at)]
  }

  close(at) {
    const unanswered = this.#queue.splice(0)
    return unanswered.map((command) => this.#record(command, 'unknown', at))
  }

  #request({ type, text, count }, at) {
    if (type === 'inline') {
      if (text !== '') this.#command(text.split(/\s+/).slice(0, MAX_WORDS), at)
      return
    }
    if (type === '*') {
      this.#words = []
      this.#wordsLeft = count
      return
    }
    if (type !== '$' || !(this.#wordsLeft > 0)) throw new Error('a value outside a command')
    if (this.#words.length < MAX_WORDS) this.#words.push(text)
    this.#wordsLeft -= 1
    if (this.#wordsLeft === 0) this.#command(this.#words, at)
  }

  #command(words, at) {
    if (this.#queue.length === MAX_QUEUE) throw new Error(`more than ${MAX_QUEUE} unanswered commands`)
    const name = words[0].toUpperCase()
    const shown = SECRET.has(name) ? [name, '<redacted>'] : words
    const query = shown.map((word) => (/^[\w.:<>*-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')
    this.#queue.push({ name, query: query.slice(0, MAX_TEXT), at })
  }

  #reply(item, at, events) {
    if (this.#queue.length === 0) return
    if (this.#itemsLeft === 0) {
      this.#itemsLeft = 1
      this.#firstItem = item
    }
    this.#itemsLeft += (item.count ?? 0) - 1
    if (this.#itemsLeft !== 0) return
    const isError = this.#firstItem.type === '-'
    const error = isError ? { error_message: this.#firstItem.text } : {}
    events.push(this.#record(this.#queue.shift(), isError ? 'error' : 'success', at, error))
  }

  #record({ name, query, at }, outcome, end, more = {}) {
    this.totals = { ...this.totals, statements: this.totals.statements + 1 }
    const fields = { command: name, query, outcome, duration_us: end - at, ...more }
    return { event: 'message', at, who: WHO, direction: '->', fields }
  }

  #lose(reason, from, bytes, at, detail) {
    this.#isLost = true
    this.#count(from, bytes)
    const direction = from === 'frontend' ? '->' : '<-'
    const gap = { event: 'gap', at, who: WHO, gap_reason: reason, direction, gap_bytes: bytes }
    return detail ? { ...gap, detail } : gap
  }

  #count(from, bytes) {
    const key = from === 'frontend' ? 'undecodedIn' : 'undecodedOut'
    this.totals = { ...this.totals, [key]: this.totals[key] + bytes }
    return NO_EVENTS
  }
}

/** @type {import('querytap/session').Dumper} */
export const dumper = { name: 'redis', defaultPort: 6379, open: () => new RedisSession() }
