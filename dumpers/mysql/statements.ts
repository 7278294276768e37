/** What a session remembers by statement id: texts, parameter types, and long data sent ahead. Bounded. */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { Order } from '../common/oldest.ts'
import { LongValue } from './long-value.ts'

/** MariaDB's id of the statement that was prepared last, whatever its own. */
export const LAST_STATEMENT = 0xffffffff

/** Evicted statements whose `prepare` record, parameter count and types are still known. */
const MAX_STUBS = 4096
/** Types of so many parameters are kept of an evicted statement. */
const MAX_STUB_TYPES = 64
/** Parameters with long data at a time, in one session. */
const MAX_LONG = 1024
/** What a followed value costs beside its bytes: objects, and a hash outside the heap. */
const LONG_COST = 1024
const STATEMENT_COST = 300

/** A parameter's type as it was sent: the type in the low byte, {@link UNSIGNED_FLAG}. */
export type ParamTypes = readonly number[]

/** A prepared statement. */
export interface Prepared {
  readonly id: number
  /** absent when the body could not be decoded, or the text was not kept or had to be given up */
  text: QueryText | undefined
  /** parameter markers and columns, as the reply to COM_STMT_PREPARE counts them */
  readonly params: number
  readonly columns: number
  /** stmt_seq of its `prepare` record */
  readonly seq: number
  /** of the last execution that sent some */
  types: ParamTypes | undefined
  /** by parameter: what COM_STMT_SEND_LONG_DATA sent since the last execution */
  long: Map<number, LongValue> | undefined
  /** long data came that could not be kept: the next execution's values are not known */
  longLost: boolean
  /** bulk executions of it have a result for each row (see `reply-units.ts`) */
  givesUnits: boolean
  /** long data may have come that nobody saw: the next execution tells, if its values fill its body */
  longUnsure: boolean
}

/** What an execution is read by. */
export type ExecutedStore = Pick<StatementStore, 'get' | 'setTypes' | 'takeLong' | 'forgetOf'>

/** Prepared statements by id. What it holds is bounded by number and by bytes. */
export class StatementStore {
  readonly #max: number
  readonly #maxBytes: number
  readonly #byId = new Map<number, Prepared>()
  /** statements whose text was given up */
  readonly #stubs = new Map<number, Prepared>()
  readonly #order = new Order<Prepared>()
  readonly #stubOrder = new Order<Prepared>()
  #last: Prepared | undefined
  #bytes = 0
  #longs = 0
  #longBytes = 0
  /** something is known since all was forgotten */
  #isKnown = false
  /** {@link LAST_STATEMENT} is understood: MariaDB alone does */
  knowsLast = true

  /** `maxBytes`: of texts and types, and as many again of long data. */
  constructor(max: number, maxBytes: number) {
    this.#max = max
    this.#maxBytes = maxBytes
  }

  /** bytes held, of texts, types and long data */
  get bytes(): number {
    return this.#bytes + this.#longBytes
  }

  /** statements held, those whose text was given up among them */
  get size(): number {
    return this.#byId.size + this.#stubs.size
  }

  /** The statement of that id; of one that was evicted all but its text. */
  get(id: number): Prepared | undefined {
    if (id === LAST_STATEMENT) return this.knowsLast ? this.#last : undefined
    return this.#byId.get(id) ?? this.#stubs.get(id)
  }

  /** The server has prepared a statement: from now on it is the last one. */
  set(id: number, text: QueryText | undefined, params: number, columns: number, seq: number): Prepared {
    this.#drop(id)
    const prepared: Prepared = {
      id,
      text,
      params,
      columns,
      seq,
      types: undefined,
      long: undefined,
      longLost: false,
      givesUnits: false,
      longUnsure: false,
    }
    this.#isKnown = true
    this.#byId.set(id, prepared)
    this.#last = prepared
    this.#order.push(prepared, this.#isHeld, this.#byId.size)
    this.#bytes += costOf(prepared)
    this.#shrink()
    return prepared
  }

  /** Preparing failed: MariaDB then has no last statement. Or nobody saw which one it is. */
  failed(): void {
    this.#last = undefined
  }

  /** An execution sent types: they hold until other ones are sent. `undefined`: they are not known. */
  setTypes(prepared: Prepared, types: ParamTypes | undefined): void {
    if (prepared.types === types) return
    this.#isKnown = true
    const before = costOf(prepared)
    const held = this.get(prepared.id) === prepared
    prepared.types = types
    if (!held) return
    this.#bytes += costOf(prepared) - before
    this.#shrink()
  }

  /** COM_STMT_CLOSE: by its id, or as the last one. */
  delete(id: number): void {
    const prepared = this.get(id)
    if (prepared === undefined) return
    this.#drop(prepared.id)
    if (this.#last === prepared) this.#last = undefined
  }

  /** COM_RESET_CONNECTION, COM_CHANGE_USER: no statement outlives them. */
  clear(): void {
    this.#byId.clear()
    this.#stubs.clear()
    this.#order.clear()
    this.#stubOrder.clear()
    this.#last = undefined
    this.#bytes = 0
    this.#longs = 0
    this.#longBytes = 0
  }

  /**
   * COM_STMT_SEND_LONG_DATA: where its bytes go, chunk by chunk, by {@link addLong}. Undefined when no
   * statement of that id is known, or it has no such parameter: the server says so at the next execution.
   * `maxValueBytes` of a value are kept.
   */
  openLong(id: number, param: number, maxValueBytes: number): LongValue | undefined {
    const prepared = this.get(id)
    if (prepared === undefined || param >= prepared.params) return undefined
    const known = prepared.long?.get(param)
    if (known !== undefined) return known
    if (this.#longs >= MAX_LONG) {
      prepared.longLost = true
      return undefined
    }
    const value = new LongValue(maxValueBytes)
    prepared.long ??= new Map()
    prepared.long.set(param, value)
    this.#longs++
    this.#longBytes += LONG_COST
    return value
  }

  /** Bytes of long data, `bytes[start … end)`, borrowed. */
  addLong(value: LongValue, bytes: Bytes, start: number, end: number): void {
    this.#longBytes += value.add(bytes, start, end, Math.max(0, this.#maxBytes - this.#longBytes))
  }

  /** The long data of a statement, taken out: an execution uses it up, COM_STMT_RESET forgets it. */
  takeLong(prepared: Prepared): ReadonlyMap<number, LongValue> | undefined {
    const { long } = prepared
    prepared.longLost = false
    prepared.longUnsure = false
    this.#isKnown = true
    if (long === undefined) return undefined
    prepared.long = undefined
    for (const value of long.values()) this.#longBytes -= LONG_COST + value.head.length
    this.#longs -= long.size
    return long
  }

  /** COM_STMT_RESET: long data is forgotten, types are not. */
  reset(id: number): void {
    const prepared = this.get(id)
    if (prepared !== undefined) this.takeLong(prepared)
  }

  /**
   * A command was not read that may have sent types or long data to any statement, or used its long data up:
   * values that hang on them are not known until they are sent anew.
   */
  forget(): void {
    if (!this.#isKnown) return
    for (const held of [this.#byId, this.#stubs])
      for (const prepared of held.values()) this.forgetOf(prepared)
    this.#isKnown = false
  }

  /** The same of a command to one statement. */
  forgetOf(prepared: Prepared): void {
    this.setTypes(prepared, undefined)
    this.takeLong(prepared)
    prepared.longLost = true
  }

  /** An execution may have sent other types, unseen, to the statements that `which` tells. */
  forgetTypes(which: (prepared: Prepared) => boolean): void {
    for (const held of [this.#byId, this.#stubs])
      for (const prepared of held.values()) if (which(prepared)) this.setTypes(prepared, undefined)
  }

  /** Long data may have been sent to any statement, or used up, unseen. */
  doubtLong(): void {
    for (const held of [this.#byId, this.#stubs]) {
      for (const prepared of held.values()) {
        if (prepared.long !== undefined) this.forgetOf(prepared)
        prepared.longUnsure = true
      }
    }
  }

  /** Statements from that `stmt_seq` on were none. */
  deleteSince(seq: number): void {
    for (const held of [this.#byId, this.#stubs])
      for (const prepared of held.values()) if (prepared.seq > seq) this.delete(prepared.id)
  }

  readonly #isHeld = (prepared: Prepared): boolean => this.#byId.get(prepared.id) === prepared
  readonly #isStub = (prepared: Prepared): boolean => this.#stubs.get(prepared.id) === prepared

  #drop(id: number): void {
    const prepared = this.#byId.get(id) ?? this.#stubs.get(id)
    if (prepared === undefined) return
    this.takeLong(prepared)
    this.#bytes -= costOf(prepared)
    this.#byId.delete(id)
    this.#stubs.delete(id)
  }

  #shrink(): void {
    while (this.#byId.size > this.#max || (this.#bytes > this.#maxBytes && this.#byId.size > 1))
      if (!this.#evict()) return
  }

  #evict(): boolean {
    const oldest = this.#order.shift(this.#isHeld)
    if (oldest === undefined) return false
    this.#bytes -= costOf(oldest)
    this.#byId.delete(oldest.id)
    oldest.text = undefined
    if ((oldest.types?.length ?? 0) > MAX_STUB_TYPES) oldest.types = undefined
    this.#stubs.set(oldest.id, oldest)
    this.#bytes += costOf(oldest)
    this.#stubOrder.push(oldest, this.#isStub, this.#stubs.size)
    if (this.#stubs.size <= MAX_STUBS) return true
    const forgotten = this.#stubOrder.shift(this.#isStub)
    if (forgotten !== undefined) this.#drop(forgotten.id)
    return true
  }
}

const costOf = ({ text, types }: Prepared): number =>
  STATEMENT_COST + 2 * (text?.text.length ?? 0) + 8 * (types?.length ?? 0)
