/** The chain as a file sink writes it, and as it is read back. */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readSigner } from '../../../src/audit/seal.ts'
import type { CheckedFile } from '../../../src/audit/verify-links.ts'
import type { FileSink } from '../../../src/sinks/file.ts'
import { runs } from '../../support/fuzz.ts'
import { LogDirectory, type LogRecord } from '../../support/log-files.ts'
import {
  appendDirect,
  checkBytes,
  findingsOf,
  KEYS,
  sealed,
  statement,
  VERIFIER,
  verifyAll,
} from '../../support/sealed-log.ts'

let log: LogDirectory
beforeEach(() => {
  log = new LogDirectory()
})
afterEach(() => log.remove())

const write = (sink: FileSink, ...texts: readonly string[]): void => {
  for (const text of texts) sink.append(statement(text))
  sink.flush()
}

const checkpoints = (records: readonly LogRecord[] = log.records()): LogRecord[] =>
  records.filter(({ event }) => event === 'audit.checkpoint')
const reasons = (records?: readonly LogRecord[]): unknown[] =>
  checkpoints(records).map(({ seal_reason }) => seal_reason)

const counts = (files: readonly CheckedFile[]) => files.map(({ sealed, unsealed }) => [sealed, unsealed])

describe('a seal', () => {
  it('is the hash of every byte since the one before it, that one included', async () => {
    const sink = log.open(sealed())
    write(sink, 'a', 'b')
    log.clock.advance(1000)
    write(sink, 'größer 🐘')
    log.clock.advance(1000)
    await sink.close()
    const text = log.read('dump.log')
    const seals = [...text.matchAll(/"seal":"([0-9a-f]{64})/g)]
    expect(seals).toHaveLength(4)
    let from = 0
    for (const match of seals) {
      const to = match.index + '"seal":"'.length
      expect(match[1]).toBe(createHash('sha256').update(text.slice(from, to)).digest('hex'))
      from = to
    }
  })

  it('is signed', async () => {
    const sink = log.open(sealed())
    write(sink, 'a')
    await sink.close()
    const all = checkpoints()
    expect(all).toHaveLength(2)
    for (const { seal, signature, key_id } of all) {
      expect(VERIFIER.isSignature(seal as string, signature as string)).toBe(true)
      expect(key_id).toBe(KEYS.keyId)
    }
    expect(readSigner(KEYS.privatePem).keyId).toBe(KEYS.keyId)
  })

  it('says how much is before it', async () => {
    const sink = log.open(sealed({ isSigned: false }))
    write(sink, 'a', 'b')
    await sink.close()
    const text = log.read('dump.log')
    expect(checkpoints()).toMatchObject([
      { log_seq: 1, seal_reason: 'start', file: 'dump.log.2024050109', records: 0, bytes: 0 },
      { log_seq: 4, seal_reason: 'stop', records: 3, bytes: text.lastIndexOf('{"ts"') },
    ])
    expect(checkpoints()[1]).not.toHaveProperty('signature')
    expect(checkpoints()[1]).not.toHaveProperty('key_id')
  })
})

describe('checkpoints', () => {
  it('come when the interval is over in which records were written, and not without', async () => {
    const sink = log.open(sealed())
    write(sink, 'a')
    log.clock.advance(999)
    expect(reasons()).toEqual(['start'])
    log.clock.advance(1)
    expect(reasons()).toEqual(['start', 'interval'])
    log.clock.advance(60_000)
    expect(reasons()).toEqual(['start', 'interval'])
    write(sink, 'b')
    log.clock.advance(1000)
    await sink.close()
    expect(reasons()).toEqual(['start', 'interval', 'interval', 'stop'])
    expect(counts(verifyAll(log))).toEqual([[6, 0]])
  })

  it('are told once they are in the file', async () => {
    const told: string[] = []
    const sink = log.open(sealed({ onSeal: ({ seal }) => told.push(seal) }))
    write(sink, 'a')
    expect(told).toHaveLength(1)
    log.clock.advance(1000)
    await sink.close()
    expect(told).toEqual(checkpoints().map(({ seal }) => seal))
  })

  it('are not written to a file without a record', async () => {
    await log.open(sealed()).close()
    expect(log.read('dump.log')).toBe('')
  })

  it('are written in LTSV too', async () => {
    const sink = log.open(sealed({ format: 'ltsv' }))
    for (const text of ['a', 'with\ttab', '"seal":"']) sink.append(statement(text, 'ltsv'))
    await sink.close()
    const report = checkBytes('dump.log', readFileSync(sink.path))
    expect([report.sealed, report.unsealed, report.findings]).toEqual([5, 0, []])
  })
})

describe('from file to file', () => {
  it('the next one names the last seal of the one before', async () => {
    const sink = log.open(sealed())
    write(sink, 'a')
    log.clock.advance(3_600_000)
    write(sink, 'b')
    await sink.close()
    const [one, two] = [log.records('dump.log.2024050109'), log.records('dump.log.2024050110')]
    expect(reasons(one)).toEqual(['start', 'interval', 'rotate'])
    expect(reasons(two)).toEqual(['continue', 'stop'])
    const last = checkpoints(one).at(-1)
    expect(two[0]).toMatchObject({ prev_file: 'dump.log.2024050109', prev_seal: last?.seal })
    expect(two[1]).toMatchObject({ event: 'audit.rotate' })
    expect(two.map(({ log_seq }) => log_seq)).toEqual(two.map((_, i) => (last?.log_seq ?? 0) + i + 1))
    expect(findingsOf(verifyAll(log))).toEqual([])
  })

  it.each([[300], [2000], [5000], [20_000]])(
    'rotates at %d bytes',
    { timeout: 30_000 },
    async (rotationSize) => {
      const sink = log.open({ ...sealed(), rotationSize })
      for (let i = 0; i < 40; i++) {
        write(sink, `${i} ${'x'.repeat(i % 7)}`)
        if (i % 9 === 0) log.clock.advance(500)
      }
      await sink.close()
      expect(findingsOf(verifyAll(log))).toEqual([])
      expect(log.all().filter(({ event }) => event === 'statement')).toHaveLength(40)
      expect(log.all().map(({ log_seq }) => log_seq)).toEqual(log.all().map((_, i) => i + 1))
    },
  )

  it('a file that was taken away is missing, and nothing else is wrong', async () => {
    const sink = log.open(sealed())
    write(sink, 'a')
    rmSync(sink.path)
    log.clock.advance(1000)
    write(sink, 'b')
    await sink.close()
    const findings = findingsOf(verifyAll(log))
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatch(/^missing-file: the file before it, dump.log.2024050109 with the last seal/)
  })

  it('is compressed without loss', async () => {
    const sink = log.open({ ...sealed(), compress: 'gzip' })
    write(sink, 'a')
    log.clock.advance(3_600_000)
    write(sink, 'b')
    await sink.idle()
    await sink.close()
    expect(log.names()).toContain('dump.log.2024050109.gz')
    expect(findingsOf(verifyAll(log))).toEqual([])
  })

  it('retention says what it deleted, so that nothing is missing', async () => {
    const sink = log.open({ ...sealed(), retention: { count: 1, maxAgeMs: 0, maxTotal: 0 } })
    const all: LogRecord[] = []
    for (let hour = 0; hour < 4; hour++) {
      write(sink, `hour ${hour}`)
      await sink.idle()
      sink.flush()
      all.push(...log.records())
      log.clock.advance(3_600_000)
    }
    await sink.close()
    const kept = log.names().filter((name) => name !== 'dump.log')
    expect(kept).toHaveLength(2)
    const deleted = all.find(({ event }) => event === 'audit.delete')
    expect(deleted).toMatchObject({
      file: 'dump.log.2024050109',
      records: 4,
      first_ts: '2024-05-01T09:30:00.000000Z',
      last_ts: '2024-05-01T10:30:00.000000Z',
      last_seal: all.find(({ prev_file }) => prev_file === 'dump.log.2024050109')?.prev_seal,
    })
    expect(findingsOf(verifyAll(log))).toEqual([])
  })
})

describe('from process to process', () => {
  it('the next one names the last seal of the one that stopped', async () => {
    const first = log.open(sealed())
    write(first, 'a')
    await first.close()
    const second = log.open(sealed())
    write(second, 'b')
    await second.close()
    const last = checkpoints(log.records('dump.log.2024050109')).at(-1)
    const adopted = checkpoints(log.records('dump.log.2024050109.1'))[1]
    expect(adopted).toMatchObject({
      seal_reason: 'adopt',
      prev_file: 'dump.log.2024050109',
      prev_seal: last?.seal,
    })
    expect(findingsOf(verifyAll(log))).toEqual([])
    rmSync(join(log.dir, 'dump.log.2024050109'))
    expect(findingsOf(verifyAll(log))).toHaveLength(1)
  })

  it('a file that grew after its process stopped is found', async () => {
    const first = log.open(sealed())
    write(first, 'a')
    await first.close()
    const second = log.open(sealed())
    write(second, 'b')
    await second.close()
    const { head, tail } = statement('forged')
    appendFileSync(first.path, `${head}99${tail}\n`)
    expect(findingsOf(verifyAll(log)).join()).toContain('lines were added')
  })

  it('two side by side have a chain each, and the third names both', async () => {
    const [one, two] = [log.open(sealed()), log.open(sealed())]
    write(one, 'a')
    write(two, 'b')
    await one.close()
    write(two, 'c')
    await two.close()
    const three = log.open(sealed())
    write(three, 'd')
    await three.close()
    expect(findingsOf(verifyAll(log))).toEqual([])
    const named = log.records().flatMap(({ prev_file }) => (prev_file === undefined ? [] : [prev_file]))
    expect(named.sort()).toEqual(['dump.log.2024050109', 'dump.log.2024050109.1'])
    expect(log.hidden().filter((name) => name.endsWith('.owner'))).toHaveLength(1)
  })

  it('one that was taken for dead and was not goes on in its file', async () => {
    const [one, two] = [log.open(sealed()), log.open(sealed())]
    write(one, 'a')
    log.clock.advance(1000)
    const owners = log.hidden().filter((name) => name.endsWith('.owner'))
    const paths = owners.map((name) => join(log.dir, name))
    const path = paths.find((owner) =>
      readFileSync(owner, 'utf8').includes('"dump.log.2024050109"'),
    ) as string
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), closed: true }))
    write(two, 'b')
    two.reopen()
    await two.idle()
    write(two, 'c')
    await two.close()
    write(one, 'd')
    await one.close()
    const files = verifyAll(log)
    expect(reasons(log.all())).toContain('adopt')
    expect(findingsOf(files)).toEqual([])
    expect(files.flatMap(({ notes }) => notes).join()).toContain('it goes on behind the end that')
  })

  it('without rotation goes on in the same file', async () => {
    for (const text of ['a', 'b', 'c']) {
      const sink = log.open({ ...sealed(), rotateEnable: false })
      write(sink, text)
      await sink.close()
    }
    expect(reasons()).toEqual(['start', 'stop', 'start', 'stop', 'start', 'stop'])
    expect(findingsOf(verifyAll(log))).toEqual([])
    expect(counts(verifyAll(log))).toEqual([[9, 0]])
  })

  it('what it found without a seal it says, and cuts what is torn; verify does not vouch for it', async () => {
    const options = { ...sealed(), rotateEnable: false }
    const first = log.open(options)
    write(first, 'a')
    await first.close()
    const { head, tail } = statement('of a dead process')
    appendFileSync(first.path, `${head}4${tail}\n${head}5`)
    const second = log.open(options)
    write(second, 'b')
    await second.close()
    const start = log
      .read('dump.log')
      .split('\n')
      .filter((line) => line.includes('"seal_reason":"start"'))
    expect(JSON.parse(start[1] as string)).toMatchObject({ unsealed_records: 1, records: 4 })
    const [file] = verifyAll(log)
    expect(file).toMatchObject({ records: 7, sealed: 6, unsealed: 1, findings: [] })
  })

  it('a log of before this chain goes on in it', async () => {
    const plain = log.open({ encodeLife: sealed().encodeLife, rotateEnable: false })
    write(plain, 'a', 'b')
    await plain.close()
    const sink = log.open({ ...sealed(), rotateEnable: false })
    write(sink, 'c')
    await sink.close()
    expect(verifyAll(log)).toMatchObject([{ records: 5, sealed: 3, unsealed: 2, findings: [] }])
  })
})

describe('reopening (HUP)', () => {
  it('after the file was moved away goes on in a new one', async () => {
    const sink = log.open({ ...sealed(), rotateEnable: false })
    write(sink, 'a')
    renameSync(join(log.dir, 'dump.log'), join(log.dir, 'dump.log.1'))
    sink.reopen()
    write(sink, 'b')
    await sink.close()
    expect(reasons(log.records('dump.log.1'))).toEqual(['start', 'interval'])
    expect(reasons()).toEqual(['continue', 'stop'])
    const files = ['dump.log.1', 'dump.log'].map((name) =>
      checkBytes(name, readFileSync(join(log.dir, name))),
    )
    expect(files[1]?.links).toMatchObject([{ seal: files[0]?.lastSeal }])
    expect(files.flatMap(({ findings }) => findings)).toEqual([])
  })

  it('of the same file goes on in its chain', async () => {
    const sink = log.open({ ...sealed(), rotateEnable: false })
    write(sink, 'a')
    sink.reopen()
    write(sink, 'b')
    await sink.close()
    expect(findingsOf(verifyAll(log))).toEqual([])
  })

  it('a file that was cut meanwhile is found', async () => {
    const sink = log.open({ ...sealed(), rotateEnable: false })
    write(sink, 'a')
    log.clock.advance(1000)
    truncateSync(sink.path, 0)
    write(sink, 'b')
    log.clock.advance(1000)
    await sink.close()
    expect(findingsOf(verifyAll(log)).length).toBeGreaterThan(0)
  })
})

describe('a disk that takes only so much', () => {
  const full = (): Error => Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })

  it('leaves a chain that verifies, whatever goes wrong when', { timeout: 120_000 }, async () => {
    const steps = fc.array(
      fc.record({
        room: fc.oneof(fc.nat(600), fc.constant(Number.POSITIVE_INFINITY)),
        records: fc.nat(4),
        waits: fc.constantFrom(0, 150, 1000, 5000, 3_600_000),
        direct: fc.boolean(),
        flushes: fc.boolean(),
        reopens: fc.boolean(),
      }),
      { minLength: 1, maxLength: 20 },
    )
    const property = fc.asyncProperty(
      steps,
      fc.constantFrom(0, 2500),
      fc.boolean(),
      async (all, rotationSize, rotateEnable) => {
        const own = new LogDirectory()
        let room = Number.POSITIVE_INFINITY
        const disk = (fd: number, buffer: Buffer, offset: number, length: number): number => {
          if (room === 0) throw full()
          const count = writeSync(fd, buffer, offset, Math.min(length, room))
          room -= count
          return count
        }
        try {
          const sink = own.open({ ...sealed(), rotationSize, rotateEnable, write: disk })
          let n = 0
          for (const step of all) {
            room = step.room
            for (let i = 0; i < step.records; i++) {
              if (step.direct) appendDirect(sink, `n ${n++}`)
              else sink.append(statement(`n ${n++}`))
            }
            if (step.flushes) sink.flush()
            own.clock.advance(step.waits)
            if (step.reopens) sink.reopen()
          }
          room = Number.POSITIVE_INFINITY
          own.clock.advance(10_000)
          await sink.close()
          const files = verifyAll(own)
          expect(findingsOf(files)).toEqual([])
          expect(files.reduce((sum, file) => sum + file.unsealed, 0)).toBe(0)
          const records = rotateEnable ? own.all() : own.records()
          expect(records.filter(({ event }) => event === 'statement')).toHaveLength(n)
          expect(records.map(({ log_seq }) => log_seq)).toEqual(records.map((_, i) => i + 1))
        } finally {
          await own.remove()
        }
      },
    )
    await fc.assert(property, runs(60))
  })

  it('for good: the next process vouches for what there is', async () => {
    let room = Number.POSITIVE_INFINITY
    const first = log.open({
      ...sealed(),
      write: (fd, buffer, offset, length) => {
        if (room === 0) throw full()
        const count = writeSync(fd, buffer, offset, Math.min(length, room))
        room -= count
        return count
      },
    })
    write(first, 'a')
    room = 100
    write(first, 'b', 'c')
    await first.close()
    const second = log.open(sealed())
    write(second, 'd')
    await second.close()
    const files = verifyAll(log)
    expect(findingsOf(files)).toEqual([])
    expect(files[0]?.isFollowed).toBe(true)
  })
})
