/** Are a file's records numbered without holes? Deleted, inserted and reordered ones show in `log_seq`. */

/** A run of numbers that are missing, and before which line. */
interface Hole {
  first: number
  last: number
  readonly line: number
}

/** So many findings are told one by one; more are counted. */
const MOST = 100

export class Numbers {
  #next = 0
  #holes: Hole[] = []
  readonly #found: string[] = []
  #more = 0

  /** The next record of the file, in line `line`. */
  take(seq: number, line: number): void {
    if (seq === this.#next || this.#next === 0) this.#next = seq + 1
    else if (seq > this.#next) {
      if (this.#holes.length < MOST) this.#holes.push({ first: this.#next, last: seq - 1, line })
      else this.#more++
      this.#next = seq + 1
    } else if (this.#fill(seq)) this.#tell(`record ${seq} stands out of order, in line ${line}`)
    else this.#tell(`record ${seq} stands twice or was inserted, in line ${line}`)
  }

  /** Another writer goes on in this file; its first record has this number. */
  restart(seq: number): void {
    this.#next = seq
  }

  /** What is wrong with the numbers, in words. */
  findings(): readonly string[] {
    const missing = this.#holes.map(({ first, last, line }) =>
      first === last
        ? `record ${first} is missing before line ${line}`
        : `records ${first} to ${last} are missing before line ${line}`,
    )
    const more = this.#more > 0 ? [`${this.#more} more places where records are missing or amiss`] : []
    return [...missing, ...this.#found, ...more]
  }

  #tell(finding: string): void {
    if (this.#found.length < MOST) this.#found.push(finding)
    else this.#more++
  }

  /** A number that was missing has turned up. */
  #fill(seq: number): boolean {
    const at = this.#holes.findIndex(({ first, last }) => seq >= first && seq <= last)
    const hole = this.#holes[at]
    if (hole === undefined) return false
    const parts = [
      { ...hole, last: seq - 1 },
      { ...hole, first: seq + 1 },
    ]
    this.#holes.splice(at, 1, ...parts.filter(({ first, last }) => first <= last))
    return true
  }
}
