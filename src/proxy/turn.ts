/**
 * The end of a turn of the event loop. What came in the turn, on all connections, is shown then, in a row
 * and in the order in which it came; what was found in it is written at once; and then it goes on. So one
 * write serves every connection that spoke in the turn, and nobody waits for a timer.
 */
import type { LogGate, Micros } from '../flow.ts'
import type { Clock } from './clock.ts'
import type { Gather } from './gather.ts'

/** Who has chunks in a turn. */
export interface Due {
  /** is it in the list of this turn? Kept by {@link Turn} */
  isDue: boolean
  /** Offers to be shown what it could not show before. */
  offer(): void
  /** All was shown and settled: what may go on goes on. */
  pump(at: Micros): void
}

export class Turn {
  readonly gather: Gather
  readonly #gate: LogGate
  readonly #clock: Clock
  /** who has chunks in this turn, and an empty list for the next one */
  #due: Due[] = []
  #next: Due[] = []
  #isAwaited = false

  constructor(gate: LogGate, gather: Gather, clock: Clock) {
    this.gather = gather
    this.#gate = gate
    this.#clock = clock
  }

  /** The lane is pumped once when this turn ends. */
  await(lane: Due): void {
    if (lane.isDue) return
    lane.isDue = true
    this.#due.push(lane)
    if (this.#isAwaited) return
    this.#isAwaited = true
    setImmediate(this.#end)
  }

  readonly #end = (): void => {
    const due = this.#due
    this.#due = this.#next
    this.#next = due
    this.#isAwaited = false
    for (let i = 0; i < due.length; i++) (due[i] as Due).offer()
    this.gather.show()
    this.#gate.settle()
    const at = this.#clock.now()
    for (let i = 0; i < due.length; i++) {
      const lane = due[i] as Due
      lane.isDue = false
      lane.pump(at)
    }
    due.length = 0
  }
}

const turns = new WeakMap<LogGate, Turn>()

/** The turns of a gate: one for all listeners of the process, or each of them would settle by itself. */
export const turnOf = (gate: LogGate, gather: Gather, clock: Clock): Turn => {
  const known = turns.get(gate)
  if (known) return known
  const turn = new Turn(gate, gather, clock)
  turns.set(gate, turn)
  return turn
}
