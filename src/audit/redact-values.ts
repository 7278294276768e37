/** Bound values of which some are masked. */
import type { BoundValues, QueryText } from '../event.ts'
import type { ScanOptions } from '../sql/scan.ts'
import type { Secrets } from './redact-found.ts'
import type { Pattern } from './redact-level.ts'
import { maskSpans, REDACTED } from './redact-mask.ts'
import { patternSecrets, valueSecrets } from './redact-sql.ts'

/** Shorter values cannot hold a connection string or a statement with a secret. */
const SHORTEST_SECRET = 8
/** of these no value is text */
const PLAIN_TYPE = /^(?:int|float|numeric|bool|date|time|interval|uuid|oid)/
const MYSQL_PLAIN_TYPE = /^(?:tiny|short|long|longlong|double|decimal|newdecimal|year)\b/
const MOST_TYPES = 1024
/** Names of types that were looked at before; there are a few hundred. */
const plainTypes = new Map<string, boolean>()
const isPlainType = (type: string): boolean => {
  let plain = plainTypes.get(type)
  if (plain === undefined) {
    plain = PLAIN_TYPE.test(type) || MYSQL_PLAIN_TYPE.test(type)
    if (plainTypes.size < MOST_TYPES) plainTypes.set(type, plain)
  }
  return plain
}
const HEX = /^\\x(?:[0-9a-f]{2})*$/

/** Bound values of which some are masked, with the secrets that error texts may quote. */
export interface Masked extends BoundValues {
  readonly words: ReadonlySet<string>
}

/** The texts that values are bound to. */
interface Texts {
  readonly text?: QueryText | undefined
  readonly executed?: QueryText | undefined
}

const DEFAULT_OPTIONS: ScanOptions = {}

/**
 * The values with what must not be seen masked, or undefined when there is nothing. `params` are those that
 * are secrets as a whole.
 */
export const maskValues = (
  values: BoundValues,
  params: ReadonlySet<number>,
  { text, executed }: Texts,
): Masked | undefined => {
  const options = text ?? DEFAULT_OPTIONS
  let masked: MaskedValues | undefined
  let patterns: Map<number, Pattern> | undefined
  for (let index = 0; index < values.count; index++) {
    const { secrets, pattern } = params.has(index + 1) ? WHOLE : secretsOf(values, index, options)
    if (secrets) {
      masked ??= new MaskedValues(values)
      masked.mask(index, secrets)
    }
    if (pattern) {
      patterns ??= new Map()
      patterns.set(index + 1, pattern)
    }
  }
  if (patterns === undefined) return masked
  masked ??= new MaskedValues(values)
  for (const query of [text, executed])
    for (const param of query ? fillingsOf(query, patterns) : []) masked.mask(param - 1, 'whole')
  return masked.any ? masked : undefined
}

/** The values that the text puts into others in the place of secrets. */
const fillingsOf = (query: QueryText, patterns: ReadonlyMap<number, Pattern>): Iterable<number> =>
  patternSecrets(query.text, query, patterns)?.params ?? []

interface OfValue {
  readonly secrets: Secrets | 'whole' | undefined
  readonly pattern: Pattern | undefined
}
const NOTHING: OfValue = { secrets: undefined, pattern: undefined }
const WHOLE: OfValue = { secrets: 'whole', pattern: undefined }

const secretsOf = (values: BoundValues, index: number, options: ScanOptions): OfValue => {
  if (values.byteLength(index) < SHORTEST_SECRET) return NOTHING
  const type = values.type(index)
  if (type !== undefined && isPlainType(type)) return NOTHING
  const text = values.text(index)
  if (text === null) return NOTHING
  return valueSecrets(HEX.test(text) ? Buffer.from(text.slice(2), 'hex').toString() : text, options)
}

class MaskedValues implements Masked {
  readonly count: number
  readonly typesKnown: boolean
  readonly words = new Set<string>()
  readonly #values: BoundValues
  readonly #masked: (string | undefined)[] = []

  constructor(values: BoundValues) {
    this.count = values.count
    this.typesKnown = values.typesKnown
    this.#values = values
  }

  get any(): boolean {
    return this.#masked.length > 0
  }

  mask(index: number, secrets: Secrets | 'whole'): void {
    const text = index < this.count ? this.#values.text(index) : null
    if (text === null) return
    if (secrets === 'whole') {
      this.words.add(text)
      this.#masked[index] = REDACTED
    } else if (secrets.spans.length > 0) {
      for (const word of secrets.words) this.words.add(word)
      // the spans are those of the bytes, not of their hex form
      this.#masked[index] = HEX.test(text) ? REDACTED : maskSpans(text, secrets.spans)
    }
  }

  text(index: number): string | null {
    return this.#masked[index] ?? this.#values.text(index)
  }

  /** Of a masked value the length of what stands for it: the true one would narrow the secret down. */
  byteLength(index: number): number {
    const masked = this.#masked[index]
    return masked === undefined ? this.#values.byteLength(index) : Buffer.byteLength(masked)
  }

  type(index: number): string | undefined {
    return this.#values.type(index)
  }

  sha256(index: number): string | undefined {
    return this.#masked[index] === undefined ? this.#values.sha256(index) : undefined
  }
}
