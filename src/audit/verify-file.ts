/**
 * Checks one log file against its own seals while its bytes stream by: each interval against its seal, each
 * seal against its signature, the records' numbers against holes. What lies between files is for
 * verify-links.ts.
 */
import { createHash } from 'node:crypto'
import type { FileEnd } from '../event.ts'
import {
  type Fields,
  LineHead,
  numberOf,
  type ReadCheckpoint,
  readCheckpoint,
  readFields,
  textOf,
} from './log-line.ts'
import type { Verifier } from './seal.ts'
import { Numbers } from './verify-numbers.ts'

/** What is wrong; the words are for people, the kind for programs. */
export interface Finding {
  readonly kind:
    | 'altered'
    | 'numbers'
    | 'unreadable'
    | 'signature'
    | 'unsealed'
    | 'torn'
    | 'cut'
    | 'added'
    | 'missing-file'
    | 'expected-seal'
  readonly text: string
}

/** A checkpoint's word for another file. */
export interface Link extends FileEnd {
  readonly reason: string
}

/** An `audit.delete` record of a file that retention took. */
export interface Deletion {
  readonly file: string
  readonly seal: string
}

export interface FileReport {
  readonly path: string
  /** its name as its checkpoints have it; empty without one */
  readonly file: string
  readonly records: number
  /** vouched for by a right seal, and by a right signature where a key was given */
  readonly sealed: number
  /** those behind the last seal and those that a later process found without one */
  readonly unsealed: number
  readonly checkpoints: number
  readonly keyIds: readonly string[]
  /** times of the first and the last record; empty without one */
  readonly first: string
  readonly last: string
  readonly lastSeal: string
  /** the beginnings of all its seals, see {@link sealNumber}: there may be millions in a log */
  readonly sealNumbers: readonly number[]
  /** why the last checkpoint was written */
  readonly lastReason: string
  readonly end: FileEnd
  /** bytes of a last line without its end */
  readonly torn: number
  readonly bytes: number
  readonly links: readonly Link[]
  readonly deletions: readonly Deletion[]
  /** of the seals that were asked for, those that are here */
  readonly expected: readonly string[]
  readonly findings: readonly Finding[]
}

export interface FileCheckOptions {
  /** empty without a key */
  readonly verifiers: readonly Verifier[]
  readonly expected: ReadonlySet<string>
}

/** The first 48 bits of a seal. */
export const sealNumber = (seal: string): number => Number.parseInt(seal.slice(0, 12), 16)

const LINE_FEED = 0x0a
/** No line that is longer matters to the chain. */
const LONGEST_CHECKPOINT = 1 << 14
const MOST_FINDINGS = 100

const linkOf = (fields: Fields): Link | undefined => {
  const file = textOf(fields, 'prev_file')
  if (file === '') return undefined
  return {
    reason: textOf(fields, 'seal_reason'),
    file,
    seal: textOf(fields, 'prev_seal'),
    records: numberOf(fields, 'prev_unsealed_records'),
    bytes: numberOf(fields, 'prev_unsealed_bytes'),
    sha256: textOf(fields, 'prev_unsealed_sha256'),
  }
}

export class FileCheck {
  readonly #path: string
  readonly #options: FileCheckOptions
  readonly #head = new LineHead()
  readonly #numbers = new Numbers()
  /** of the interval that is read, up to #hashed in the present block */
  #hash = createHash('sha256')
  #hashed = 0
  /** the beginning of a line whose end is yet to come, not hashed yet */
  #carry: Buffer = Buffer.alloc(0)
  /** bytes so far of a line that is too long to be carried */
  #long = 0
  #bytes = 0
  #lines = 0
  #sealed = 0
  #unsealed = 0
  /** behind the last checkpoint: lines, bytes, and the number of a line that is no record */
  #openLines = 0
  #openBytes = 0
  #openUnreadable = 0
  readonly #openDeletions: Deletion[] = []
  #checkpoints = 0
  #file = ''
  #first = ''
  #last = ''
  #lastSeal = ''
  #lastReason = ''
  readonly #keyIds = new Set<string>()
  readonly #sealNumbers: number[] = []
  readonly #links: Link[] = []
  readonly #deletions: Deletion[] = []
  readonly #expected: string[] = []
  readonly #findings: Finding[] = []
  #untold = 0

  constructor(path: string, options: FileCheckOptions) {
    this.#path = path
    this.#options = options
  }

  /** The file's next bytes; they are not kept. */
  feed(piece: Buffer): void {
    this.#bytes += piece.length
    const block = this.#carry.length > 0 ? Buffer.concat([this.#carry, piece]) : piece
    this.#hashed = 0
    let [start, timed] = [0, -1]
    for (let feed = block.indexOf(LINE_FEED); feed >= 0; feed = block.indexOf(LINE_FEED, start)) {
      const end = feed + 1
      if (this.#long > 0) this.#endLong(end)
      else {
        this.#count(end - start)
        if (this.#line(block, start, end)) timed = start
      }
      start = end
    }
    if (timed >= 0) this.#last = this.#timeAt(block, timed)
    this.#keepRest(block, start)
  }

  /** Nothing follows. */
  end(): FileReport {
    const torn = this.#long + this.#carry.length
    this.#hash.update(this.#carry)
    this.#carry = Buffer.alloc(0)
    if (this.#openUnreadable > 0)
      this.#tell('unreadable', `line ${this.#openUnreadable} has no seal and is no record`)
    for (const text of this.#numbers.findings()) this.#tell('numbers', text)
    if (this.#options.verifiers.length > 0 && this.#lines > 0 && this.#checkpoints === 0)
      this.#tell('unsealed', 'it has no seal at all')
    if (this.#untold > 0)
      this.#findings.push({ kind: 'altered', text: `${this.#untold} more findings of these kinds` })
    const end: FileEnd = {
      file: this.#file,
      seal: this.#lastSeal,
      records: this.#openLines,
      bytes: this.#openBytes + torn,
      sha256: this.#hash.digest('hex'),
    }
    return {
      path: this.#path,
      file: this.#file,
      records: this.#lines,
      sealed: this.#sealed,
      unsealed: this.#unsealed + this.#openLines,
      checkpoints: this.#checkpoints,
      keyIds: [...this.#keyIds],
      first: this.#first,
      last: this.#last,
      lastSeal: this.#lastSeal,
      sealNumbers: this.#sealNumbers,
      lastReason: this.#lastReason,
      end,
      torn,
      bytes: this.#bytes,
      links: this.#links,
      deletions: this.#deletions,
      expected: this.#expected,
      findings: this.#findings,
    }
  }

  #tell(kind: Finding['kind'], text: string): void {
    if (this.#findings.length < MOST_FINDINGS) this.#findings.push({ kind, text })
    else this.#untold++
  }

  #timeAt(block: Buffer, start: number): string {
    this.#head.read(block, start)
    return block.toString('latin1', this.#head.timeStart, this.#head.timeEnd)
  }

  /** What follows the last line feed waits for its own, if it may yet become a checkpoint. */
  #keepRest(block: Buffer, start: number): void {
    const rest = block.length - start
    if (this.#long === 0 && rest <= LONGEST_CHECKPOINT) {
      this.#hash.update(block.subarray(this.#hashed, start))
      this.#carry = Buffer.from(block.subarray(start))
      return
    }
    if (this.#long === 0) {
      this.#lines++
      if (this.#line(block, start, block.length)) this.#last = this.#timeAt(block, start)
      this.#lines--
    }
    this.#long += rest
    this.#hash.update(block.subarray(this.#hashed))
    this.#carry = Buffer.alloc(0)
  }

  #endLong(bytes: number): void {
    this.#count(this.#long + bytes)
    this.#long = 0
  }

  #count(bytes: number): void {
    this.#lines++
    this.#openLines++
    this.#openBytes += bytes
  }

  /** False for a line that no encoder wrote. Line `#lines` is meant. */
  #line(block: Buffer, start: number, end: number): boolean {
    const head = this.#head
    if (!head.read(block, start)) {
      this.#openUnreadable ||= this.#lines
      return false
    }
    if (this.#first === '') this.#first = block.toString('latin1', head.timeStart, head.timeEnd)
    if (head.isCheckpoint) this.#checkpoint(block, start, end)
    else {
      if (head.isLife) this.#life(block, start, end)
      if (head.seq > 0) this.#numbers.take(head.seq, this.#lines)
    }
    return true
  }

  /** A deletion counts once a seal vouches for it. */
  #life(block: Buffer, start: number, end: number): void {
    const fields = readFields(block.toString('utf8', start, end))
    if (fields === undefined || fields.event !== 'audit.delete') return
    this.#openDeletions.push({ file: textOf(fields, 'file'), seal: textOf(fields, 'last_seal') })
  }

  #checkpoint(block: Buffer, start: number, end: number): void {
    const { seq } = this.#head
    const read = readCheckpoint(block.subarray(start, end))
    if (read === undefined) {
      this.#tell('altered', `line ${this.#lines} is a broken checkpoint`)
      this.#numbers.take(seq, this.#lines)
      return
    }
    const sealAt = start + read.sealAt
    const digest = this.#hash.update(block.subarray(this.#hashed, sealAt)).digest('hex')
    this.#hash = createHash('sha256')
    this.#hashed = sealAt
    const isRight = this.#isSealed(digest === read.seal, read)
    const reason = textOf(read.fields, 'seal_reason')
    if (reason === 'start') this.#numbers.restart(1)
    if (reason === 'continue') this.#numbers.restart(seq)
    this.#numbers.take(seq, this.#lines)
    this.#account(isRight, read)
    this.#lastReason = reason
  }

  /** Is the interval as it was written, and, where that can be told, by whom it should? */
  #isSealed(matches: boolean, { fields, seal, signature }: ReadCheckpoint): boolean {
    const line = this.#lines
    const keyId = textOf(fields, 'key_id')
    if (signature !== '') this.#keyIds.add(keyId)
    if (!matches) {
      const wanted = numberOf(fields, 'records')
      const count =
        wanted === line - 1 ? '' : `; the file had ${wanted} lines before it, and has ${line - 1}`
      const from = line - this.#openLines + 1
      this.#tell('altered', `lines ${from} to ${line} do not match their seal${count}`)
    }
    const { verifiers } = this.#options
    if (verifiers.length === 0) return matches
    const verifier = verifiers.find((known) => known.keyId === keyId)
    if (signature === '') this.#tell('signature', `the checkpoint in line ${line} is not signed`)
    else if (verifier === undefined)
      this.#tell('signature', `the checkpoint in line ${line} is signed with another key, ${keyId}`)
    else if (verifier.isSignature(seal, signature)) return matches
    else this.#tell('signature', `the signature of the checkpoint in line ${line} is wrong`)
    return false
  }

  /** What the checkpoint says counts if its seal is right; the file goes on behind it in any case. */
  #account(isRight: boolean, { fields, seal }: ReadCheckpoint): void {
    const found = Math.min(numberOf(fields, 'unsealed_records'), this.#openLines)
    const vouched = isRight ? this.#openLines - found : 0
    this.#sealed += vouched
    this.#unsealed += this.#openLines - vouched
    const link = linkOf(fields)
    if (isRight) {
      if (link !== undefined) this.#links.push(link)
      this.#deletions.push(...this.#openDeletions)
      this.#sealNumbers.push(sealNumber(seal))
      if (this.#options.expected.has(seal)) this.#expected.push(seal)
    }
    this.#openDeletions.length = 0
    this.#openLines = 0
    this.#openBytes = 0
    this.#openUnreadable = 0
    this.#checkpoints++
    this.#lastSeal = seal
    this.#file = textOf(fields, 'file')
  }
}
