/** Random tamperings of a log of ten files: each is found, and nothing is found in the log as written. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileReport } from '../../../src/audit/verify-file.ts'
import { checkLinks } from '../../../src/audit/verify-links.ts'
import { tries } from '../../support/fuzz.ts'
import { LogDirectory } from '../../support/log-files.ts'
import { checkBytes, findingsOf, sealed, statement } from '../../support/sealed-log.ts'

const RECORDS = 100_000
const FILES = 10

/** The same tamperings in each run (xorshift32). */
const random = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

type Format = 'json' | 'ltsv'

interface Written {
  readonly directory: LogDirectory
  readonly files: readonly { readonly path: string; readonly bytes: Buffer }[]
  readonly reports: readonly FileReport[]
}

/** One process, a rotation by each hour, a checkpoint for each second. */
const write = async (format: Format): Promise<Written> => {
  const directory = new LogDirectory(mkdtempSync(join(tmpdir(), 'querytap-tamper-')))
  const sink = directory.open(sealed({ format }))
  for (let i = 0; i < RECORDS; i++) {
    sink.append(statement(`SELECT ${i} FROM orders`, format, directory.clock.nowMs() * 1000))
    if (i % 500 === 499) {
      sink.flush()
      directory.clock.advance(1000)
    }
    if (i % (RECORDS / FILES) === RECORDS / FILES - 1 && i < RECORDS - 1) directory.clock.advance(3_600_000)
  }
  await sink.close()
  const names = directory.names().filter((name) => name !== 'dump.log')
  const files = names.map((name) => {
    const path = join(directory.dir, name)
    return { path, bytes: readFileSync(path) }
  })
  return { directory, files, reports: files.map(({ path, bytes }) => checkBytes(path, bytes)) }
}

const linesOf = (bytes: Buffer): Buffer[] => {
  const lines: Buffer[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start) + 1
    lines.push(bytes.subarray(start, end))
    start = end
  }
  return lines
}

/** A tampered file; undefined for one that was removed. */
type Tamper = (bytes: Buffer, pick: (below: number) => number, isLast: boolean) => Buffer | undefined

const ofLines =
  (change: (lines: Buffer[], pick: (below: number) => number) => void): Tamper =>
  (bytes, pick) => {
    const lines = linesOf(bytes)
    change(lines, pick)
    return Buffer.concat(lines)
  }

const TAMPERINGS: Readonly<Record<string, Tamper>> = {
  bit: (bytes, pick) => {
    const copy = Buffer.from(bytes)
    const at = pick(copy.length)
    copy[at] = (copy[at] as number) ^ (1 << pick(8))
    return copy
  },
  'line deleted': ofLines((lines, pick) => lines.splice(pick(lines.length - 1), 1)),
  'line inserted': ofLines((lines, pick) => {
    const forged = Buffer.from(String(lines[pick(lines.length)]).replace('orders', 'secret'))
    lines.splice(pick(lines.length - 1), 0, forged)
  }),
  'line duplicated': ofLines((lines, pick) => {
    const at = pick(lines.length)
    lines.splice(at, 0, lines[at] as Buffer)
  }),
  'lines swapped': ofLines((lines, pick) => {
    const at = pick(lines.length - 1)
    const other = (at + 1 + pick(lines.length - 1)) % lines.length
    const [one, two] = [lines[at], lines[other]] as [Buffer, Buffer]
    lines[at] = two
    lines[other] = one
  }),
  // of the last file, a tail goes that ends within it: nothing later vouches for its end
  'tail cut': (bytes, pick, isLast) => (isLast ? undefined : bytes.subarray(0, pick(bytes.length))),
  'lines cut off': (bytes, pick, isLast) => {
    if (isLast) return undefined
    const lines = linesOf(bytes)
    return Buffer.concat(lines.slice(0, pick(lines.length)))
  },
  'file removed': () => undefined,
}

describe.each<Format>(['json', 'ltsv'])('%s', (format) => {
  let written: Written
  beforeAll(async () => {
    written = await write(format)
  }, 60_000)
  afterAll(() => rmSync(written.directory.dir, { recursive: true, force: true }))

  it('finds nothing in the log as it was written', () => {
    expect(written.files).toHaveLength(FILES)
    expect(findingsOf(checkLinks(written.reports, true))).toEqual([])
    const sealedRecords = written.reports.reduce((sum, report) => sum + report.sealed, 0)
    expect(sealedRecords).toBeGreaterThan(RECORDS)
    expect(written.reports.map(({ unsealed }) => unsealed)).toEqual(Array(FILES).fill(0))
  })

  it('finds the same whatever pieces it is fed', () => {
    const long = Buffer.from(`${format === 'json' ? '{"ts":"' : 'ts:'}${'x'.repeat(100_000)}\n`)
    const [{ path, bytes }] = written.files as [Written['files'][number]]
    const whole = Buffer.concat([bytes.subarray(0, 200_000), long, bytes.subarray(200_000, 400_000)])
    const wanted = checkBytes(path, whole)
    expect(wanted.findings.length).toBeGreaterThan(0)
    expect(wanted.torn).toBeGreaterThan(0)
    for (const size of [97, 4096, 65_536]) expect(checkBytes(path, whole, true, size)).toEqual(wanted)
  })

  it('finds each of many tamperings', { timeout: 180_000 }, () => {
    const pick = random(format === 'json' ? 20_240_501 : 20_240_502)
    const kinds = Object.keys(TAMPERINGS)
    const missed: string[] = []
    for (let n = 0; n < tries(format === 'json' ? 1000 : 200); n++) {
      const kind = kinds[n % kinds.length] as string
      const which = pick(written.files.length)
      const { path, bytes } = written.files[which] as Written['files'][number]
      const tampered = (TAMPERINGS[kind] as Tamper)(bytes, pick, which === written.files.length - 1)
      if (tampered?.equals(bytes)) continue
      const reports = written.reports.flatMap((report, i) => {
        if (i !== which) return [report]
        return tampered === undefined ? [] : [checkBytes(path, tampered)]
      })
      const findings = findingsOf(checkLinks(reports, true))
      if (findings.length === 0) missed.push(`${n}: ${kind} in ${basename(path)}`)
    }
    expect(missed).toEqual([])
  })
})
