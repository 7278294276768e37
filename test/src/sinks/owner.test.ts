import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireLock } from '../../../src/sinks/lock.ts'
import { type Identity, isAlive, Owner, ownIdentity, SILENCE_MS } from '../../../src/sinks/owner.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-owner-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

/** A process that has ended and was waited for. */
const deadPid = async (): Promise<number> => {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  return child.pid as number
}

describe('isAlive', () => {
  const own = ownIdentity()

  it('knows this process, and one that is gone', async () => {
    expect(isAlive(own, own, 0)).toBe(true)
    expect(isAlive({ ...own, pid: await deadPid() }, own, 0)).toBe(false)
  })

  it.each<[string, Partial<Identity>, number, boolean]>([
    ['a pid that was used again', { start: '1' }, 0, false],
    ['a boot before this one', { boot: 'other' }, 0, false],
    [
      'another container that was heard of lately',
      { namespace: 'pid:[1]', host: 'other' },
      SILENCE_MS - 1,
      true,
    ],
    ['another container that fell silent', { namespace: 'pid:[1]', host: 'other' }, SILENCE_MS, false],
    ['another machine that was heard of lately', { boot: 'other', host: 'other' }, 0, true],
  ])('judges %s', (_, difference, silentMs, expected) => {
    if (own.start === '') return
    expect(isAlive({ ...own, ...difference }, own, silentMs)).toBe(expected)
  })
})

describe.runIf(ownIdentity().start !== '')('a process that ended', () => {
  it('is gone, though nobody has asked how it ended', async () => {
    const script = 'sleep 0.2 & echo $!; exec sleep 60'
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    const pid = Number(String((await once(parent.stdout, 'data'))[0]))
    const stat = (): string => readFileSync(`/proc/${pid}/stat`, 'latin1')
    await expect.poll(stat).toMatch(/\) Z /)
    const start = stat().split(' ')[21] as string
    expect(isAlive({ ...ownIdentity(), pid, start }, ownIdentity(), 0)).toBe(false)
    parent.kill()
  })
})

describe('an owner', () => {
  it('sees the others, whether they live, and what they hold', async () => {
    const [one, two] = [new Owner(dir, 'dump.log'), new Owner(dir, 'dump.log')]
    two.update(['dump.log.20240501'], ['dump.log.20240430'])
    const dead = {
      identity: { ...two.identity, pid: await deadPid() },
      open: ['x'],
      pending: [],
      closed: false,
    }
    writeFileSync(join(dir, '.dump.log.1-dead.owner'), JSON.stringify(dead))
    writeFileSync(join(dir, '.dump.log.2-broken.owner'), '{"identity"')
    const found = one.others(Date.now()).map(({ isAlive, holdings }) => [isAlive, holdings.open])
    expect(found).toHaveLength(2)
    expect(found).toContainEqual([true, ['dump.log.20240501']])
    expect(found).toContainEqual([false, ['x']])
  })

  it('lives in another container while one of its files is written', () => {
    const [one, two] = [new Owner(dir, 'dump.log'), new Owner(dir, 'dump.log')]
    two.update(['dump.log.20240501'], [])
    const [name] = readdirSync(dir) as [string]
    const holdings = JSON.parse(readFileSync(join(dir, name), 'utf8'))
    const identity = { ...two.identity, namespace: 'pid:[1]', host: 'other' }
    writeFileSync(join(dir, name), JSON.stringify({ ...holdings, identity }))
    utimesSync(join(dir, name), 1000, 1000)
    const isAlive = () => one.others(Date.now()).map((other) => other.isAlive)
    expect(isAlive()).toEqual([false])
    writeFileSync(join(dir, 'dump.log.20240501'), 'a line\n')
    expect(isAlive()).toEqual([true])
    utimesSync(join(dir, 'dump.log.20240501'), 1000, 1000)
    expect(isAlive()).toEqual([false])
  })

  it('is none of a log whose name begins alike', () => {
    const [one, other] = [new Owner(dir, 'audit'), new Owner(dir, 'audit.pg')]
    other.update(['audit.pg.20240501'], [])
    writeFileSync(join(dir, '.audit.pg.7-0a0b0c0d.owner'), '')
    expect([one.others(Date.now()), one.spoilt()]).toEqual([[], []])
    expect(new Owner(dir, 'audit.pg').others(Date.now())).toHaveLength(1)
  })

  it('leaves what is pending to others when it closes, else nothing', () => {
    const [one, two] = [new Owner(dir, 'dump.log'), new Owner(dir, 'dump.log')]
    one.update(['dump.log.20240501'], [])
    one.close()
    expect(readdirSync(dir)).toEqual([])
    one.update([], ['dump.log.20240501'])
    one.close()
    expect(two.others(Date.now())).toMatchObject([
      { isAlive: false, holdings: { pending: ['dump.log.20240501'] } },
    ])
  })
})

describe('a lock', () => {
  const path = () => join(dir, '.dump.log.lock')

  it('has one holder at a time, and leaves nothing', () => {
    const own = ownIdentity()
    const lock = acquireLock(path(), own)
    expect(acquireLock(path(), own)).toBeUndefined()
    lock?.release()
    const again = acquireLock(path(), own)
    expect(again).toBeDefined()
    again?.release()
    expect(readdirSync(dir)).toEqual([])
  })

  it.each(['{"pid":1', ''])('takes over a broken one: %j', (text) => {
    writeFileSync(path(), text)
    expect(acquireLock(path(), ownIdentity())).toBeDefined()
  })

  it('takes over from a process that is gone, whose late release harms nobody', async () => {
    const own = ownIdentity()
    const stale = acquireLock(path(), { ...own, pid: await deadPid() })
    expect(acquireLock(path(), own)).toBeDefined()
    stale?.release()
    expect(existsSync(path())).toBe(true)
    expect(acquireLock(path(), own)).toBeUndefined()
  })

  it('marks its holder as alive', () => {
    const lock = acquireLock(path(), ownIdentity())
    utimesSync(path(), new Date(0), new Date(0))
    lock?.touch(new Date(5000))
    expect(readFileSync(path(), 'utf8')).toContain(`"pid":${process.pid}`)
  })
})
