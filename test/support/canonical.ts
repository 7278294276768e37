/** Events as plain objects that can be compared and written down: values decoded, absent keys left out. */
import type { AuditEvent, BoundValues, QueryText, Who } from '../../src/event.ts'
import type { Bytes, Direction, Micros } from '../../src/flow.ts'
import { openLink } from '../../src/observe/link.ts'
import type { Session, SessionContext, SessionLimits } from '../../src/session.ts'

export type Plain = { [key: string]: unknown }

/** The limits that a configuration gives when it says nothing. */
export const LIMITS: SessionLimits = {
  maxQueryBytes: 1_048_576,
  maxValueBytes: 65_536,
  maxStatements: 1024,
  maxQueue: 4096,
}

/** What a session is opened with in tests; a part may be replaced. */
export const openContext = (
  more: Partial<Omit<SessionContext, 'limits'>> & { readonly limits?: Partial<SessionLimits> } = {},
): SessionContext => ({
  detail: 'statement',
  connId: 'c1',
  link: openLink(),
  ...more,
  limits: { ...LIMITS, ...more.limits },
})

const plainText = (text: QueryText): string | Plain => {
  const { hex, truncated, standardConformingStrings } = text
  // what is usual in the dialect is left out
  const usual = standardConformingStrings === (text.dialect === 'postgresql')
  if (hex === undefined && truncated === undefined && usual) return text.text
  return present({ text: text.text, hex, truncated, standardConformingStrings })
}

/** The values as the record shows them. */
export const plainValues = (values: BoundValues): (string | null)[] =>
  Array.from({ length: values.count }, (_, index) => values.text(index))

const plainTypes = (values: BoundValues): (string | null)[] | undefined =>
  values.typesKnown
    ? Array.from({ length: values.count }, (_, index) => values.type(index) ?? null)
    : undefined

const plainHashes = (values: BoundValues): Plain | undefined => {
  const hashes = Array.from({ length: values.count }, (_, index) => values.sha256(index) ?? null)
  if (hashes.every((hash) => hash === null)) return undefined
  return { hashes, lengths: Array.from({ length: values.count }, (_, index) => values.byteLength(index)) }
}

const present = (object: Plain): Plain =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))

/** One event. `at` is counted from `began`. */
export const canonical = (event: AuditEvent, began: Micros = 0): Plain => {
  const { text, values, executed, rows, ...rest } = event as AuditEvent & {
    readonly text?: QueryText
    readonly values?: BoundValues
    readonly executed?: QueryText
    readonly rows?: readonly BoundValues[]
  }
  return present({
    ...rest,
    at: event.at - began,
    text: text && plainText(text),
    executed: executed && plainText(executed),
    values: values && plainValues(values),
    types: values && plainTypes(values),
    longValues: values && plainHashes(values),
    rows: rows?.map(plainValues),
  })
}

/** One event as a line; its keys are in the order of the alphabet, whatever order they were made in. */
export const toLine = (event: Plain): string => {
  const sorted = Object.entries(event).sort(([one], [other]) => (one < other ? -1 : 1))
  return `${JSON.stringify({ event: event.event, at: event.at, ...Object.fromEntries(sorted) })}\n`
}

/** A piece of a conversation: bytes that one side sent, or bytes of it that were lost. */
export type Turn =
  | { readonly from: Direction; readonly bytes: Bytes; readonly at?: Micros }
  | { readonly from: Direction; readonly lost: number; readonly at?: Micros }

export const sent = (...bytes: readonly Bytes[]): Turn => ({
  from: 'frontend',
  bytes: Buffer.concat(bytes),
})
export const answered = (...bytes: readonly Bytes[]): Turn => ({
  from: 'backend',
  bytes: Buffer.concat(bytes),
})

/** Feeds the turns to a session, each as `split` has it, and closes it; all events, as plain objects. */
export const converse = (
  session: Session,
  turns: readonly Turn[],
  split: (bytes: Bytes) => readonly Bytes[] = (bytes) => [bytes],
): Plain[] => {
  const events: AuditEvent[] = []
  const began = turns[0]?.at ?? 0
  let now = began
  for (const turn of turns) {
    now = turn.at ?? now + 1
    if ('lost' in turn) events.push(...session.gap(turn.from, turn.lost, now))
    else for (const chunk of split(turn.bytes)) events.push(...session.feed(turn.from, chunk, now))
  }
  events.push(...session.close(now + 1))
  return events.map((event) => canonical(event, began))
}

/** Records of a statement that ran, or of one kind. */
export const ofKind = (events: readonly Plain[], kind: AuditEvent['event']): Plain[] =>
  events.filter(({ event }) => event === kind)

/** What is known of the session in one event. */
export const whoOf = (event: Plain | undefined): Who => (event as { readonly who: Who }).who
