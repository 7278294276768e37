import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { checkLinks } from '../../../src/audit/verify-links.ts'
import { openJournal } from '../../../src/sinks/journal.ts'
import { readSegment } from '../../../src/sinks/journal-format.ts'
import {
  crash,
  dir,
  encoders,
  journals,
  lines,
  logNames,
  moveTo,
  openFile,
  restart,
  root,
  statement,
  statements,
  told,
  useLogDirectory,
  Victim,
  who,
} from '../../support/killed-log.ts'
import { checkBytes, findingsOf, sealed } from '../../support/sealed-log.ts'

useLogDirectory()

describe('a start', () => {
  it.each([
    ['json', true],
    ['json', false],
    ['ltsv', true],
    ['ltsv', false],
  ] as const)(
    'writes what the log does not tell of, once: %s, rotation %s',
    async (format, rotateEnable) => {
      const victim = new Victim('c1', format, { rotateEnable })
      victim.take(1, 2, 3)
      victim.finish(2)
      victim.take(4)
      crash()
      const counts: number[][] = []
      const file = await restart(format, { rotateEnable, onIntents: (...both) => counts.push(both) })
      expect(statements(format)).toEqual(['1?', '2', '3?', '4?'])
      expect(journals()).toEqual([])
      expect(counts).toEqual([[3, 0]])
      await file.close()
      await restart(format, { rotateEnable })
      expect(statements(format)).toEqual(['1?', '2', '3?', '4?'])
    },
  )

  it('tells nothing twice of which the journal does not know yet that it is in the log', async () => {
    const victim = new Victim('c1')
    victim.take(1, 2)
    victim.finish(1)
    crash()
    await restart()
    expect(statements()).toEqual(['1', '2?'])
  })

  it('tells nothing twice that was told of before its log-in and behind it', async () => {
    const victim = new Victim('c1')
    for (const number of [1, 2, 3]) victim.takeEarly(number)
    victim.take(1, 2)
    victim.finish(1)
    crash()
    await restart()
    expect(statements()).toEqual(['1', '2?', '3?'])
  })

  it('finds records in compressed files', async () => {
    const victim = new Victim('c1', 'json', { compress: 'gzip' })
    victim.take(1, 2)
    victim.finish(1)
    victim.file.reopen()
    await victim.file.idle()
    expect(readdirSync(dir).some((name) => name.endsWith('.gz'))).toBe(true)
    crash()
    await restart()
    expect(statements()).toEqual(['1', '2?'])
  })

  it('does not bring back what retention has deleted', async () => {
    const victim = new Victim('c1', 'json', { retention: { count: 1, maxAgeMs: 0, maxTotal: 0 } })
    victim.take(1)
    victim.finish(1)
    victim.take(2)
    for (const seq of [2, 3]) {
      victim.file.reopen()
      await victim.file.idle()
      victim.finish(seq)
    }
    victim.file.reopen()
    await victim.file.idle()
    victim.take(4)
    crash()
    await restart()
    expect(statements()).not.toContain('1?')
    expect(statements()).toContain('4?')
  })

  it('takes the journals of several processes, not of one that lives', async () => {
    new Victim('c1').take(1)
    new Victim('c2').take(2)
    crash()
    const living = openFile()
    const journal = openJournal({
      ...{ log: living, encoder: encoders.json, mask: (event) => event, guarantee: 'written' },
      ...{ onFailure: 'block', onTrouble: () => undefined, onRecovered: () => undefined },
    })
    await living.idle()
    const flow = journal.intents.open({ conn_id: 'c3' })
    flow.take({ conn_id: 'c3' }, { event: 'intent', at: 1, who, token: 3, statement: statement(3) })
    journal.gate.settle()
    expect(statements()).toEqual(['1?', '2?'])
    await restart()
    expect(statements()).toEqual(['1?', '2?'])
    expect(journals()).toHaveLength(2)
    await living.close()
    journal.close()
    expect(journals(), 'what it did not end is for the next start').toHaveLength(2)
  })

  it('searches the log once for the journals of a whole row of crashes', async () => {
    for (let round = 0; round < 20; round++) {
      const victim = new Victim(`c${round}`)
      victim.take(2 * round + 1, 2 * round + 2)
      victim.finish(2 * round + 1)
    }
    crash()
    const counts: number[][] = []
    await restart('json', { onIntents: (...both) => counts.push(both) })
    expect(counts).toEqual([[20, 20]])
    expect(journals()).toEqual([])
    expect(statements()).toHaveLength(40)
  })

  it('has no more waiting at a time than may wait', async () => {
    const victim = new Victim('c1')
    const numbers = Array.from({ length: 2000 }, (_, index) => index + 1)
    victim.take(...numbers)
    crash()
    await restart('json', { bufferBytes: 65_536 })
    expect(statements()).toHaveLength(2000)
    expect(lines().filter((line) => line.includes('"audit.loss"'))).toEqual([])
  })

  it('ends well where the one before it was killed before the journal was gone', async () => {
    new Victim('c1').take(1, 2)
    crash()
    const kept = journals().map((name) => [name, readFileSync(join(dir, name))] as const)
    await restart()
    for (const [name, bytes] of kept) writeFileSync(join(dir, name), bytes)
    crash()
    await restart()
    expect(statements()).toEqual(['1?', '2?'])
    expect(journals()).toEqual([])
  })

  it('leaves a journal that it cannot read, and says so once', async () => {
    const stem = '.dump.log.99-0a0b0c0d.journal-'
    writeFileSync(join(dir, `${stem}a`), 'QTJ9 of a later version')
    writeFileSync(join(dir, `${stem}b`), 'QTJ9 of a later version')
    writeFileSync(join(dir, '.dump.log.98-0a0b0c0d.journal-a'), 'nobody knows what this is')
    const file = await restart()
    file.reopen()
    await file.idle()
    expect(told.filter((text) => text.includes('newer version'))).toHaveLength(1)
    expect(told.filter((text) => text.includes('cannot be read'))).toHaveLength(1)
    expect(journals()).toHaveLength(3)
  })

  it('waits for a disk that takes nothing, and then writes everything once', async () => {
    new Victim('c1').take(1, 2, 3)
    crash()
    let room = 0
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    const { writeSync } = await import('node:fs')
    const file = openFile('json', {
      write: (fd, buffer, offset, length) => {
        if (room === 0) throw full
        return writeSync(fd, buffer, offset, length)
      },
    })
    await expect.poll(() => file.isInTrouble).toBe(true)
    expect(journals()).toHaveLength(2)
    const other = await restart()
    expect(statements()).toEqual([])
    room = 1
    file.reopen()
    await file.idle()
    await other.close()
    expect(statements(), 'who came meanwhile has not done the same').toEqual(['1?', '2?', '3?'])
    expect(journals()).toEqual([])
  })
})

describe('a kill amid a write', () => {
  it('to the log leaves no torn line, and nothing twice, at any byte', async () => {
    const victim = new Victim('c1')
    victim.take(1, 2)
    victim.finish(1)
    crash()
    const whole = dir
    const log = readdirSync(dir).find((name) => name.startsWith('dump.log.2')) as string
    const { size } = statSync(join(dir, log))
    for (let cut = 0; cut <= size; cut += 7) {
      moveTo(join(root, `cut-${cut}`))
      cpSync(whole, dir, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      truncateSync(join(dir, log), cut)
      const file = await restart()
      expect(statements(), `cut at ${cut}`).toEqual([cut === size ? '1' : '1?', '2?'])
      await file.close()
    }
  })

  it('to the journal loses what was not let go, at most', async () => {
    const victim = new Victim('c1')
    victim.take(1)
    const before = new Map(journals().map((name) => [name, readFileSync(join(dir, name))]))
    victim.take(2)
    crash()
    const name = journals().find((one) => !readFileSync(join(dir, one)).equals(before.get(one) as Buffer))
    const [old, now] = [before.get(name as string) as Buffer, readFileSync(join(dir, name as string))]
    const whole = readSegment(now)
    expect(whole).toMatchObject({ isBroken: false, intents: [{ id: 1 }, { id: 2 }] })
    const end = typeof whole === 'string' ? 0 : whole.end
    for (let cut = 0; cut < end; cut++) {
      const segment = readSegment(Buffer.concat([now.subarray(0, cut), old.subarray(cut)]))
      if (typeof segment === 'string') throw new Error(segment)
      expect(segment.intents.map(({ id }) => id)).toEqual([1])
    }
  })

  it('is found by a process that lives, at its next rotation', async () => {
    new Victim('c1').take(1)
    const killed = dir
    moveTo(join(root, 'other'))
    mkdirSync(dir)
    const other = openFile()
    await other.idle()
    for (const name of readdirSync(killed).filter((one) => one.includes('.journal-')))
      copyFileSync(join(killed, name), join(dir, name))
    other.append(encoders.json.encode(undefined, { event: 'audit.start', at: 1, fields: {} }))
    other.reopen()
    await other.idle()
    expect(statements()).toEqual(['1?'])
    expect(journals()).toEqual([])
  })
})

describe('a hash chain', () => {
  it.each([0, 1, 5, 150])(
    'verifies when a killed process left %i bytes too few of a line',
    async (missing) => {
      const victim = new Victim('c1', 'json', sealed())
      victim.take(1, 2, 3)
      victim.finish(1, 2)
      crash()
      const [name] = logNames()
      const path = join(dir, name as string)
      truncateSync(path, statSync(path).size - missing)
      const file = await restart('json', { ...sealed(), compress: 'gzip' })
      await file.close()
      const reports = logNames().map((one) => {
        const bytes = readFileSync(join(dir, one))
        return checkBytes(join(dir, one), one.endsWith('.gz') ? gunzipSync(bytes) : bytes)
      })
      expect(reports).toHaveLength(2)
      expect(findingsOf(checkLinks(reports, true))).toEqual([])
      expect(statements()).toEqual(missing === 0 ? ['1', '2', '3?'] : ['1', '2?', '3?'])
    },
  )
})
