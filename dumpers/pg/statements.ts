/** What a session remembers by name: prepared statements and portals. Both stores are bounded. */
import type { QueryText } from '../../src/event.ts'
import { Order } from '../common/oldest.ts'
import type { Execution } from './execution.ts'

/** Evicted names of which the number of their `prepare` record is still known. */
const MAX_STUBS = 4096

/** A prepared statement: made by Parse, or by SQL's PREPARE (one namespace for both). */
export interface Prepared {
  readonly name: string
  /** absent when the body could not be decoded or its text was not kept */
  readonly text: QueryText | undefined
  /** parameter types as Parse gave them, then as ParameterDescription told; 0 is not known */
  oids: readonly number[]
  /** stmt_seq of its `prepare` record */
  readonly seq: number
}

/** Prepared statements by name; `''` is the unnamed one, replaced by each Parse of no name. */
export class PreparedStore {
  readonly #max: number
  readonly #maxBytes: number
  readonly #byName = new Map<string, Prepared>()
  /** names whose text was given up → stmt_seq of their `prepare` record */
  readonly #stubs = new Map<string, number>()
  readonly #order = new Order<Prepared>()
  readonly #stubOrder = new Order<Prepared>()
  #unnamed: Prepared | undefined
  #bytes = 0
  /** names were given up of which not even the number is known */
  forgot = false

  constructor(max: number, maxBytes: number) {
    this.#max = max
    this.#maxBytes = maxBytes
  }

  /** bytes of names and texts held */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#byName.size
  }

  get(name: string): Prepared | undefined {
    return name === '' ? this.#unnamed : this.#byName.get(name)
  }

  /** stmt_seq of the `prepare` record of a statement whose text was given up. */
  evicted(name: string): number | undefined {
    return this.#stubs.get(name)
  }

  set(prepared: Prepared): void {
    if (prepared.name === '') {
      this.#unnamed = prepared
      return
    }
    this.delete(prepared.name)
    this.#byName.set(prepared.name, prepared)
    this.#order.push(prepared, this.#isHeld, this.#byName.size)
    this.#bytes += cost(prepared)
    while (this.#byName.size > this.#max || (this.#bytes > this.#maxBytes && this.#byName.size > 1))
      this.#evict()
  }

  delete(name: string): void {
    if (name === '') {
      this.#unnamed = undefined
      return
    }
    const old = this.#byName.get(name)
    if (old !== undefined) {
      this.#bytes -= cost(old)
      this.#byName.delete(name)
    }
    this.#stubs.delete(name)
  }

  clear(): void {
    this.#byName.clear()
    this.#stubs.clear()
    this.#order.clear()
    this.#stubOrder.clear()
    this.#unnamed = undefined
    this.#bytes = 0
    this.forgot = false
  }

  readonly #isHeld = (prepared: Prepared): boolean => this.#byName.get(prepared.name) === prepared
  readonly #isStub = (prepared: Prepared): boolean => this.#stubs.get(prepared.name) === prepared.seq

  #evict(): void {
    const oldest = this.#order.shift(this.#isHeld)
    if (oldest === undefined) return
    const { name, seq } = oldest
    this.delete(name)
    this.#stubs.set(name, seq)
    this.#stubOrder.push({ name, seq, text: undefined, oids: [] }, this.#isStub, this.#stubs.size)
    if (this.#stubs.size <= MAX_STUBS) return
    const forgotten = this.#stubOrder.shift(this.#isStub)
    if (forgotten !== undefined) this.#stubs.delete(forgotten.name)
    this.forgot = true
  }
}

const cost = (prepared: Prepared): number =>
  prepared.name.length + 2 * (prepared.text?.text.length ?? 0) + 200

/** A portal: made by Bind, or by SQL's DECLARE (one namespace for both). */
export interface Portal {
  readonly name: string
  /** the record of the Bind that made it, or of the first Execute of one that no Bind made */
  execution: Execution | undefined
  readonly text: QueryText | undefined
  readonly stmtName: string | undefined
  /** WITH HOLD: outlives its transaction */
  readonly hold: boolean
  /** bytes of its values */
  readonly bytes: number
}

/** Portals by name; `''` is the unnamed one, replaced by each Bind of no name. */
export class PortalStore {
  readonly #max: number
  readonly #maxBytes: number
  readonly #byName = new Map<string, Portal>()
  readonly #order = new Order<Portal>()
  #unnamed: Portal | undefined
  #bytes = 0

  constructor(max: number, maxBytes: number) {
    this.#max = max
    this.#maxBytes = maxBytes
  }

  /** bytes of names and values held by named portals */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#byName.size + (this.#unnamed === undefined ? 0 : 1)
  }

  get(name: string): Portal | undefined {
    return name === '' ? this.#unnamed : this.#byName.get(name)
  }

  /**
   * Puts a portal in, giving the ones that had to go for it: that of its name, and the oldest when it is
   * full.
   */
  set(portal: Portal, gone: (portal: Portal) => void): void {
    const old = this.delete(portal.name)
    if (portal.name === '') this.#unnamed = portal
    else {
      this.#byName.set(portal.name, portal)
      this.#order.push(portal, this.#isHeld, this.#byName.size)
      this.#bytes += costOf(portal)
    }
    if (old !== undefined) gone(old)
    while (this.#byName.size > this.#max || (this.#bytes > this.#maxBytes && this.#byName.size > 1)) {
      const oldest = this.#order.shift(this.#isHeld)
      if (oldest === undefined) return
      this.delete(oldest.name)
      gone(oldest)
    }
  }

  readonly #isHeld = (portal: Portal): boolean => this.#byName.get(portal.name) === portal

  delete(name: string): Portal | undefined {
    const old = this.get(name)
    if (name === '') this.#unnamed = undefined
    else if (old !== undefined) {
      this.#byName.delete(name)
      this.#bytes -= costOf(old)
    }
    return old
  }

  /** Takes out all portals that end with their transaction (or, with `hold`, all there are), giving each. */
  drain(hold: boolean, gone: (portal: Portal) => void): void {
    const unnamed = this.#unnamed
    this.#unnamed = undefined
    if (unnamed !== undefined) gone(unnamed)
    if (this.#byName.size === 0) return
    for (const portal of [...this.#byName.values()]) {
      if (portal.hold && !hold) continue
      this.#bytes -= costOf(portal)
      this.#byName.delete(portal.name)
      gone(portal)
    }
  }
}

const costOf = (portal: Portal): number => 200 + 2 * portal.name.length + portal.bytes
