/**
 * Frontend commands → the queue. Nothing here acts on names or portals: a command counts when its reply
 * says so.
 * What the server is known to ignore (after an error, until Sync) is recorded as skipped at once.
 */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { LongText } from '../common/long-text.ts'
import { abandon } from './abandon.ts'
import { LongBind, type PgBoundValues, PgValues } from './bound-values.ts'
import { Command, type CommandKind, codeOfKind, NUMBERED } from './commands.ts'
import {
  decodeBind,
  decodeExecute,
  decodeFunctionCall,
  decodeNamed,
  decodeParse,
  decodeQuery,
} from './decode.ts'
import { Execution } from './execution.ts'
import { type Bind, F, type FunctionCall, type Span } from './messages.ts'
import { readName, serverName } from './names.ts'
import type { PgState } from './state.ts'
import { formOf, makeText, repeatedText } from './text.ts'

/** Most bytes of an undecodable body that its record shows. */
const MAX_BODY_HEX = 1024
/** Bytes of a name that are read in such a body: more than the server compares, in any encoding. */
const MAX_NAME = 256
/** What one command costs in memory beside its text and values, in bytes, roughly. */
const COMMAND_COST = 400

/**
 * One frontend body as the framer hands it on: its kept bytes, and what followed a text or a Bind beyond
 * them.
 */
export interface Body {
  readonly type: number
  readonly bytes: Bytes
  readonly start: number
  readonly end: number
  /** of the whole body */
  readonly length: number
  readonly long: LongText | LongBind | undefined
}

/** Begins to follow a body that is longer than what is kept; `head` are its kept bytes. */
export const openLong = (state: PgState, type: number, head: Bytes): LongText | LongBind | undefined => {
  const { maxQueryBytes, maxValueBytes } = state.limits
  if (type === F.Query) return openLongText(head, 0, Math.min(maxQueryBytes, state.textLimit))
  if (type === F.Parse)
    return openLongText(head, head.indexOf(0) + 1, Math.min(maxQueryBytes, state.textLimit))
  if (type !== F.Bind) return undefined
  const bind = new LongBind(maxValueBytes, Math.min(maxQueryBytes, state.textLimit), state.decoding)
  bind.add(head, 0, head.length)
  return bind
}

const openLongText = (bytes: Bytes, start: number, max: number): LongText => {
  const cut = Math.min(start + max, bytes.length)
  const text = new LongText(bytes.subarray(start, cut), true)
  text.add(bytes, cut, bytes.length)
  return text
}

const textOf = (state: PgState, bytes: Bytes, { start, end }: Span, make = makeText): QueryText => {
  const { decoding, standardConformingStrings } = state
  const max = Math.min(state.limits.maxQueryBytes, state.textLimit)
  if (end - start <= max) return make(bytes, start, end, decoding, standardConformingStrings)
  return openLongText(bytes.subarray(0, end), start, max).finish(
    decoding,
    formOf(standardConformingStrings),
  )
}

const hexOf = (body: Body): string =>
  `\\x${body.bytes.toString('hex', body.start, Math.min(body.end, body.start + MAX_BODY_HEX))}`

/** Query 'Q'. */
const pushQuery = (state: PgState, body: Body): void => {
  const command = new Command('Query', state.now)
  const execution = openExecution(state, 'simple')
  command.execution = execution
  execution.text = queryText(state, body)
  if (execution.text === undefined) {
    execution.malformed = true
    execution.bodyHex = hexOf(body)
  }
  state.lines?.query(execution.text)
  push(state, command, execution.text?.text.length ?? 0)
}

/** The text of a Query; undefined when its body is more, or less, than a text and its NUL. */
const queryText = (state: PgState, body: Body): QueryText | undefined => {
  if (body.long instanceof LongText) {
    const text = body.long.finish(state.decoding, formOf(state.standardConformingStrings))
    return text.truncated?.bytes === body.length - 1 ? text : undefined
  }
  try {
    return textOf(state, body.bytes, decodeQuery(state.cursor.reset(body.bytes, body.start, body.end)))
  } catch {
    return undefined
  }
}

/** Parse 'P'. */
const pushParse = (state: PgState, body: Body): void => {
  const command = new Command('Parse', state.now)
  const seq = ++state.seq
  let text: QueryText | undefined
  let oids: readonly number[] = []
  const cursor = state.cursor.reset(body.bytes, body.start, body.end)
  try {
    if (body.long instanceof LongText) {
      command.statement = readName(cursor, state.decoding)
      text = body.long.finish(state.decoding, formOf(state.standardConformingStrings))
    } else {
      const parse = decodeParse(cursor, state.decoding)
      command.statement = parse.statement
      text = textOf(state, body.bytes, parse.query, repeatedText)
      oids = parse.oids
    }
  } catch {
    command.malformed = true
    command.bodyHex = hexOf(body)
    command.statement = firstName(state, body)
  }
  command.prepared = { name: command.statement, text, oids, seq }
  state.lines?.parse(command)
  push(state, command, text?.text.length ?? 0)
}

/** Bind 'B'. */
const pushBind = (state: PgState, body: Body): void => {
  const command = new Command('Bind', state.now)
  const execution = openExecution(state, 'extended')
  execution.fetches = 0
  command.execution = execution
  try {
    if (body.long instanceof LongBind) readLongBind(state, command, execution, body.long)
    else readBind(state, command, execution, body)
  } catch {
    execution.malformed = true
    execution.bodyHex = hexOf(body)
    readNames(state, command, body)
  }
  execution.portalName = command.portal === '' ? undefined : command.portal
  state.lines?.bind(command, execution.values)
  push(state, command, heldBytes(execution))
}

const heldBytes = ({ values }: Execution): number =>
  values === undefined ? MAX_BODY_HEX : (values as PgBoundValues).heldBytes

const readBind = (state: PgState, command: Command, execution: Execution, body: Body): void => {
  const bind = decodeBind(state.cursor.reset(body.bytes, body.start, body.end), state.decoding)
  command.portal = bind.portal
  command.statement = bind.statement
  if (bind.count === 0) return
  execution.values = openValues(state, body.bytes, bind)
}

const openValues = (state: PgState, bytes: Bytes, message: Bind | FunctionCall): PgValues => {
  const { values, count, formats } = message
  const raw = bytes.toString('latin1', values.start, values.end)
  return new PgValues(raw, count, formats, state.decoding, state.limits.maxValueBytes)
}

const readLongBind = (state: PgState, command: Command, execution: Execution, bind: LongBind): void => {
  command.portal = bind.portal
  command.statement = bind.statement
  execution.values = bind.finish(state.decoding)
  execution.malformed = execution.values === undefined
  command.nameless = !bind.named
}

/** Execute 'E'. */
const pushExecute = (state: PgState, body: Body): void => {
  const command = new Command('Execute', state.now)
  try {
    const execute = decodeExecute(state.cursor.reset(body.bytes, body.start, body.end), state.decoding)
    command.portal = execute.portal
  } catch {
    command.malformed = true
    command.portal = firstName(state, body)
  }
  state.lines?.execute(command)
  push(state, command, 0)
}

/** Describe 'D' and Close 'C'. */
const pushNamed = (state: PgState, body: Body, what: 'Describe' | 'Close'): void => {
  let kind: CommandKind = what
  let name = ''
  try {
    const named = decodeNamed(state.cursor.reset(body.bytes, body.start, body.end), state.decoding)
    name = named.name
    // spelt out: a string put together at run time is slow to compare
    if (what === 'Describe') kind = named.of === 'S' ? 'DescribeStatement' : 'DescribePortal'
    else kind = named.of === 'S' ? 'CloseStatement' : 'ClosePortal'
  } catch {
    // it keeps its place; what it names is not known
  }
  const command = new Command(kind, state.now)
  command.statement = name
  command.portal = name
  push(state, command, 0)
}

/** FunctionCall 'F': runs code with no SQL. */
const pushFunctionCall = (state: PgState, body: Body): void => {
  const command = new Command('FunctionCall', state.now)
  const execution = openExecution(state, 'function')
  command.execution = execution
  try {
    const call = decodeFunctionCall(state.cursor.reset(body.bytes, body.start, body.end))
    execution.functionOid = call.oid
    execution.values = openValues(state, body.bytes, call)
  } catch {
    execution.malformed = true
    execution.bodyHex = hexOf(body)
    if (body.end - body.start >= 4) execution.functionOid = body.bytes.readUInt32BE(body.start)
  }
  push(state, command, body.end - body.start)
}

/** Sync 'S': ends an extended series, and what the server skips after an error. */
const pushSync = (state: PgState, body: Body): void => {
  if (state.skipping) {
    state.skipping = false
    state.forgetSkipped()
  }
  state.afterCopy = false
  if (state.uncertain === 'replies_lost') state.prepared.delete('')
  if (state.uncertain || state.ended) return
  const command = new Command('Sync', state.now)
  command.malformed = body.length > 0
  push(state, command, 0)
}

/** `count` CopyData 'd' of `bytes` together: counted, one command for a run of them. */
export const pushCopyData = (state: PgState, bytes: number, count = 1): void => {
  const { queue } = state
  if (queue.head === undefined || state.skipping || state.uncertain || state.ended) return
  let tail = queue.tail
  if (tail?.kind !== 'CopyData') {
    tail = new Command('CopyData', state.now)
    push(state, tail, 0)
  }
  tail.bytes += bytes
  tail.messages += count
}

/** CopyDone 'c' and CopyFail 'f'. */
const pushCopyEnd = (state: PgState): void => {
  if (state.queue.head === undefined || state.skipping || state.uncertain || state.ended) return
  push(state, new Command('CopyEnd', state.now), 0)
}

const openExecution = (state: PgState, protocol: Execution['protocol']): Execution =>
  new Execution(++state.seq, protocol, state.now)

/** The name that a body begins with, as far as it can be read: the server compares its first bytes only. */
const firstName = (state: PgState, body: Body): string => {
  try {
    return readName(state.cursor.reset(body.bytes, body.start, body.end), state.decoding)
  } catch {
    const end = Math.min(body.end, body.start + MAX_NAME)
    return serverName(body.bytes.subarray(body.start, end), state.decoding)
  }
}

/** The two names of a Bind whose body cannot be decoded. */
const readNames = (state: PgState, command: Command, body: Body): void => {
  command.portal = firstName(state, body)
  const cursor = state.cursor.reset(body.bytes, body.start, body.end)
  try {
    cursor.cend()
    command.statement = readName(cursor, state.decoding)
  } catch {
    command.nameless = true
  }
}

const push = (state: PgState, command: Command, bytes: number): void => {
  const { arrivals, queue } = state
  command.cost = COMMAND_COST + bytes * 2
  const isFull = queue.full || queue.cost + command.cost > state.queueLimit
  if (arrivals !== undefined) {
    arrivals.arrived(command, isFull)
    command.batch = arrivals.batch
    if (command.execution !== undefined) command.execution.batch = command.batch
  }
  if (state.ended || state.skipping) {
    abandon(state, command, 'skipped')
    return
  }
  if (state.afterCopy) state.uncertain ??= 'after_copy_failure'
  if (state.uncertain !== undefined) {
    abandon(state, command, 'unknown', state.uncertain)
    return
  }
  if (!isFull) queue.push(command)
  else if (state.tentative !== undefined) {
    if (state.tentative.overflow()) abandon(state, command, 'unknown', 'replies_lost')
  } else pushPlaceholder(state, command)
}

/** A full queue keeps a byte of it. Its number, if it is told by an intent, stays its own. */
const pushPlaceholder = (state: PgState, command: Command): void => {
  const { arrivals, queue } = state
  const { execution, kind, prepared, reserved } = command
  const seq = (execution ?? reserved ?? prepared)?.seq ?? 0
  const isNumbered = arrivals !== undefined && seq > 0
  if (!queue.pushPlaceholder(codeOfKind(kind) | (isNumbered ? NUMBERED : 0))) state.overflowed = true
  else if (arrivals !== undefined) arrivals.held(seq)
  // its number goes to the record that is made of the placeholder
  else if (execution !== undefined && seq === state.seq) state.seq--
}

/** Puts a typed message of the frontend on the queue; false for a type that is not of the protocol. */
export const onRequest = (state: PgState, body: Body): boolean => {
  switch (body.type) {
    case F.Query:
      pushQuery(state, body)
      break
    case F.Parse:
      pushParse(state, body)
      break
    case F.Bind:
      pushBind(state, body)
      break
    case F.Execute:
      pushExecute(state, body)
      break
    case F.Describe:
      pushNamed(state, body, 'Describe')
      break
    case F.Close:
      pushNamed(state, body, 'Close')
      break
    case F.FunctionCall:
      pushFunctionCall(state, body)
      break
    case F.Sync:
      pushSync(state, body)
      break
    case F.CopyDone:
    case F.CopyFail:
      pushCopyEnd(state)
      break
    case F.Flush:
      // one with a body is an error; any other is not answered
      if (body.length > 0) push(state, new Command('Flush', state.now), 0)
      break
    default:
      return false
  }
  return true
}
