/** A recovery among files that are not its own, that cannot be read, or that are of another format. */
import {
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { recodeRecord } from '../../../src/audit/recode.ts'
import {
  crash,
  dir,
  fieldsOf,
  journals,
  logNames,
  openFile,
  restart,
  statements,
  told,
  useLogDirectory,
  Victim,
} from '../../support/killed-log.ts'

useLogDirectory()

describe('a start', () => {
  it('leaves alone what is of a log whose name begins alike', async () => {
    new Victim('c1', 'json', { fileName: 'dump.log.pg' }).take(1)
    crash()
    await restart()
    expect(journals()).toHaveLength(2)
    expect(statements()).toEqual([])
    await restart('json', { fileName: 'dump.log.pg' })
    expect(journals()).toEqual([])
  })

  it.each([
    ['json', 'ltsv'],
    ['ltsv', 'json'],
  ] as const)('writes what was kept as %s into a log that is %s now', async (before, now) => {
    const victim = new Victim('c1', before)
    victim.take(1, 2)
    victim.finish(1)
    crash()
    await restart(now, { recode: (record) => recodeRecord(record, now) })
    const [name] = logNames().slice(-1)
    const lines = readFileSync(join(dir, name as string), 'utf8')
      .split('\n')
      .slice(0, -1)
    const records = lines.map((line) => (now === 'json' ? JSON.parse(line) : fieldsOf(line)))
    expect(records).toHaveLength(1)
    expect(records[0]).toMatchObject({ query: 'select 2', outcome: 'unknown' })
    expect(String(records[0].log_seq)).toBe('1')
  })

  it('does its work where one of the log files cannot be read, and says so', async () => {
    const victim = new Victim('c1')
    victim.take(1, 2)
    victim.finish(1)
    crash()
    writeFileSync(join(dir, 'dump.log.20240501.gz'), 'half of a compressed file')
    await restart()
    expect(statements(['dump.log.20240501.gz'])).toEqual(['1', '2?'])
    expect(told).toEqual([expect.stringContaining('dump.log.20240501.gz')])
    expect(journals()).toEqual([])
  })

  it('goes on with the other journals where one makes difficulties', async () => {
    new Victim('c1').take(1)
    crash()
    symlinkSync('.dump.log.5-0a0b0c0d.journal-a', join(dir, '.dump.log.5-0a0b0c0d.journal-a'))
    await restart()
    expect(statements()).toEqual(['1?'])
  })
})

describe('a torn line', () => {
  const RECORD = '{"ts":"2024-05-01T00:00:00.000000Z","event":"x","log_seq":1}\n'
  const torn = `${RECORD}{"event":"y"${'\0'.repeat(5000)}`

  it.each(['', '\0\0\0\0', '{"identity":{"pi'])(
    'is cut where a power cut left an owner’s file that says %j',
    async (text) => {
      writeFileSync(join(dir, 'dump.log.20240501'), torn)
      writeFileSync(join(dir, '.dump.log.99-0a0b0c0d.owner'), text)
      const cuts: (string | number)[] = []
      await restart('json', { onCut: (...both) => cuts.push(...both) })
      expect(readFileSync(join(dir, 'dump.log.20240501'), 'utf8')).toBe(RECORD)
      expect(readdirSync(dir).filter((name) => name.startsWith('.dump.log.99'))).toEqual([])
      expect(cuts).toEqual(['dump.log.20240501', torn.length - RECORD.length])
    },
  )

  it('of another program is left as it is', async () => {
    new Victim('c1').take(1)
    crash()
    const others = { 'dump.log.20240501': torn, 'dump.log.7': 'no line at all', 'dump.log.8': 'a\nb' }
    for (const [name, text] of Object.entries(others)) writeFileSync(join(dir, name), text)
    await restart()
    expect(readFileSync(join(dir, 'dump.log.20240501'), 'utf8')).toBe(torn)
    rmSync(join(dir, 'dump.log.20240501'))
    writeFileSync(join(dir, '.dump.log.99-0a0b0c0d.owner'), '')
    const file = openFile()
    await file.idle()
    for (const name of ['dump.log.7', 'dump.log.8'] as const)
      expect(readFileSync(join(dir, name), 'utf8')).toBe(others[name])
    expect(journals()).toEqual([])
  })

  it('is cut where the log rotates meanwhile, and an empty file is taken away', async () => {
    const victim = new Victim('c1')
    victim.take(1)
    victim.finish(1)
    crash()
    const [name] = logNames() as [string]
    truncateSync(join(dir, name), statSync(join(dir, name)).size - 3)
    // files are read in the order of the directory, or some of it: one of these is gone when its turn comes
    for (let seq = 0; seq < 20; seq++) writeFileSync(join(dir, `dump.log.20240501.${seq + 1}`), '')
    const file = openFile()
    for (let seq = 0; seq < 20; seq++) rmSync(join(dir, `dump.log.20240501.${seq + 1}`))
    await file.idle()
    expect(told).toEqual([])
    expect(statements()).toEqual(['1?'])
  })

  it('of the one fixed name is cut, and told', async () => {
    const victim = new Victim('c1', 'json', { rotateEnable: false })
    victim.take(1)
    victim.finish(1)
    crash()
    const { size } = statSync(join(dir, 'dump.log'))
    truncateSync(join(dir, 'dump.log'), size - 3)
    const cuts: (string | number)[] = []
    await restart('json', { rotateEnable: false, onCut: (...both) => cuts.push(...both) })
    expect(cuts).toEqual(['dump.log', size - 3])
    expect(statements()).toEqual(['1?'])
  })
})
