import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SinkError } from '../../../src/errors.ts'
import { Alerts } from '../../../src/sinks/alert.ts'
import { FakeClock } from '../../support/log-files.ts'

/** A program takes its time to start on a busy machine. */
const SOON = { timeout: 4000 }

let dir: string
let clock: FakeClock
let problems: SinkError[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-alert-'))
  clock = new FakeClock()
  problems = []
})
afterEach(() => rmSync(dir, { recursive: true }))

const file = (name: string): string => join(dir, name)
const told = (): string[] =>
  existsSync(file('out')) ? readFileSync(file('out'), 'utf8').split('\n').slice(0, -1) : []

/** Alerts whose program notes its arguments, then runs the script. */
const alertsOf = (script = '', timeoutMs = 10_000): Alerts => {
  const program = file('hook.sh')
  writeFileSync(program, `#!/bin/sh\necho "$#|$1|$2" >> '${file('out')}'\n${script}\n`, { mode: 0o755 })
  return new Alerts({ program, timeoutMs, clock, onProblem: (error) => problems.push(error) })
}

/** A script that waits until a file is there. */
const until = (name: string): string => `while [ ! -e '${file(name)}' ]; do sleep 0.01; done`

describe('alerts', () => {
  it('give kind and sentence to the program, without a shell', async () => {
    const alerts = alertsOf()
    alerts.tell('block', `"; touch ${file('x')}; $(id)`)
    await alerts.close()
    expect([told(), existsSync(file('x'))]).toEqual([[`2|block|"; touch ${file('x')}; $(id)`], false])
    expect(problems).toEqual([])
  })

  it('of a kind come at once, then together at the end of a minute', async () => {
    const alerts = alertsOf()
    alerts.tell('loss', 'one')
    await expect.poll(told, SOON).toEqual(['2|loss|one'])
    for (const sentence of ['two', 'three', 'four']) alerts.tell('loss', sentence)
    alerts.tell('gap', 'other')
    await expect.poll(told, SOON).toEqual(['2|loss|one', '2|gap|other'])
    clock.advance(59_999)
    alerts.tell('block', 'in between')
    await expect.poll(() => told().length, SOON).toBe(3)
    clock.advance(1)
    await expect
      .poll(() => told().slice(3), SOON)
      .toEqual(['2|loss|four (the latest of 3 since the last alert)'])
    alerts.tell('loss', 'five')
    clock.advance(60_000)
    await expect.poll(() => told().slice(4), SOON).toEqual(['2|loss|five'])
    clock.advance(600_000)
    await alerts.close()
    expect(told()).toHaveLength(5)
  })

  it('run one at a time, in the order in which they came', async () => {
    const alerts = alertsOf(`[ "$1" != space ] || { ${until('go')}; }`)
    alerts.tell('space', 'first')
    alerts.tell('gap', 'second')
    alerts.tell('loss', 'third')
    alerts.tell('gap', 'fourth')
    await expect.poll(told, SOON).toEqual(['2|space|first'])
    writeFileSync(file('go'), '')
    await alerts.close()
    expect(told()).toEqual([
      '2|space|first',
      '2|gap|fourth (the latest of 2 since the last alert)',
      '2|loss|third',
    ])
  })

  it('that rest are told at the end', async () => {
    const alerts = alertsOf()
    alerts.tell('block', 'on')
    await expect.poll(told, SOON).toEqual(['2|block|on'])
    alerts.tell('gap', 'other')
    await expect.poll(() => told().length, SOON).toBe(2)
    alerts.tell('block', 'over')
    await alerts.close()
    alerts.tell('block', 'never')
    await alerts.close()
    expect(told()).toEqual(['2|block|on', '2|gap|other', '2|block|over'])
  })

  it('whose program fails, hangs or is not there are told as such, and others follow', async () => {
    const alerts = alertsOf('case $1 in loss) exit 3;; gap) sleep 60;; esac', 2000)
    alerts.tell('loss', 'a')
    alerts.tell('gap', 'b')
    alerts.tell('space', 'c')
    await alerts.close()
    expect(told()).toEqual(['2|loss|a', '2|gap|b', '2|space|c'])
    const absent = new Alerts({
      program: file('none'),
      timeoutMs: 0,
      onProblem: (error) => problems.push(error),
    })
    absent.tell('loss', 'd')
    await absent.close()
    expect(problems.map(({ code, message }) => `${code} ${message}`)).toEqual([
      expect.stringMatching(/^hook alert loss: hook .* exited with 3$/),
      expect.stringMatching(/^hook alert gap: hook .* took longer than 2000 ms$/),
      expect.stringMatching(/^hook alert loss: .*ENOENT/),
    ])
  })
})
