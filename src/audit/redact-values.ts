/** Bound values of which some are masked. */
import type { BoundValues, QueryText } from '../event.ts'
import type { ScanOptions } from '../sql/scan.ts'
import type { Secrets } from './redact-found.ts'
import { maskSpans, REDACTED } from './redact-mask.ts'
import { maySecret } from './redact-names.ts'
import { valueSecrets } from './redact-sql.ts'

/** Shorter values cannot hold a connection string or a statement with a secret. */
const SHORTEST_SECRET = 8
/** of these no value is text */
const PLAIN_TYPE = /^(?:int|float|numeric|bool|date|time|interval|uuid|oid)/
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

/** A text that may make a statement of its values. */
const PUTS_TOGETHER = /\|\||format|concat|execute|dblink/i
const DEFAULT_OPTIONS: ScanOptions = {}

/**
 * The values with what must not be seen masked, or undefined when there is nothing. `params` are those that
 * are secrets as a whole.
 */
export const maskValues = (
  values: BoundValues,
  params: Secrets['params'],
  texts: Texts,
): Masked | undefined => {
  if (params === 'all') return maskAll(values)
  const options = texts.text ?? DEFAULT_OPTIONS
  let masked: MaskedValues | undefined
  for (let index = 0; index < values.count; index++) {
    const whole = params.has(index + 1)
    const secrets = whole ? undefined : secretsOf(values, index, options)
    if (!whole && !secrets) continue
    if (secrets?.params === 'all' && putTogether(texts)) return maskAll(values)
    masked ??= new MaskedValues(values)
    if (secrets) masked.maskPart(index, secrets)
    else masked.maskWhole(index)
  }
  return masked
}

const putTogether = ({ text, executed }: Texts): boolean =>
  PUTS_TOGETHER.test(text?.text ?? '') || PUTS_TOGETHER.test(executed?.text ?? '')

const maskAll = (values: BoundValues): Masked => {
  const masked = new MaskedValues(values)
  for (let index = 0; index < values.count; index++) masked.maskWhole(index)
  return masked
}

const secretsOf = (values: BoundValues, index: number, options: ScanOptions): Secrets | undefined => {
  if (values.byteLength(index) < SHORTEST_SECRET) return undefined
  const type = values.type(index)
  if (type !== undefined && PLAIN_TYPE.test(type)) return undefined
  const text = values.text(index)
  if (text === null || !maySecret(text)) return undefined
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

  maskWhole(index: number): void {
    const text = this.#values.text(index)
    if (text === null) return
    this.words.add(text)
    this.#masked[index] = REDACTED
  }

  maskPart(index: number, secrets: Secrets): void {
    const text = this.#values.text(index)
    if (text === null || secrets.spans.length === 0) return
    for (const word of secrets.words) this.words.add(word)
    // the spans are those of the bytes, not of their hex form
    this.#masked[index] = HEX.test(text) ? REDACTED : maskSpans(text, secrets.spans)
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
