/** Bound values of which some are masked. */
import type { BoundValues } from '../event.ts'
import type { ScanOptions } from '../sql/scan.ts'
import { maskSpans, REDACTED } from './redact-mask.ts'
import { maySecret } from './redact-names.ts'
import { type Secrets, valueSecrets } from './redact-sql.ts'

/** Shorter values cannot hold a connection string or a statement with a secret. */
const SHORTEST_SECRET = 8
/** of these no value is text */
const PLAIN_TYPE = /^(?:int|float|numeric|bool|date|time|interval|uuid|oid)/
const HEX = /^\\x(?:[0-9a-f]{2})*$/

/** What is known of the statement that the values are bound to. */
export interface ValueContext {
  /** which values the text takes as secrets */
  readonly params: Secrets['params']
  readonly options: ScanOptions
  /** may the statement put its values together? */
  puts(): boolean
  /** the secrets that are found are added */
  readonly words: Set<string>
}

/** The values with what must not be seen masked, or undefined when there is nothing. */
export const maskValues = (values: BoundValues, context: ValueContext): BoundValues | undefined => {
  const { params, words } = context
  if (params === 'all') return maskAll(values, words)
  let masked: (string | undefined)[] | undefined
  for (let index = 0; index < values.count; index++) {
    const whole = params.has(index + 1)
    const secrets = whole ? undefined : secretsOf(values, index, context.options)
    if (secrets?.params === 'all' && context.puts()) return maskAll(values, words)
    const text = whole
      ? maskWhole(values, index, words)
      : secrets && maskPart(values, index, secrets, words)
    if (text === undefined) continue
    masked ??= []
    masked[index] = text
  }
  return masked && new MaskedValues(values, masked)
}

const maskAll = (values: BoundValues, words: Set<string>): BoundValues => {
  const masked = Array.from({ length: values.count }, (_, index) => maskWhole(values, index, words))
  return new MaskedValues(values, masked)
}

const maskWhole = (values: BoundValues, index: number, words: Set<string>): string | undefined => {
  const text = values.text(index)
  if (text === null) return undefined
  words.add(text)
  return REDACTED
}

const maskPart = (
  values: BoundValues,
  index: number,
  secrets: Secrets,
  words: Set<string>,
): string | undefined => {
  const text = values.text(index)
  if (text === null || secrets.spans.length === 0) return undefined
  for (const word of secrets.words) words.add(word)
  // the spans are those of the bytes, not of their hex form
  return HEX.test(text) ? REDACTED : maskSpans(text, secrets.spans)
}

const secretsOf = (values: BoundValues, index: number, options: ScanOptions): Secrets | undefined => {
  if (values.byteLength(index) < SHORTEST_SECRET) return undefined
  const type = values.type(index)
  if (type !== undefined && PLAIN_TYPE.test(type)) return undefined
  const text = values.text(index)
  if (text === null || !maySecret(text)) return undefined
  return valueSecrets(HEX.test(text) ? Buffer.from(text.slice(2), 'hex').toString() : text, options)
}

class MaskedValues implements BoundValues {
  readonly count: number
  readonly typesKnown: boolean
  readonly #values: BoundValues
  readonly #masked: readonly (string | undefined)[]

  constructor(values: BoundValues, masked: readonly (string | undefined)[]) {
    this.count = values.count
    this.typesKnown = values.typesKnown
    this.#values = values
    this.#masked = masked
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
