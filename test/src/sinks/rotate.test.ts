import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { LogDirectory, lineOf, textsOf } from '../../support/log-files.ts'

let log: LogDirectory
beforeEach(() => {
  log = new LogDirectory()
})
afterEach(() => log.remove())

describe('rotation', () => {
  it('begins a new file with the period, and points the symlink to it', () => {
    const sink = log.open()
    sink.append(lineOf('a'))
    sink.flush()
    expect(readlinkSync(join(log.dir, 'dump.log'))).toBe('dump.log.2024050109')
    log.clock.advance(30 * 60_000)
    sink.append(lineOf('b'))
    sink.flush()
    expect(log.names()).toEqual(['dump.log', 'dump.log.2024050109', 'dump.log.2024050110'])
    expect(readlinkSync(join(log.dir, 'dump.log'))).toBe('dump.log.2024050110')
    const [rotate, b] = log.records()
    expect(rotate).toMatchObject({
      event: 'audit.rotate',
      rotate_reason: 'time',
      prev_file: 'dump.log.2024050109',
      prev_records: 1,
      prev_bytes: statSync(join(log.dir, 'dump.log.2024050109')).size,
      file: 'dump.log.2024050110',
      log_seq: 2,
    })
    expect(b).toMatchObject({ text: 'b', log_seq: 3 })
  })

  it('keeps files at their size under load, a longer line aside', async () => {
    const sink = log.open({ rotationSize: 2000 })
    for (let i = 0; i < 500; i++) sink.append(lineOf(i === 250 ? 'x'.repeat(5000) : `text ${i}`))
    await turn()
    const sizes = log
      .names()
      .slice(1)
      .map((name) => statSync(join(log.dir, name)).size)
    expect(sizes.length).toBeGreaterThan(10)
    expect(sizes.filter((size) => size > 2000)).toHaveLength(1)
    expect(textsOf(log.all())).toHaveLength(500)
  })

  it('makes progress when no line fits', () => {
    const sink = log.open({ rotationSize: 10 })
    for (let i = 0; i < 5; i++) sink.append(lineOf(`${i}`))
    sink.flush()
    expect(textsOf(log.all())).toEqual(['0', '1', '2', '3', '4'])
    expect(log.names()).toHaveLength(6)
  })

  it('goes on in the next .N on SIGHUP, but not from an empty file', () => {
    const sink = log.open()
    sink.reopen()
    expect(log.names()).toEqual(['dump.log', 'dump.log.2024050109'])
    sink.append(lineOf('a'))
    sink.reopen()
    expect(log.names()).toEqual(['dump.log', 'dump.log.2024050109', 'dump.log.2024050109.1'])
    expect(textsOf(log.records('dump.log.2024050109'))).toEqual(['a'])
  })

  it('goes on in the old file when a new one cannot be opened', () => {
    const sink = log.open()
    sink.append(lineOf('a'))
    sink.flush()
    // Something in the way of every name: a read-only directory does not stop root.
    for (const hidden of log.hidden()) {
      rmSync(join(log.dir, hidden))
      mkdirSync(join(log.dir, hidden))
      mkdirSync(join(log.dir, `${hidden}.tmp`))
    }
    log.clock.advance(3_600_000)
    sink.append(lineOf('b'))
    sink.flush()
    expect(log.troubles.map(({ code }) => code)).toEqual(['rotate'])
    expect(textsOf(log.records('dump.log.2024050109'))).toEqual(['a', 'b'])
  })

  it('loses, repeats and tears no line over any mix of rotations', { timeout: 30_000 }, () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), length: fc.nat(300) }),
      fc.record({ kind: fc.constantFrom('flush' as const, 'reopen' as const, 'advance' as const) }),
    )
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(0, 200, 1000),
        (steps, rotationSize) => {
          const inner = new LogDirectory(mkdtempSync(join(log.dir, 'p')))
          const sink = inner.open({ rotationTime: 'secondly', rotationSize })
          const texts: string[] = []
          for (const action of steps) {
            if (action.kind === 'append') {
              texts.push(`${texts.length} ${'é'.repeat(action.length)}`)
              sink.append(lineOf(texts.at(-1) as string))
            } else if (action.kind === 'flush') sink.flush()
            else if (action.kind === 'reopen') sink.reopen()
            else inner.clock.advance(700)
          }
          sink.flush()
          const records = inner.all()
          expect(textsOf(records)).toEqual(texts)
          expect(records.map(({ log_seq }) => log_seq)).toEqual(records.map((_, i) => i + 1))
          void sink.close()
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('one writer per file', () => {
  it('gives a second writer the next .N, and the symlink follows the newest', () => {
    const [one, two] = [log.open(), log.open()]
    one.append(lineOf('of one'))
    two.append(lineOf('of two'))
    one.flush()
    two.flush()
    expect(textsOf(log.records('dump.log.2024050109'))).toEqual(['of one'])
    expect(textsOf(log.records('dump.log.2024050109.1'))).toEqual(['of two'])
    expect(readlinkSync(join(log.dir, 'dump.log'))).toBe('dump.log.2024050109.1')
  })

  it('never takes a name again, compressed or not', () => {
    writeFileSync(join(log.dir, 'dump.log.2024050109.3.gz'), '')
    expect(log.open().path).toBe(join(log.dir, 'dump.log.2024050109.4'))
  })

  it('gives a file that stands in the symlink’s place another name and loses nothing', () => {
    writeFileSync(join(log.dir, 'dump.log'), 'old\n')
    log.open()
    expect(lstatSync(join(log.dir, 'dump.log')).isSymbolicLink()).toBe(true)
    const aside = log.names().filter((name) => log.read(name) === 'old\n')
    expect(aside).toHaveLength(1)
  })

  it('refuses a directory in the symlink’s place, and leaves nothing behind', () => {
    mkdirSync(join(log.dir, 'dump.log'))
    expect(() => log.open()).toThrow(ConfigError)
    expect(log.names()).toEqual(['dump.log'])
    expect(log.hidden()).toEqual([])
  })

  it('leaves no trace of itself in the directory when it is closed', async () => {
    const sink = log.open()
    await sink.close()
    expect(log.hidden()).toEqual([])
  })
})

describe('rotateEnable = false', () => {
  const plain = { rotateEnable: false }

  it('appends to the one file, over restarts', async () => {
    const first = log.open(plain)
    first.append(lineOf('a'))
    await first.close()
    const second = log.open(plain)
    second.append(lineOf('b'))
    second.flush()
    expect(log.names()).toEqual(['dump.log'])
    expect(textsOf(log.records())).toEqual(['a', 'b'])
  })

  it.each([
    ['a line that a killed process left torn', '{"event":"statement","lo'],
    ['what a power cut left of lines', '\0'.repeat(100_000)],
  ])('cuts %s off before it goes on', (_, torn) => {
    writeFileSync(join(log.dir, 'dump.log'), `whole\n${torn}`)
    const sink = log.open(plain)
    sink.append(lineOf('a'))
    sink.flush()
    expect(log.read('dump.log').split('\n')).toEqual([
      'whole',
      '{"event":"statement","log_seq":1,"text":"a"}',
      '',
    ])
  })

  it('ends a torn line that a checkpoint of another file has vouched for', () => {
    writeFileSync(join(log.dir, 'dump.log'), '{"event":"statement","lo')
    const vouched = '{"event":"audit.checkpoint","log_seq":1,"prev_file":"dump.log","seal":""}'
    writeFileSync(join(log.dir, 'dump.log.1'), `${vouched}\n`)
    const sink = log.open(plain)
    sink.append(lineOf('a'))
    sink.flush()
    expect(log.read('dump.log').split('\n')).toEqual([
      '{"event":"statement","lo',
      '{"event":"statement","log_seq":1,"text":"a"}',
      '',
    ])
  })

  it('gives a second process another file, and the name to the next one when it is free again', async () => {
    const [one, two] = [log.open(plain), log.open(plain)]
    expect([one.path, two.path]).toEqual([join(log.dir, 'dump.log'), join(log.dir, 'dump.log.1')])
    await one.close()
    expect(log.open(plain).path).toBe(join(log.dir, 'dump.log'))
  })

  it('lets others rename the file: SIGHUP begins a new one', () => {
    const sink = log.open(plain)
    sink.append(lineOf('a'))
    sink.flush()
    renameSync(join(log.dir, 'dump.log'), join(log.dir, 'dump.log.old'))
    sink.append(lineOf('b'))
    sink.flush()
    sink.reopen()
    sink.append(lineOf('c'))
    sink.flush()
    expect(textsOf(log.records('dump.log.old'))).toEqual(['a', 'b'])
    expect(textsOf(log.records())).toEqual(['c'])
  })

  it('does not write through a symlink that rotation left', () => {
    writeFileSync(join(log.dir, 'dump.log.2024050108'), 'old\n')
    symlinkSync('dump.log.2024050108', join(log.dir, 'dump.log'))
    const sink = log.open(plain)
    sink.append(lineOf('a'))
    sink.flush()
    expect(log.read('dump.log.2024050108')).toBe('old\n')
    expect(textsOf(log.records())).toEqual(['a'])
  })
})
