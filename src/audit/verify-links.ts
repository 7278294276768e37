/**
 * Checks log files against each other: each file's last seal is named by a later checkpoint, which tells a
 * missing file and a cut tail.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Deletion, type FileReport, type Finding, type Link, sealNumber } from './verify-file.ts'

/** A file's report with what the other files say of it. */
export interface CheckedFile extends FileReport {
  /** what is worth knowing and not wrong */
  readonly notes: readonly string[]
  /** another file vouches for its end */
  readonly isFollowed: boolean
}

/** One file while it is being looked at. */
interface Entry {
  readonly report: FileReport
  readonly findings: Finding[]
  readonly notes: string[]
  isFollowed: boolean
  isTornKnown: boolean
  /** records behind its last seal that the next file's seal vouches for */
  vouched: number
}

const short = (seal: string): string => (seal === '' ? 'none' : `${seal.slice(0, 16)}…`)

/** Has retention told that it deleted the file that the link names? */
const isDeleted = (link: Link, deletions: readonly Deletion[]): boolean =>
  deletions.some(({ file, seal }) =>
    link.seal === '' ? file.replace(/\.gz$/, '') === link.file : seal === link.seal,
  )

class Links {
  readonly #entries: readonly Entry[]
  readonly #isWhole: boolean
  readonly #bySeal = new Map<string, Entry>()
  readonly #deletions: readonly Deletion[]
  readonly #first: Entry | undefined

  constructor(reports: readonly FileReport[], isWhole: boolean) {
    this.#isWhole = isWhole
    this.#entries = reports.map((report) => ({
      report,
      findings: [...report.findings],
      notes: [],
      isFollowed: false,
      isTornKnown: false,
      vouched: 0,
    }))
    for (const entry of this.#entries)
      if (entry.report.lastSeal !== '') this.#bySeal.set(entry.report.lastSeal, entry)
    this.#deletions = reports.flatMap(({ deletions }) => deletions)
    const timed = this.#entries.filter(({ report }) => report.first !== '')
    this.#first = timed.sort((a, b) => (a.report.first < b.report.first ? -1 : 1))[0]
  }

  check(): CheckedFile[] {
    const unmet: (readonly [Entry, Link])[] = []
    for (const entry of this.#entries) {
      for (const link of entry.report.links) if (!this.#meet(entry, link)) unmet.push([entry, link])
    }
    // only now is known which files are followed by another
    for (const [entry, link] of unmet) this.#miss(entry, link)
    for (const entry of this.#entries) this.#judgeEnd(entry)
    return this.#entries.map(({ report, findings, notes, isFollowed, vouched }) => ({
      ...report,
      sealed: report.sealed + vouched,
      unsealed: report.unsealed - vouched,
      findings,
      notes,
      isFollowed,
    }))
  }

  /** Finds the file that ends with the link's seal. */
  #meet(entry: Entry, link: Link): boolean {
    const target = link.seal === '' ? this.#unsealedNamed(link) : this.#bySeal.get(link.seal)
    if (target === undefined || target === entry) return false
    target.isFollowed = true
    const { end } = target.report
    const isAsFound = link.bytes === 0 ? end.bytes === 0 : end.sha256 === link.sha256
    if (isAsFound) {
      target.isTornKnown = true
      // the process that wrote them said so itself, in its next file
      if (link.reason === 'continue') target.vouched = end.records
      else if (end.bytes > 0) {
        const how = `${end.records} records without a seal, as ${entry.report.file} found them`
        target.notes.push(`it was left with ${how}`)
      }
    } else if (end.bytes < link.bytes)
      this.#cut(target, entry, `${link.bytes - end.bytes} bytes behind its last seal are gone`)
    else if (end.bytes > link.bytes) {
      const text = `${entry.report.file} found it ${end.bytes - link.bytes} bytes shorter: lines were added`
      target.findings.push({ kind: 'added', text })
    } else {
      const text = `what stands behind its last seal is not what ${entry.report.file} found there`
      target.findings.push({ kind: 'altered', text })
    }
    return true
  }

  #unsealedNamed(link: Link): Entry | undefined {
    return this.#entries.find(({ report }) => report.lastSeal === '' && nameOf(report.path) === link.file)
  }

  #cut(target: Entry, by: Entry, text: string): void {
    target.findings.push({ kind: 'cut', text: `its tail is cut: ${text}, says ${by.report.file}` })
  }

  /** No file ends with that seal: one went on, was cut, or is gone. */
  #miss(entry: Entry, link: Link): void {
    if (this.#hasGoneOn(entry, link)) return
    const cut = this.#entries.find(
      (other) =>
        other !== entry &&
        !other.isFollowed &&
        (other.report.file || nameOf(other.report.path)) === link.file &&
        other.report.first <= entry.report.first,
    )
    if (cut !== undefined) {
      const { lastSeal } = cut.report
      this.#cut(cut, entry, `its last seal is ${short(link.seal)} and not ${short(lastSeal)}`)
      cut.isFollowed = true
      return
    }
    const which = `the file before it, ${link.file} with the last seal ${short(link.seal)},`
    if (isDeleted(link, this.#deletions)) entry.notes.push(`${which} was deleted by retention, as recorded`)
    else if (this.#isWhole || entry !== this.#first)
      entry.findings.push({ kind: 'missing-file', text: `${which} is missing` })
    else entry.notes.push(`${which} is not among these`)
  }

  /** A file has that seal, and more behind it. */
  #hasGoneOn(entry: Entry, link: Link): boolean {
    const number = sealNumber(link.seal)
    const target = this.#entries.find(
      (other) => other !== entry && link.seal !== '' && other.report.sealNumbers.includes(number),
    )
    if (target === undefined) return false
    const text = `it goes on behind the end that ${entry.report.file} found`
    // who adopts a file may have taken its process for dead; who goes on in another file knows better
    if (link.reason === 'adopt') target.notes.push(text)
    else target.findings.push({ kind: 'added', text })
    return true
  }

  #judgeEnd({ report, findings, notes, isFollowed, isTornKnown }: Entry): void {
    if (report.torn > 0 && !isTornKnown)
      findings.push({ kind: 'torn', text: `the last line is torn after ${report.torn} bytes` })
    if (isFollowed || report.records === 0) return
    if (report.lastReason === 'rotate') {
      const text = 'the file that followed it is missing'
      if (this.#isWhole) findings.push({ kind: 'missing-file', text })
      else notes.push(`${text.replace('missing', 'not among these')}`)
    } else if (report.lastReason !== 'stop')
      notes.push('it has no end: it is still written, its process was killed, or its tail was cut')
  }
}

const nameOf = (path: string): string => path.replace(/^.*\//, '').replace(/\.gz$/, '')

/**
 * A process that was killed between making `NAME.gz` and removing `NAME` leaves both: where they tell the
 * same they are one file, and where they do not, two.
 */
const withoutTwins = (reports: readonly FileReport[]): FileReport[] => {
  const byPath = new Map(reports.map((report) => [report.path, report]))
  return reports.filter((report) => {
    const plain = report.path.endsWith('.gz') ? byPath.get(report.path.slice(0, -3)) : undefined
    return plain === undefined || !isDeepStrictEqual({ ...report, path: plain.path }, plain)
  })
}

/**
 * Joins the reports of files. `isWhole` says that they are all there is of a log, so that nothing may be
 * missing before the first and behind the last.
 */
export const checkLinks = (reports: readonly FileReport[], isWhole: boolean): CheckedFile[] =>
  new Links(withoutTwins(reports), isWhole).check()
