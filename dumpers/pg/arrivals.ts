/**
 * Commands as they arrive, of a session whose bytes are fed before they are sent: an `intent` for each that
 * makes the server act. Names mean at arrival what the commands before it, unanswered yet, will have made of
 * them; where that hangs on replies the text is left out and the name stands alone.
 *
 * Which Execute is covered by the intent of its Bind: one right behind it (if the Bind fails, the server
 * skips both), or, when nothing is unanswered, one of a portal whose record is still to be given. Any other
 * has a number and an intent of its own, and an `intent.over` if it turns out to belong to the portal's
 * record. A number that was told is never given again.
 */
import type { AuditEvent, Intent, Micros, QueryText, Who } from '../../src/event.ts'
import type { SessionLimits } from '../../src/session.ts'
import type { Batch } from './batch.ts'
import type { PgBoundValues } from './bound-values.ts'
import type { Command } from './commands.ts'
import { Execution } from './execution.ts'
import { HeldNumbers } from './held-numbers.ts'
import { type PortalStore, type Prepared, PreparedStore } from './statements.ts'

/** Most chunks that are told apart while they are not sent on; further ones count as one. */
const MOST_BATCHES = 100

/** SQL that may give a name of a statement another meaning. */
const MAKES_NAMES = /prepare/i

/** What is looked at of the session's state. */
export interface ArrivalState {
  seq: number
  readonly now: Micros
  readonly afterGap: boolean
  readonly limits: SessionLimits
  readonly identity: { readonly who: Who }
  readonly queue: { readonly head: Command | undefined }
  readonly portals: PortalStore
  /** where a name means what a Bind of it now means */
  storeOf(statement: string): PreparedStore
  emit(event: AuditEvent): void
}

/** What a Bind's statement is, as far as it is known at arrival. */
interface Meaning {
  readonly text?: QueryText | undefined
  readonly oids?: readonly number[] | undefined
  readonly prepareSeq?: number | undefined
}

const UNKNOWN: Meaning = {}

export class Arrivals {
  readonly #state: ArrivalState
  /** where in the chunk at hand the message at hand began */
  messageAt = 0
  /** and the first one that gave an intent; -1 when none did */
  #firstAt = -1
  /** tokens of intents that nothing has settled */
  readonly #open = new Set<number>()
  /** bytes that the frontend was fed with: before the chunk at hand, and with it */
  #before = 0
  #fed = 0
  /** commands that were not sent on yet, oldest first; the last ones may be those of the chunk at hand */
  readonly #unsent: Batch[] = []
  #batch: Batch | undefined
  /** Parses since nothing was unanswered, by name */
  readonly #parsed: PreparedStore
  #hasParsed = false
  /** number of the last one when the last Sync came: Parses of a higher one are of the series at hand */
  #series = 0
  /** last Bind, with nothing behind it that may change portals; may an Execute still be covered by it? */
  #bound: Command | undefined
  #meaning: Meaning = UNKNOWN
  #covers = false
  #isBoundHeld = false
  /** last command that was looked at for SQL that makes names, and whether one was found */
  #looked: Command | undefined
  #makesNames = false
  readonly #heldNumbers = new HeldNumbers()
  /** placeholders that were pushed since all was sent on */
  #unsentHeld = 0

  constructor(state: ArrivalState) {
    const { maxStatements, maxQueryBytes } = state.limits
    this.#state = state
    this.#parsed = new PreparedStore(maxStatements, maxQueryBytes)
  }

  /** bytes of texts held */
  get bytes(): number {
    return this.#parsed.bytes
  }

  /** What the commands of the chunk at hand share: those before its first intent, or those from there on. */
  get batch(): Batch {
    if (this.#batch === undefined) {
      this.#batch = { at: 0, end: this.#fed }
      this.#unsent.push(this.#batch)
    }
    return this.#batch
  }

  /** See {@link Session.heldFrom}. */
  get heldFrom(): number {
    return Math.max(0, this.#firstAt)
  }

  /** A chunk of the frontend is about to be read. */
  chunk(bytes: number): void {
    this.#firstAt = -1
    this.#before = this.#fed
    this.#fed += bytes
    if (this.#unsent.length < MOST_BATCHES) this.#batch = undefined
    else if (this.#batch !== undefined) this.#batch.end = this.#fed
  }

  /** What was read was no chunk: bytes kept from before were among it. */
  forgetPlace(): void {
    this.#firstAt = -1
  }

  /** All that was fed has been sent on, but the last `unsent` bytes. */
  sent(at: Micros, unsent: number): void {
    const end = this.#fed - unsent
    for (let first = this.#unsent[0]; first !== undefined && first.end <= end; first = this.#unsent[0]) {
      first.at = at
      this.#unsent.shift()
      if (first === this.#batch) this.#batch = undefined
    }
    if (unsent === 0) this.#unsentHeld = 0
  }

  /** A command has come whole; `isHeld`: the queue will keep a placeholder of it. Gives its intent. */
  arrived(command: Command, isHeld: boolean): void {
    const { queue, seq } = this.#state
    if (queue.head === undefined) this.#allAnswered()
    switch (command.kind) {
      case 'Parse':
        if (command.prepared !== undefined) {
          this.#parsed.set(command.prepared)
          this.#hasParsed = true
        }
        this.#give(0, undefined)
        return
      case 'Bind':
        this.#bind(command, isHeld)
        return
      case 'Execute':
        this.#execute(command, isHeld)
        return
      case 'Sync':
        this.#series = seq
        break
      case 'Query':
      case 'FunctionCall':
        if (isHeld && MAKES_NAMES.test(command.execution?.text?.text ?? '')) this.#makesNames = true
        if (command.execution !== undefined) this.#giveOf(command.execution)
        break
      case 'DescribeStatement':
      case 'DescribePortal':
      case 'Describe':
      case 'Flush':
        return
    }
    this.#bound = undefined
  }

  /** Every command before the one at hand is settled: names mean what replies made of them. */
  #allAnswered(): void {
    this.#bound = undefined
    this.#looked = undefined
    this.#makesNames = false
    if (!this.#hasParsed) return
    this.#parsed.clear()
    this.#hasParsed = false
  }

  #bind(command: Command, isHeld: boolean): void {
    const { execution } = command
    if (execution === undefined) return
    const meaning = command.nameless || execution.malformed ? UNKNOWN : this.#meaningOf(command.statement)
    if (isHeld && (meaning.text === undefined || MAKES_NAMES.test(meaning.text.text)))
      this.#makesNames = true
    this.#bound = command
    this.#meaning = meaning
    this.#covers = !command.nameless
    this.#isBoundHeld = isHeld
    const { fetches } = execution
    if (!command.nameless) execution.stmtName = command.statement === '' ? undefined : command.statement
    this.#mean(execution, meaning, !command.nameless && !execution.malformed)
    execution.fetches = undefined
    this.#giveOf(execution)
    // what the record says of names is what the replies will have made of them
    this.#mean(execution, UNKNOWN, false)
    execution.stmtName = undefined
    execution.fetches = fetches
  }

  #mean(execution: Execution, { text, oids, prepareSeq }: Meaning, isNamed: boolean): void {
    execution.text = text
    execution.prepareSeq = prepareSeq
    const isMissing = isNamed && text === undefined && prepareSeq === undefined
    execution.reason = isMissing ? 'text_unknown' : undefined
    const values = execution.values as PgBoundValues | undefined
    if (values !== undefined && oids !== undefined) values.oids = oids
  }

  #meaningOf(name: string): Meaning {
    const { queue } = this.#state
    if (queue.head === undefined) return this.#settledMeaning(name)
    if (name !== '' && this.#mayMakeNames()) return UNKNOWN
    const parsed = this.#parsed.get(name)
    if (parsed !== undefined) {
      if (parsed.seq > this.#series) return meaningOf(parsed)
      // its series may have failed, and then the name means what it did before
      const before = this.#settledMeaning(name)
      const isSame = before.text === undefined || before.text.text === parsed.text?.text
      return isSame && before.prepareSeq === undefined ? meaningOf(parsed) : UNKNOWN
    }
    const evicted = this.#parsed.evicted(name)
    if (evicted !== undefined) return { prepareSeq: evicted }
    return this.#parsed.forgot ? UNKNOWN : this.#settledMeaning(name)
  }

  #settledMeaning(name: string): Meaning {
    const store = this.#state.storeOf(name)
    const prepared = store.get(name)
    if (prepared?.text !== undefined) return meaningOf(prepared)
    return { oids: prepared?.oids, prepareSeq: prepared?.seq ?? store.evicted(name) }
  }

  /** Is something unanswered that may give names another meaning? Each command is looked at once. */
  #mayMakeNames(): boolean {
    const { queue } = this.#state
    for (
      let next = this.#looked === undefined ? queue.head : this.#looked.next;
      next !== undefined && !this.#makesNames;
      next = next.next
    ) {
      this.#looked = next
      const { execution, prepared } = next
      const text = execution?.text ?? prepared?.text
      if (text === undefined) continue
      this.#makesNames = text.truncated !== undefined || MAKES_NAMES.test(text.text)
    }
    return this.#makesNames
  }

  #execute(command: Command, isHeld: boolean): void {
    if (this.#isCovered(command, isHeld)) {
      this.#covers = false
      return
    }
    const execution = new Execution(++this.#state.seq, 'extended', command.at)
    execution.portalName = command.portal === '' ? undefined : command.portal
    execution.malformed = command.malformed
    this.#describe(execution, command)
    command.reserved = execution
    this.#giveOf(execution)
  }

  #isCovered({ portal }: Command, isHeld: boolean): boolean {
    const bound = this.#bound
    if (bound !== undefined) {
      const isItsBind = this.#covers && bound.portal === portal && this.#isBoundHeld === isHeld
      return isItsBind && bound.execution?.written === false
    }
    if (this.#state.queue.head !== undefined || isHeld) return false
    const execution = this.#state.portals.get(portal)?.execution
    return execution !== undefined && !execution.written
  }

  /** What the portal runs, if that is known by now. */
  #describe(execution: Execution, { portal: name }: Command): void {
    const bound = this.#bound
    if (bound !== undefined && bound.portal === name && !bound.nameless) {
      execution.stmtName = bound.statement === '' ? undefined : bound.statement
      execution.values = bound.execution?.values
      this.#mean(execution, this.#meaning, true)
    } else if (this.#state.queue.head === undefined) {
      const portal = this.#state.portals.get(name)
      const before = portal?.execution
      execution.text = before?.text ?? portal?.text
      execution.values = before?.values
      execution.stmtName = before?.stmtName ?? portal?.stmtName
    }
    if (execution.text === undefined) execution.reason = 'text_unknown'
  }

  #giveOf(execution: Execution): void {
    execution.afterGap = this.#state.afterGap
    this.#open.add(execution.seq)
    this.#give(execution.seq, execution)
    execution.afterGap = false
  }

  #give(token: number, execution: Execution | undefined): void {
    if (this.#firstAt < 0) this.#hold()
    const { identity, now } = this.#state
    const { who } = identity
    const statement = execution?.intent(who)
    this.#state.emit(new IntentEvent(now, who, token, statement))
  }

  /** The chunk waits from here on; what is before it is sent on sooner. */
  #hold(): void {
    this.#firstAt = this.messageAt
    if (this.#batch === undefined || this.#unsent.length >= MOST_BATCHES) return
    this.#batch.end = this.#before + this.messageAt
    this.#batch = undefined
  }

  /** The record of that number was given. */
  recorded(seq: number): void {
    this.#open.delete(seq)
  }

  /** No record of that number will be given. */
  over(seq: number): void {
    if (!this.#open.delete(seq)) return
    const { identity, now } = this.#state
    this.#state.emit({ event: 'intent.over', at: now, who: identity.who, token: seq })
  }

  /** Nothing that is open will have a record. */
  overAll(): void {
    for (const token of this.#open) this.over(token)
  }

  /** The queue keeps a placeholder of a command with that number; 0 is none. */
  held(seq: number): void {
    this.#unsentHeld++
    if (seq > 0) this.#heldNumbers.push(seq)
  }

  /** The number of the placeholder whose turn has come. */
  revived(): number {
    return this.#heldNumbers.shift()
  }

  /** The placeholders are given up. Their intents are not over: they are all that is known of them. */
  leaveHeld(): void {
    for (let seq = this.revived(); seq > 0; seq = this.revived()) this.#open.delete(seq)
  }

  /** The batch of a revived placeholder, behind which so many wait; undefined when it was sent long ago. */
  batchBehind(waiting: number): Batch | undefined {
    if (waiting >= this.#unsentHeld) return undefined
    this.#unsentHeld = waiting
    return this.batch
  }
}

const meaningOf = ({ text, oids }: Prepared): Meaning => ({ text, oids })

/** A class, so that all intents have one shape. */
class IntentEvent implements Intent {
  readonly event = 'intent'
  readonly at: Micros
  readonly who: Who
  readonly token: number
  readonly statement?: NonNullable<Intent['statement']>

  constructor(at: Micros, who: Who, token: number, statement: Intent['statement']) {
    this.at = at
    this.who = who
    this.token = token
    if (statement !== undefined) this.statement = statement
  }
}
