/**
 * Live capture: tcpdump as the capturing child, its pcap stream read from a pipe. The privileges stay with a
 * small program, and what is not read in time waits in the kernel's buffer or is dropped and counted there.
 *
 *   starting ──"listening on"──▶ capturing ──stop()──▶ stopping ──its pipe is drained──▶ stopped
 *   capturing ──the child ends, or its stream breaks──▶ waiting ──back-off──▶ starting
 *
 * The counters are asked for by SIGUSR1, once a second, and told at the child's end.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as after } from 'node:timers/promises'
import type { ConfigError } from '../errors.ts'
import type { Bytes } from '../flow.ts'
import type { Log } from '../log.ts'
import { type OnRecord, openRecords } from './records.ts'
import {
  hasNoVlan,
  isListening,
  readCounts,
  startFailure,
  type TcpdumpCounts,
  type TcpdumpOptions,
  tcpdumpArguments,
} from './tcpdump.ts'

export interface LiveOptions extends TcpdumpOptions {
  /** the program and arguments before its own */
  readonly command: readonly [program: string, ...args: string[]]
  readonly onRecord: OnRecord
  /**
   * Packets were lost before they came here: so many were dropped, or, undefined, nobody knows how many
   * while no child captured.
   */
  readonly onLoss: (packets: number | undefined, detail: string) => void
  readonly log: Log
  /** the filter for links without VLANs, tried when the first is refused for that */
  readonly plainFilter?: string
  /** milliseconds until the first restart; each failure doubles them */
  readonly backOff?: number
  /** how often counters are asked for, in milliseconds */
  readonly countEvery?: number
  /** a child that does not end is killed after so many milliseconds */
  readonly killAfter?: number
}

/** Packets may be on their way for so long: tcpdump takes them from the kernel in batches. */
const BATCH_MS = 1100
const IMMEDIATE_MS = 100
const BACK_OFF_MS = 200
const LONGEST_BACK_OFF_MS = 30_000
/** A child that has run for so long was no failure at its start. */
const STEADY_MS = 10_000
const COUNT_EVERY_MS = 1000
const KILL_AFTER_MS = 5000
/** Of what the child says only the beginning is kept, for an error's message. */
const MOST_WORDS = 4096

/** One child. */
class Child {
  readonly #tcpdump: ChildProcess
  readonly ended: Promise<string>
  readonly listening: Promise<boolean>
  readonly #records = openRecords()
  readonly #onCounts: (counts: TcpdumpCounts) => void
  #words = ''
  #line = ''
  #tellListening: (isListening: boolean) => void = () => {}
  #isListening = false
  #broken: unknown

  constructor(options: LiveOptions, filter: string, onCounts: (counts: TcpdumpCounts) => void) {
    const [program, ...before] = options.command
    this.#onCounts = onCounts
    this.#tcpdump = spawn(program, [...before, ...tcpdumpArguments({ ...options, filter })], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // a terminal's Ctrl-C is for us, who then let it finish
      detached: true,
    })
    this.listening = new Promise((resolve) => {
      this.#tellListening = resolve
    })
    this.#tcpdump.stderr?.setEncoding('utf8').on('data', (text: string) => this.#said(text))
    this.#tcpdump.stdout?.on('data', (chunk: Bytes) => this.#captured(chunk, options))
    this.ended = new Promise((resolve) => {
      const end = (why: string): void => {
        this.#said('\n')
        this.#tellListening(false)
        resolve(why)
      }
      this.#tcpdump.once('error', (error) => {
        this.#words += error.message
        end(error.message)
      })
      this.#tcpdump.once('close', (code, signal) => end(this.#why(code, signal)))
    })
  }

  get words(): string {
    return this.#words
  }

  kill(signal: NodeJS.Signals): void {
    this.#tcpdump.kill(signal)
  }

  askCounts(): void {
    if (this.#isListening && this.#tcpdump.exitCode === null) this.#tcpdump.kill('SIGUSR1')
  }

  #why(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.#broken !== undefined) return (this.#broken as Error).message
    return signal === null ? `exit code ${code}` : `signal ${signal}`
  }

  #captured(chunk: Bytes, options: LiveOptions): void {
    if (this.#broken !== undefined) return
    try {
      this.#records.feed(chunk, options.onRecord)
    } catch (error) {
      this.#broken = error
      this.#tcpdump.kill('SIGKILL')
    }
  }

  #said(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) {
      if (isListening(line)) {
        this.#isListening = true
        this.#tellListening(true)
      }
      const counts = readCounts(line)
      if (Object.keys(counts).length > 0) this.#onCounts(counts)
      else if (line !== '' && this.#words.length < MOST_WORDS) this.#words += `${line}\n`
    }
  }
}

export class LiveCapture {
  readonly #options: LiveOptions
  #filter: string
  #child: Child | undefined
  #backOff: number
  #isStopping = false
  #counting: NodeJS.Timeout | undefined
  /** ends the wait for a restart */
  #wake: AbortController = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** counters of children before the present one, and of it */
  readonly #before = { captured: 0, received: 0, dropped: 0, droppedByInterface: 0 }
  readonly #present = { captured: 0, received: 0, dropped: 0, droppedByInterface: 0 }
  restarts = 0

  constructor(options: LiveOptions) {
    this.#options = options
    this.#filter = options.filter
    this.#backOff = options.backOff ?? BACK_OFF_MS
  }

  /** What the children told, all together. */
  get counts(): Readonly<Required<TcpdumpCounts>> {
    const sum = (key: keyof TcpdumpCounts): number => this.#before[key] + this.#present[key]
    return {
      captured: sum('captured'),
      received: sum('received'),
      dropped: sum('dropped'),
      droppedByInterface: sum('droppedByInterface'),
    }
  }

  /** Resolves when packets are captured. Throws ConfigError when they cannot be. */
  async start(): Promise<void> {
    const failure = await this.#begin()
    if (failure !== undefined) throw failure
    const { countEvery = COUNT_EVERY_MS } = this.#options
    this.#counting = setInterval(() => this.#child?.askCounts(), countEvery)
    this.#counting.unref()
    this.#running = this.#watch()
  }

  /**
   * Lets what is under way arrive, unless `now` says that there is no time, and ends the child.
   * Everything it captured was handed on when this resolves.
   */
  async stop(now: Promise<unknown> = new Promise(() => {})): Promise<void> {
    const { immediateMode, killAfter = KILL_AFTER_MS } = this.#options
    if (this.#child !== undefined) await Promise.race([after(immediateMode ? IMMEDIATE_MS : BATCH_MS), now])
    this.#isStopping = true
    clearInterval(this.#counting)
    this.#wake.abort()
    const child = this.#child
    child?.kill('SIGTERM')
    const killer = setTimeout(() => child?.kill('SIGKILL'), killAfter)
    await this.#running
    clearTimeout(killer)
  }

  /** Starts a child; answers why it could not capture. */
  async #begin(): Promise<ConfigError | undefined> {
    const { interface: name, plainFilter, command } = this.#options
    const child = new Child(this.#options, this.#filter, (counts) => this.#counted(counts))
    if (await child.listening) {
      this.#child = child
      return undefined
    }
    await child.ended
    if (plainFilter !== undefined && this.#filter !== plainFilter && hasNoVlan(child.words)) {
      this.#filter = plainFilter
      return this.#begin()
    }
    return startFailure(child.words, name, command[0])
  }

  /** Starts another child whenever one ends, until it is told to stop. */
  async #watch(): Promise<void> {
    const { log, onLoss } = this.#options
    while (this.#child !== undefined) {
      const began = performance.now()
      const why = await this.#child.ended
      const { words } = this.#child
      this.#child = undefined
      this.#newChild()
      if (this.#isStopping) return
      if (performance.now() - began > STEADY_MS) this.#backOff = this.#options.backOff ?? BACK_OFF_MS
      log.error({ reason: why, error: words.trim() }, 'the capturing program ended and is started again')
      onLoss(undefined, `not captured for a while: tcpdump ended (${why})`)
      await this.#restart()
    }
  }

  async #restart(): Promise<void> {
    while (!this.#isStopping) {
      await after(this.#backOff, undefined, { signal: this.#wake.signal }).catch(() => {})
      if (this.#isStopping) return
      this.#backOff = Math.min(this.#backOff * 2, LONGEST_BACK_OFF_MS)
      this.restarts++
      const failure = await this.#begin()
      if (failure === undefined) {
        this.#options.log.info({ restarts: this.restarts }, 'capturing again')
        if (this.#isStopping) (this.#child as Child | undefined)?.kill('SIGTERM')
        return
      }
      this.#options.log.error({ err: failure }, 'capturing cannot go on yet')
    }
  }

  #newChild(): void {
    for (const key of Object.keys(this.#before) as (keyof TcpdumpCounts)[]) {
      this.#before[key] += this.#present[key]
      this.#present[key] = 0
    }
  }

  #counted(told: TcpdumpCounts): void {
    const { dropped, droppedByInterface } = this.#present
    Object.assign(this.#present, told)
    const byKernel = this.#present.dropped - dropped
    const byInterface = this.#present.droppedByInterface - droppedByInterface
    if (byKernel > 0) this.#lost(byKernel, 'kernel')
    if (byInterface > 0) this.#lost(byInterface, 'interface')
  }

  #lost(packets: number, by: 'kernel' | 'interface'): void {
    this.#options.log.warn({ packets, by, dropped: this.counts.dropped }, 'packets were dropped')
    this.#options.onLoss(packets, `${packets} packets dropped by the ${by}`)
  }
}
