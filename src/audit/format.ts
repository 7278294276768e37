/** The two formats of a record, as far as they differ. */
import { quote } from './json.ts'
import { escapeLtsv } from './ltsv.ts'

/** How a format spells things. `key` comes with the separator before it. */
export interface Format {
  readonly open: string
  readonly close: string
  readonly firstKey: (key: string) => string
  readonly key: (key: string) => string
  readonly text: (text: string) => string
  /** a JSON array's text as a value */
  readonly list: (json: string) => string
}

/** `{"ts":"…",…}` */
export const JSON_FORMAT: Format = {
  open: '{',
  close: '}',
  firstKey: (key) => `${quote(key)}:`,
  key: (key) => `,${quote(key)}:`,
  text: quote,
  list: (json) => json,
}

/**
 * A label may hold no colon, no tab, no control character; ours never do, those of a user's own dumper
 * might.
 */
const label = (key: string): string => key.replace(/[^\w.-]/g, '_')

/** `ts:…\tevent:…`; a list is its JSON text */
export const LTSV_FORMAT: Format = {
  open: '',
  close: '',
  firstKey: (key) => `${label(key)}:`,
  key: (key) => `\t${label(key)}:`,
  text: escapeLtsv,
  list: escapeLtsv,
}
