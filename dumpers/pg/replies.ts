/**
 * Backend messages settle the head of the queue. Never the first byte alone: what a reply means is what the
 * command at the head asked for. Notices, notifications and parameter reports come at any time and settle
 * nothing.
 */
import type { Bytes } from '../../src/flow.ts'
import { shortString } from '../../src/framing/short-strings.ts'
import type { PgBoundValues } from './bound-values.ts'
import type { Command, CommandKind } from './commands.ts'
import { leaveSimpleCopy } from './copy-failure.ts'
import { decodeParameterDescription, decodeParameterStatus } from './decode.ts'
import { applyTag } from './effects.ts'
import { Execution } from './execution.ts'
import { B } from './messages.ts'
import type { PgState } from './state.ts'
import { decodingOf } from './text.ts'
import { IDLE } from './transaction.ts'

/** The head, when it is of that kind. A Sync or copy data before it was ignored by the server, and goes. */
const headOf = (state: PgState, kind: CommandKind): Command | undefined => {
  const head = answerable(state)
  return head?.kind === kind ? head : undefined
}

/** The first command that has a reply other than ReadyForQuery. */
const answerable = (state: PgState): Command | undefined => {
  const { queue } = state
  let head = queue.head
  while (head !== undefined && isIgnorable(head)) {
    queue.shift()
    head = queue.head
  }
  return head
}

/** Is it of no meaning to a server that copies? */
export const isIgnorable = ({ kind }: Command): boolean =>
  kind === 'Sync' || kind === 'Flush' || isCopy(kind)

const isCopy = (kind: CommandKind | undefined): boolean => kind === 'CopyData' || kind === 'CopyEnd'

/** Takes the head out; copy data behind it that the server ignored goes with it. */
export const shift = (state: PgState): void => {
  const { queue } = state
  state.target = undefined
  queue.shift()
  dropCopyMessages(state)
}

const dropCopyMessages = ({ queue }: PgState): void => {
  while (isCopy(queue.head?.kind)) queue.shift()
}

/** Execution that a reply with rows, a tag or a copy belongs to. */
export const runner = (state: PgState): Execution | undefined => {
  if (state.target !== undefined) return state.target
  const head = answerable(state)
  const execution = head?.kind === 'Execute' ? executionOf(state, head) : head?.execution
  if (head === undefined) state.stray = 'reply'
  if (head === undefined || execution === undefined || head.kind === 'Bind') return undefined
  // a simple query drops the unnamed statement first of all
  if (head.kind === 'Query' && !execution.answered) state.prepared.delete('')
  state.touch(execution)
  state.target = execution
  return execution
}

/** The record to which an Execute belongs: its Bind's, or one of its own when no Bind made the portal. */
export const executionOf = (state: PgState, command: Command): Execution => {
  if (command.execution !== undefined) return command.execution
  let portal = state.portals.get(command.portal)
  let execution = portal?.execution
  if (execution === undefined || execution.written || execution === state.finished) {
    const before = execution
    execution = command.reserved ?? new Execution(++state.seq, 'extended', command.at)
    execution.fetches = 0
    execution.repeat = before !== undefined
    execution.portalName = command.portal === '' ? undefined : command.portal
    execution.text = before?.text ?? portal?.text
    execution.values = before?.values
    execution.stmtName = before?.stmtName ?? portal?.stmtName
    execution.malformed = command.malformed
    const missing = command.nameless ? 'overflow' : 'text_unknown'
    execution.reason = execution.text === undefined ? missing : undefined
    if (portal === undefined) {
      const { text, stmtName } = execution
      portal = { name: command.portal, execution, text, stmtName, hold: false, bytes: 0 }
      state.setPortal(portal)
    } else portal.execution = execution
  } else state.unreserve(command)
  // the statement's last byte is that of its first Execute
  if (execution.fetches === 0) {
    execution.at = command.at
    execution.batch = command.batch
  }
  command.execution = execution
  return execution
}

/** DataRow, and FunctionCallResponse, which is like one: counted, not kept. */
export const onDataRow = (state: PgState, length: number, count = 1): void => {
  const execution = state.target ?? runner(state)
  if (execution === undefined) return
  execution.rows += count
  execution.bytes += length
}

/** CopyData of the backend. */
export const onCopyData = (state: PgState, length: number, count = 1): void => {
  const execution = state.target ?? runner(state)
  if (execution === undefined) return
  execution.copyMessages += count
  execution.copyBytes += length
}

/** RowDescription and NoData end a Describe; before rows they say nothing. */
const onDescribed = (state: PgState): void => {
  const kind = answerable(state)?.kind
  if (kind === 'DescribePortal' || kind === 'DescribeStatement' || kind === 'Describe') shift(state)
  else if (kind === 'Query' || kind === 'Execute') runner(state)
}

/** ParameterDescription: the types that Parse left to the server. */
const onParameterDescription = (state: PgState, bytes: Bytes, start: number, end: number): void => {
  const head = headOf(state, 'DescribeStatement')
  const prepared = head === undefined || head.nameless ? undefined : state.prepared.get(head.statement)
  if (prepared === undefined) return
  try {
    prepared.oids = decodeParameterDescription(state.cursor.reset(bytes, start, end))
  } catch {
    // the values of its Binds are shown as hex then
  }
}

const onParseComplete = (state: PgState): void => {
  const head = headOf(state, 'Parse')
  if (head === undefined) return
  state.meant.delete(head.statement)
  if (head.prepared !== undefined) state.prepared.set(head.prepared)
  else state.prepared.delete('')
  state.writePrepare(head, 'success')
  shift(state)
}

const onBindComplete = (state: PgState): void => {
  const head = headOf(state, 'Bind')
  const execution = head?.execution
  if (head === undefined || execution === undefined) return
  state.bindTo(head, execution, true)
  state.touch(execution)
  execution.ended = state.now
  const { text, stmtName } = execution
  const bytes = (execution.values as PgBoundValues | undefined)?.heldBytes ?? 0
  state.setPortal({ name: head.portal, execution, text, stmtName, hold: false, bytes })
  shift(state)
}

const onCloseComplete = (state: PgState): void => {
  const head = answerable(state)
  switch (head?.kind) {
    case 'CloseStatement':
      if (head.nameless) state.prepared.clear()
      else state.prepared.delete(head.statement)
      break
    case 'ClosePortal':
      if (head.nameless) state.closePortals(true)
      else state.closePortal(state.portals.delete(head.portal))
      break
    case 'Close':
      state.prepared.clear()
      state.closePortals(true)
      break
    default:
      return
  }
  shift(state)
}

/** CommandComplete (its tag), and EmptyQueryResponse (none). */
const onCommandComplete = (state: PgState, tag: string | undefined): void => {
  const execution = runner(state)
  const head = state.queue.head
  if (execution === undefined || head === undefined) return
  if (execution.copyDirection !== undefined) endCopy(state, execution, tag)
  if (tag !== undefined) {
    const index = execution.tags?.length ?? (execution.tag === undefined ? 0 : 1)
    execution.addTag(tag)
    countAffected(execution, tag)
    state.settling = execution
    applyTag(state, execution, tag, index)
    state.settling = undefined
    // its own portal took the unnamed one's place
    if (head.kind === 'Query') state.closePortal(state.portals.delete(''))
  }
  execution.ended = state.now
  if (head.kind === 'Execute') finishExecute(state, execution)
}

/**
 * Tags that end in a number of rows which were not returned as rows. `SELECT n` without rows is CREATE
 * TABLE AS.
 */
const countAffected = (execution: Execution, tag: string): void => {
  if (tag.startsWith('SELECT ') && (execution.rows > 0 || tag === 'SELECT 0')) return
  const count = Number(tag.slice(tag.lastIndexOf(' ') + 1))
  if (!Number.isInteger(count) || tag.startsWith('FETCH ')) return
  if (tag.startsWith('COPY ')) execution.copyRows = count
  if (execution.copyDirection !== 'out') execution.affected = (execution.affected ?? 0) + count
}

const finishExecute = (state: PgState, execution: Execution): void => {
  execution.fetches = (execution.fetches ?? 0) + 1
  shift(state)
  if (execution.repeat && execution.rows === 0 && execution.error === undefined) {
    // running a portal to whose end it was run before does nothing
    execution.written = true
    state.arrivals?.over(execution.seq)
    return
  }
  if (execution.written) return
  if (state.queue.head?.kind === 'Sync') state.finished = execution
  else {
    state.write(execution, execution.settled, state.now)
    state.flushTransactions()
  }
}

/** PortalSuspended: more rows are there for another Execute. */
const onPortalSuspended = (state: PgState): void => {
  const execution = runner(state)
  if (execution === undefined || state.queue.head?.kind !== 'Execute') return
  execution.fetches = (execution.fetches ?? 0) + 1
  execution.ended = state.now
  state.txn.succeeded()
  state.writeOpen(execution)
  shift(state)
}

/** CopyInResponse, CopyOutResponse, CopyBothResponse. */
const onCopyResponse = (state: PgState, direction: 'in' | 'out' | 'both'): void => {
  const execution = runner(state)
  if (execution === undefined) return
  execution.copyDirection = direction
  state.copyIn = direction !== 'out'
  if (direction !== 'both') return
  state.emit({
    event: 'replication',
    at: execution.at,
    who: execution.who ?? state.identity.who,
    stmt_seq: execution.seq,
    ...(execution.text === undefined ? {} : { text: execution.text }),
  })
  state.writeOpen(execution)
}

/** Copying is over: what the frontend sent meanwhile is counted, its Syncs meant nothing. */
const endCopy = (state: PgState, execution: Execution, tag: string | undefined): void => {
  if (!state.copyIn) return
  state.copyIn = false
  const head = state.queue.head
  for (let next = head?.next; next !== undefined && isIgnorable(next); next = next.next) {
    countCopied(execution, next)
    state.queue.dropSecond()
    if (next.kind === 'CopyEnd' && tag !== undefined) break
  }
}

const countCopied = (execution: Execution, command: Command): void => {
  if (command.kind !== 'CopyData') return
  execution.copyBytes += command.bytes
  execution.copyMessages += command.messages
}

/** Counts the data that was sent for the COPY at the head, which was not completed. */
export const countSent = (execution: Execution, head: Command): void => {
  for (let next = head.next; next !== undefined && isIgnorable(next); next = next.next) {
    countCopied(execution, next)
    if (next.kind === 'CopyEnd') return
  }
}

/** ReadyForQuery: ends a Query, a Sync or a FunctionCall; `status` is `I`, `T` or `E`. */
export const onReadyForQuery = (state: PgState, status: string): void => {
  const who = state.identity.who
  state.skipping = false
  state.afterCopy = false
  const { queue } = state
  dropCopyMessages(state)
  const head = queue.head
  if (head?.kind === 'Sync') {
    state.release(status)
    shift(state)
  } else if (
    (head?.kind === 'Query' || head?.kind === 'FunctionCall') &&
    head.execution?.answered === true
  ) {
    // a bare ReadyForQuery answers none of these: it belongs to a Sync of a COPY that failed
    const { copyDirection, error } = head.execution
    state.copyIn = false
    state.target = undefined
    state.scan = undefined
    queue.shift()
    state.write(head.execution, head.execution.settled, state.now, status)
    if (copyDirection === 'in' && error !== undefined) leaveSimpleCopy(state, error.error_code)
    else dropCopyMessages(state)
  } else if (head === undefined) state.stray = 'ready'
  state.txn.ready(status, state.now, who)
  if (status === IDLE) state.closePortals(false)
  state.flushTransactions()
}

/** ParameterStatus: what it reports of the session. */
export const onParameterStatus = (state: PgState, bytes: Bytes, start: number, end: number): void => {
  try {
    const { name, value } = decodeParameterStatus(state.cursor.reset(bytes, start, end))
    if (name === 'client_encoding') state.decoding = decodingOf(value)
    else if (name === 'standard_conforming_strings') state.standardConformingStrings = value !== 'off'
    else state.identity.reported(name, value)
  } catch {
    // a report that cannot be read changes nothing
  }
}

/** Settles what a typed message of the backend settles; false for a type that is not of the protocol. */
export const onReply = (
  state: PgState,
  type: number,
  bytes: Bytes,
  start: number,
  end: number,
): boolean => {
  switch (type) {
    case B.CommandComplete:
      onCommandComplete(state, shortString(bytes, start, Math.max(start, end - 1)))
      break
    case B.EmptyQueryResponse:
      onCommandComplete(state, undefined)
      break
    case B.ParseComplete:
      onParseComplete(state)
      break
    case B.BindComplete:
      onBindComplete(state)
      break
    case B.CloseComplete:
      onCloseComplete(state)
      break
    case B.RowDescription:
    case B.NoData:
      onDescribed(state)
      break
    case B.PortalSuspended:
      onPortalSuspended(state)
      break
    case B.ParameterDescription:
      onParameterDescription(state, bytes, start, end)
      break
    case B.CopyInResponse:
      onCopyResponse(state, 'in')
      break
    case B.CopyOutResponse:
      onCopyResponse(state, 'out')
      break
    case B.CopyBothResponse:
      onCopyResponse(state, 'both')
      break
    default:
      return type === B.CopyDone
  }
  return true
}
