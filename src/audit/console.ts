/**
 * Records for a person who watches: one line per event, a second one for values or an error.
 *
 *     12:03:04.125  app@shop    ✓    1.2 ms    3 rows  SELECT * FROM orders WHERE id = $1
 *                                                      $1 = 42  $2 = NULL
 *     12:03:05.001  app@shop    ✗    0.8 ms   42P01    SELECT * FROM order
 *                                                      relation "order" does not exist
 *
 * What came from the traffic cannot move the cursor, colour the screen or forge a line: it is shown escaped.
 */
import { styleText } from 'node:util'
import type { AuditEvent, BoundValues, FlowFacts, Line, MessageEvent, Who } from '../event.ts'
import {
  cancelText,
  cutText,
  endText,
  infileText,
  labelOf,
  lifeText,
  remarkText,
  resultText,
  type Settled,
  setsText,
  showText,
  tookText,
  userAt,
  wordsOf,
} from './console-text.ts'
import type { Encoder } from './encode.ts'
import { createTimestamp, type Timezone } from './timestamp.ts'

export interface ConsoleOptions {
  readonly timezone: Timezone
  readonly bindValues: 'full' | 'length' | 'none'
  readonly color: boolean
  /** the terminal's width in columns at the moment; asked for each record, since a window can be resized */
  readonly columns: () => number
}

type Style = Parameters<typeof styleText>[0]

/** Widths of time, name, duration and rows. */
interface Layout {
  readonly time: number
  readonly name: number
  readonly took: number
  readonly count: number
}

const WIDE: Layout = { time: 12, name: 18, took: 9, count: 12 }
/** for terminals of less than 100 columns: no milliseconds, short names */
const NARROW: Layout = { time: 8, name: 12, took: 8, count: 8 }
const WIDE_FROM = 100
const MIN_TEXT = 30
/** of a text behind a label */
const MIN_LABELLED = 12

/** Where the text begins: behind time, name, mark, duration, rows, and the gaps between them. */
const indentOf = ({ time, name, took, count }: Layout): number =>
  time + 2 + name + 1 + 2 + took + 1 + count + 2
const MAX_VALUE = 60
const MAX_VALUES = 20

const NAME_COLORS: readonly Style[] = [
  'cyan',
  'magenta',
  'blue',
  'yellow',
  'green',
  'cyanBright',
  'magentaBright',
]

const hashOf = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) | 0
  return hash >>> 0
}

const MARKS: Readonly<Record<string, readonly [string, Style]>> = {
  success: ['✓', 'green'],
  error: ['✗', 'red'],
  cancelled: ['⊘', 'yellow'],
  skipped: ['»', 'yellow'],
  unknown: ['?', 'yellow'],
}
const RUNNING = ['…', 'yellow'] as const

const tookStyle = (us: number | undefined): Style => {
  if (us === undefined || us < 100_000) return 'dim'
  return us < 1e6 ? 'yellow' : 'red'
}

class ConsoleEncoder implements Encoder {
  readonly #options: ConsoleOptions
  readonly #timestamp: (at: number) => string

  constructor(options: ConsoleOptions) {
    this.#options = options
    this.#timestamp = createTimestamp(options.timezone)
  }

  encode(flow: FlowFacts | undefined, event: AuditEvent): Line {
    const layout = this.#layout()
    const time = this.#paint('dim', this.#timestamp(event.at).slice(11, 11 + layout.time))
    const name =
      'who' in event ? this.#name(flow, event.who) : this.#paint('dim', 'querytap'.padEnd(layout.name))
    return { head: `${time}  ${name} ${this.#rest(flow, event)}`, tail: '', at: event.at }
  }

  #paint(style: Style, text: string): string {
    // validateStream is off: whether to colour was decided once, by the output's own stream and NO_COLOR.
    return this.#options.color && text !== '' ? styleText(style, text, { validateStream: false }) : text
  }

  #layout(): Layout {
    return this.#options.columns() < WIDE_FROM ? NARROW : WIDE
  }

  #width(): number {
    return Math.max(this.#options.columns() - indentOf(this.#layout()), MIN_TEXT)
  }

  /** Who it is, in a colour of the connection's own, so that sessions can be told apart at a glance. */
  #name(flow: FlowFacts | undefined, who: Who): string {
    const plain = who.username === undefined ? (flow?.client_addr ?? flow?.src_addr ?? '-') : userAt(who)
    const color = NAME_COLORS[hashOf(flow?.conn_id ?? '') % NAME_COLORS.length] ?? 'cyan'
    const { name } = this.#layout()
    return this.#paint(color, showText(plain, name).padEnd(name))
  }

  #rest(flow: FlowFacts | undefined, event: AuditEvent): string {
    switch (event.event) {
      case 'session.start':
        return this.#note(
          '→',
          `connected${flow?.client_addr === undefined ? '' : ` from ${flow.client_addr}`}`,
        )
      case 'session.end':
        return this.#note('←', endText(event))
      case 'message':
        return this.#message(event)
      case 'gap':
        return this.#warning(
          `not decoded: ${event.gap_reason}${event.detail === undefined ? '' : `, ${event.detail}`}`,
        )
      case 'cancel':
        return this.#warning(cancelText(event))
      case 'local_infile':
        return this.#warning(infileText(event))
      case 'audit.start':
      case 'audit.stop':
      case 'audit.rotate':
      case 'audit.delete':
      case 'audit.checkpoint':
        return this.#note('•', lifeText(event))
      case 'audit.loss':
        return this.#paint(['red', 'bold'], `! ${this.#fit(lifeText(event))}`)
      default:
        return this.#settled(event as Settled)
    }
  }

  #fit(text: string): string {
    const { took, count } = this.#layout()
    return showText(text, this.#width() + took + count)
  }

  #note(mark: string, text: string): string {
    return this.#paint('dim', `${mark} ${this.#fit(text)}`)
  }

  #warning(text: string): string {
    return this.#paint('yellow', `! ${this.#fit(text)}`)
  }

  /** Statements and what else has an outcome. */
  #settled(event: Settled): string {
    const [mark, color] = (event.event === 'statement.open' ? RUNNING : MARKS[event.outcome ?? '']) ?? [
      ' ',
      'dim',
    ]
    const layout = this.#layout()
    const took = this.#paint(
      tookStyle(event.duration_us),
      tookText(event.duration_us).padStart(layout.took),
    )
    const failed = event.outcome !== undefined && event.outcome !== 'success'
    const count = showText(resultText(event), layout.count).padStart(layout.count)
    const head = `${this.#paint(color, mark)} ${took} ${this.#paint(failed ? color : 'dim', count)}`
    return `${head}  ${this.#what(event, failed)}${this.#below(event)}`
  }

  #what(event: Settled, failed: boolean): string {
    const label = labelOf(event)
    const text = showText(
      event.text?.text ?? wordsOf(event),
      Math.max(this.#width() - label.length, MIN_LABELLED),
    )
    return this.#paint('dim', label) + (failed ? this.#paint('red', text) : text)
  }

  #below(event: Settled): string {
    const lines: string[] = []
    if (event.event === 'statement' || event.event === 'statement.open') {
      if (event.executed !== undefined)
        lines.push(this.#paint('dim', `runs ${showText(event.executed.text, this.#width())}`))
      const sign = event.protocol === 'binary' ? '?' : '$'
      if (event.values !== undefined) lines.push(this.#values(event.values, sign))
      else if (event.rows !== undefined) lines.push(this.#paint('dim', setsText(event.rows.length)))
      lines.push(this.#paint('dim', showText(remarkText(event), this.#width())))
    }
    const message =
      event.error_message ??
      (event.encode_error === undefined ? undefined : `encode_error ${event.encode_error}`)
    if (message !== undefined) lines.push(this.#paint('red', showText(message, this.#width())))
    return lines
      .filter((line) => line !== '')
      .map((line) => `\n${' '.repeat(indentOf(this.#layout()))}${line}`)
      .join('')
  }

  /** `sign` is the dialect's mark of a parameter. */
  #values(values: BoundValues, sign: string): string {
    const mode = this.#options.bindValues
    if (mode === 'none' || values.count === 0) return ''
    const shown: string[] = []
    for (let i = 0; i < Math.min(values.count, MAX_VALUES); i++) {
      const length = values.byteLength(i)
      const text = mode === 'length' ? (length < 0 ? null : `${length} B`) : values.text(i)
      shown.push(`${sign}${i + 1} = ${text === null ? 'NULL' : showText(text, MAX_VALUE)}`)
    }
    if (values.count > MAX_VALUES) shown.push(`… ${values.count} in all`)
    return this.#paint('cyan', cutText(shown.join('  '), this.#width()))
  }

  #message(event: MessageEvent): string {
    const fields = Object.entries(event.fields).map(([key, value]) => `${key}=${value}`)
    const text = event.text === undefined ? fields : [event.text.text, ...fields]
    return `${this.#paint('dim', event.direction)} ${this.#fit(text.join(' '))}`
  }
}

/** May colours be used on this stream? NO_COLOR set to anything forbids them (no-color.org). */
export const wantsColor = (
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean => stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'

/** The form for people. Its lines carry no number. */
export const createConsoleEncoder = (options: ConsoleOptions): Encoder => new ConsoleEncoder(options)
