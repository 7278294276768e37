import { setImmediate as immediate } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { SpaceWatch } from '../../../src/sinks/space.ts'
import { FakeClock } from '../../support/log-files.ts'

let clock: FakeClock
let changes: [boolean, number][]
let problems: string[]
beforeEach(() => {
  clock = new FakeClock()
  changes = []
  problems = []
})

const watch = (ask: (dir: string) => Promise<number>, least = 1000): SpaceWatch =>
  new SpaceWatch({
    ...{ dir: '/log', least, clock, ask },
    onChange: (isLittle, free) => changes.push([isLittle, free]),
    onProblem: ({ message }) => problems.push(message),
  })

describe('the watch over space', () => {
  it('tells once when it is little, and once when it is enough by a tenth', async () => {
    let free = 1000
    const space = watch(async () => free)
    const later = async (bytes: number): Promise<void> => {
      free = bytes
      clock.advance(10_000)
      await immediate()
    }
    for (const bytes of [1000, 999, 0, 1000, 1099, 999, 1100, 1000, 500]) await later(bytes)
    expect(changes).toEqual([
      [true, 999],
      [false, 1100],
      [true, 500],
    ])
    space.stop()
    await later(5000)
    expect(changes).toHaveLength(3)
  })

  it('looks at the start, and at once when something could not be written', async () => {
    const free = [5000, 10]
    const asked: string[] = []
    const space = watch(async (dir) => {
      asked.push(dir)
      return free.shift() as number
    })
    await immediate()
    expect([asked, changes]).toEqual([['/log'], []])
    space.look()
    await immediate()
    expect(changes).toEqual([[true, 10]])
    space.stop()
  })

  it('asks a file system that hangs once, says so, and again when it has answered', async () => {
    const answers: ((free: number) => void)[] = []
    const space = watch(() => new Promise((resolve) => answers.push(resolve)))
    clock.advance(20_000)
    space.look()
    await immediate()
    expect([answers.length, problems]).toEqual([1, Array(2).fill('/log: the file system hangs')])
    answers[0]?.(5000)
    await immediate()
    expect([answers.length, changes]).toEqual([2, []])
    answers[1]?.(0)
    await immediate()
    expect(changes).toEqual([[true, 0]])
    clock.advance(10_000)
    space.stop()
    answers[2]?.(5000)
    await immediate()
    expect(changes).toHaveLength(1)
  })

  it('tells that it cannot ask, and goes on asking', async () => {
    let isThere = false
    const space = watch(async () => {
      if (!isThere) throw new Error('ENOENT: gone')
      return 1
    })
    await immediate()
    isThere = true
    clock.advance(10_000)
    await immediate()
    expect([problems, changes]).toEqual([['ENOENT: gone'], [[true, 1]]])
    space.stop()
  })

  it('asks the system for what a user may still write', async () => {
    const told = new Promise<number>((resolve) => {
      const space = new SpaceWatch({
        ...{ dir: '.', least: Number.MAX_SAFE_INTEGER, clock },
        onChange: (_, free) => {
          space.stop()
          resolve(free)
        },
        onProblem: ({ message }) => problems.push(message),
      })
    })
    expect(await told).toBeGreaterThan(0)
    expect(problems).toEqual([])
  })
})
