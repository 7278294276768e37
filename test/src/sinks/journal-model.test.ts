/**
 * Random schedules of what may happen to a journal, against what has to be true at any moment at which the
 * process is killed, or the power cut: of each statement that was let go the journal tells, or the log.
 */
import { mkdtempSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEncoder } from '../../../src/audit/encode.ts'
import type { FlowFacts, FlowIntents, Statement } from '../../../src/event.ts'
import type { Clock } from '../../../src/sinks/clock.ts'
import { type JournaledLog, type OpenJournal, openJournal } from '../../../src/sinks/journal.ts'
import { readSegment } from '../../../src/sinks/journal-format.ts'
import { seededRandom } from '../../support/chunks.ts'

const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
const who = { dialect: 'postgresql' }
const SECTOR = 512
/** of each kind */
const SCHEDULES = Number(process.env.QUERYTAP_SCHEDULES ?? 100)
const TIMEOUT_MS = 20_000 + SCHEDULES * 20

/** Whole numbers below one that is given. */
const randomOf = (seed: number) => {
  const random = seededRandom(seed)
  return (below: number): number => Math.floor(random() * below)
}
type Random = ReturnType<typeof randomOf>

const statement = (seq: number, length: number): Statement => ({
  event: 'statement',
  at: 1_714_554_000_000_000 + seq,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: { text: `select ${'x'.repeat(length)}`, standardConformingStrings: true, dialect: 'postgresql' },
  outcome: 'unknown',
  recovered: true,
})

/** Timers that are run when the schedule says so. */
class ManualClock implements Clock {
  #now = 1_714_554_000_000
  #timers: { at: number; callback: () => void }[] = []

  nowMs(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  pass(ms: number): void {
    this.#now += ms
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers = this.#timers.filter((other) => other !== timer)
      timer.callback()
    }
  }
}

/** A file that remembers what of it is on stable storage. */
class Disk {
  readonly durable: Buffer
  #writes: { at: number; bytes: Buffer }[] = []

  constructor(fd: number) {
    this.durable = Buffer.alloc(1 << 18)
    readSync(fd, this.durable, 0, this.durable.length, 0)
  }

  write(at: number, bytes: Buffer): void {
    this.#writes.push({ at, bytes: Buffer.from(bytes) })
  }

  /** Answers what brings all that was written by now to stable storage. */
  sync(): () => void {
    const writes = this.#writes
    return () => {
      for (const { at, bytes } of writes) bytes.copy(this.durable, at)
      this.#writes = this.#writes.filter((write) => !writes.includes(write))
    }
  }

  /** What a power cut leaves: of what was not synchronized any sectors, or none. */
  afterPowerCut(random: Random): Buffer {
    const image = Buffer.from(this.durable)
    for (const { at, bytes } of this.#writes) {
      for (let done = 0; done < bytes.length; ) {
        const end = Math.min(bytes.length, done + SECTOR - ((at + done) % SECTOR))
        if (random(2) === 0) bytes.copy(image, at + done, done, end)
        done = end
      }
    }
    return image
  }
}

/** A log that writes when it is told, fails when it is told. */
class FakeLog implements JournaledLog {
  stem: string
  isInTrouble = false
  isStable = false
  /** tokens, in the order in which they were taken */
  records: string[] = []
  written = 0
  durable = 0
  syncs: ((isGood: boolean) => void)[] = []
  #onRecovery: () => void = () => undefined

  constructor(stem: string) {
    this.stem = stem
  }

  get accepted(): number {
    return this.records.length
  }

  get settled(): number {
    return this.written
  }

  append(): void {
    throw new Error('every statement gets its record')
  }

  watch(onRecovery: () => void): void {
    this.#onRecovery = onRecovery
  }

  write(): void {
    if (!this.isInTrouble) this.written = this.records.length
  }

  recover(): void {
    this.isInTrouble = false
    this.write()
    this.#onRecovery()
  }

  sync(): Promise<void> {
    const written = this.written
    return new Promise((resolve, reject) => {
      this.syncs.push((isGood) => {
        if (!isGood) return reject(new Error('EIO'))
        this.durable = Math.max(this.durable, written)
        resolve()
      })
    })
  }
}

interface Options {
  readonly guarantee: 'written' | 'synced'
  readonly hasFaults: boolean
}

interface Flow {
  readonly facts: FlowFacts
  readonly intents: FlowIntents
  seq: number
  readonly running: number[]
}

/** One run of a process with three connections. */
class Run {
  readonly #random: Random
  readonly #clock = new ManualClock()
  readonly #log: FakeLog
  readonly #journal: OpenJournal
  readonly #flows: Flow[]
  readonly released = new Set<string>()
  readonly #taken = new Set<string>()
  readonly #disks = new Map<number, Disk>()
  #syncs: ((isGood: boolean) => void)[] = []
  readonly #hasFaults: boolean
  #isBroken = false
  #dies = false

  constructor(stem: string, seed: number, { guarantee, hasFaults }: Options) {
    this.#random = randomOf(seed)
    this.#log = new FakeLog(stem)
    this.#journal = openJournal({
      ...{ log: this.#log, encoder, mask: (event) => event, guarantee, onFailure: 'block' },
      ...{ onTrouble: () => undefined, onRecovered: () => undefined, segmentBytes: 2048 },
      clock: this.#clock,
      write: (fd, bytes, offset, length, at) =>
        this.#write(fd, bytes.subarray(offset, offset + length), at),
      sync: (fd, callback) => {
        const take = this.#diskOf(fd).sync()
        this.#syncs.push((isGood) => {
          if (isGood) take()
          callback(isGood ? null : new Error('EIO'))
        })
      },
      syncNow: (fd) => this.#diskOf(fd).sync()(),
    })
    this.#hasFaults = hasFaults
    this.#flows = ['c1', 'c2', 'c3'].map((conn_id) => {
      const facts = { conn_id }
      return { facts, intents: this.#journal.intents.open(facts), seq: 0, running: [] }
    })
  }

  #diskOf(fd: number): Disk {
    let disk = this.#disks.get(fd)
    if (disk !== undefined) return disk
    disk = new Disk(fd)
    this.#disks.set(fd, disk)
    return disk
  }

  #write(fd: number, bytes: Buffer, at: number): number {
    const disk = this.#diskOf(fd)
    const part = this.#isBroken || this.#dies ? this.#random(bytes.length) : bytes.length
    disk.write(at, bytes.subarray(0, part))
    writeSync(fd, bytes, 0, part, at)
    if (part < bytes.length) throw new Error('EIO')
    return part
  }

  async step(): Promise<void> {
    const random = this.#random
    const flow = this.#flows[random(this.#flows.length)] as Flow
    switch (random(this.#hasFaults ? 10 : 7)) {
      case 0:
      case 1:
        this.#chunk(flow)
        return
      case 2:
        this.#journal.gate.settle()
        return
      case 3: {
        const seq = flow.running.shift()
        if (seq === undefined) return
        this.#log.records.push(`${flow.facts.conn_id} ${seq}`)
        flow.intents.settled(seq)
        return
      }
      case 4:
        this.#log.write()
        return
      case 5:
        this.#clock.pass(100)
        return
      case 6:
        this.#syncs.shift()?.(!this.#hasFaults || random(5) > 0)
        this.#log.syncs.shift()?.(!this.#hasFaults || random(5) > 0)
        // the promise's callbacks
        await undefined
        await undefined
        return
      case 7:
        this.#isBroken = !this.#isBroken
        return
      case 8:
        this.#clock.pass(6000)
        return
      default:
        if (this.#log.isInTrouble) this.#log.recover()
        else this.#log.isInTrouble = true
    }
  }

  /** Some statements in one chunk. */
  #chunk(flow: Flow): void {
    const keys: string[] = []
    for (let count = this.#random(4); count >= 0; count--) {
      const seq = ++flow.seq
      const length = this.#random(20) === 0 ? 3000 : this.#random(200)
      const intent = { event: 'intent', at: 1, who, token: seq, statement: statement(seq, length) } as const
      flow.intents.take(flow.facts, intent)
      flow.running.push(seq)
      keys.push(`${flow.facts.conn_id} ${seq}`)
    }
    for (const key of keys) this.#taken.add(key)
    const ticket = flow.intents.ticket(0)
    if (ticket === 'go' || ticket.kind !== 'wait') throw new Error('nothing to wait for')
    ticket.whenReady(() => {
      for (const key of keys) this.released.add(key)
    })
  }

  /** The process is killed, perhaps amid a write. Answers what is known of statements then. */
  kill(): Set<string> {
    this.#dies = this.#random(2) === 0
    this.#journal.gate.settle()
    const known = new Set(this.#log.records.slice(0, this.#log.written))
    for (const key of liveIn(this.#paths().map((path) => readFileSync(path)))) known.add(key)
    return known
  }

  cutPower(): Set<string> {
    const known = new Set(this.#log.records.slice(0, this.#log.durable))
    const images = [...this.#disks.values()].map((disk) => disk.afterPowerCut(this.#random))
    for (const key of liveIn(images)) known.add(key)
    return known
  }

  /** Everything works again, for a while. Answers what was not let go even so. */
  async heal(): Promise<string[]> {
    this.#isBroken = false
    this.#dies = false
    this.#journal.gate.settle()
    if (this.#log.isInTrouble) this.#log.recover()
    for (let rounds = 0; rounds < 8; rounds++) {
      this.#clock.pass(6000)
      for (const over of this.#syncs.splice(0)) over(true)
      for (const over of this.#log.syncs.splice(0)) over(true)
      await undefined
      await undefined
    }
    return [...this.#taken].filter((key) => !this.released.has(key))
  }

  #paths(): string[] {
    return ['a', 'b'].map((letter) => `${this.#log.stem}.journal-${letter}`)
  }

  end(): void {
    this.#journal.close()
    for (const path of this.#paths()) rmSync(path, { force: true })
  }
}

const liveIn = (segments: readonly Buffer[]): string[] => {
  const sound = segments
    .map(readSegment)
    .flatMap((segment) => (typeof segment === 'string' ? [] : [segment]))
  const newest = sound.sort((a, b) => b.epoch - a.epoch)[0]
  // there is one in a file that was not written since it was made
  return (newest?.intents ?? []).map(({ record }) => {
    const { conn_id, stmt_seq } = JSON.parse(record.toString())
    return `${conn_id} ${stmt_seq}`
  })
}

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-model-'))
})
afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

const runs = async (count: number, options: Options, end: (run: Run) => Set<string>): Promise<number> => {
  let released = 0
  for (let seed = 1; seed <= count; seed++) {
    const run = new Run(join(dir, '.dump.log.1-00000000'), seed, options)
    for (let steps = randomOf(seed)(60); steps >= 0; steps--) await run.step()
    const known = end(run)
    const missing = [...run.released].filter((key) => !known.has(key))
    expect(missing, `seed ${seed}`).toEqual([])
    released += run.released.size
    expect(await run.heal(), `seed ${seed}`).toEqual([])
    run.end()
  }
  return released
}

describe('whatever happens', { timeout: TIMEOUT_MS }, () => {
  it.each([
    ['written', false],
    ['written', true],
  ] as const)(
    '%s: a killed process leaves word of all that it let go (faults: %s)',
    async (guarantee, hasFaults) => {
      expect(await runs(SCHEDULES, { guarantee, hasFaults }, (run) => run.kill())).toBeGreaterThan(
        SCHEDULES,
      )
    },
  )

  it.each([false, true])('synced: so does a power cut (faults: %s)', async (hasFaults) => {
    const released = await runs(SCHEDULES, { guarantee: 'synced', hasFaults }, (run) => run.cutPower())
    expect(released).toBeGreaterThan(SCHEDULES)
  })
})
