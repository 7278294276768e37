/** Which statement of a text the server is at, as the results tell it. */
import type { Meaning } from './meaning.ts'
import type { TransactionVerb } from './transaction.ts'

export class Steps {
  readonly #meanings: readonly Meaning[]
  #at = 0
  #lost = false

  constructor(meanings: readonly Meaning[]) {
    this.#meanings = meanings
  }

  /** statements that are done for certain */
  get done(): number {
    return this.#at
  }

  /** What the statement at hand does to the transaction. */
  get verb(): TransactionVerb | undefined {
    const meaning = this.#lost ? undefined : this.#meanings[this.#at]
    return meaning === undefined ? 'opaque' : meaning.verb
  }

  /** A result ended: with rows, or an OK. Those of a procedure are as many as it likes, and an OK. */
  ended(isOk: boolean): void {
    const meaning = this.#meanings[this.#at]
    if (this.#lost || meaning === undefined) return
    if (isOk || meaning.calls === 'no') this.#at++
    else if (meaning.calls === 'unknown') this.#lost = true
  }
}
