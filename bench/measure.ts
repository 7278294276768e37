/** What the benches share: CPU time and memory of a process, medians, tables, and the file of results. */

import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

// USER_HZ, fixed by Linux's interface to programs
const TICKS_PER_SECOND = 100
const UTIME = 11
const STIME = 12

/**
 * Seconds of CPU that the process (all its threads) has used until now; one tick, 10 ms, is the
 * resolution.
 */
export const cpuSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND
}

/** Resident memory in KiB. */
export const residentKiB = (pid: number): number => {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(found?.[1])
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2
}

/** Median over the rounds of value ÷ reference of the same round: what drifts with the machine falls out. */
export const medianRatio = (values: readonly number[], references: readonly number[]): number =>
  median(values.map((value, round) => value / (references[round] ?? Number.NaN)))

/** A Markdown table; the first column is left-aligned, the others hold numbers. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map(line).join('\n')
}

/** The machine in words that tell nothing of its place: cores, processor, system, Node. */
export const machine = (): string => {
  const system =
    /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform
  return `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${system}, Node ${process.versions.node}`
}

// from dist-bench/bench/measure.js
const RESULTS = fileURLToPath(new URL('../../bench/RESULTS.md', import.meta.url))

const sectionAt = (text: string, title: string): [number, number] => {
  const start = text.indexOf(`## ${title}\n`)
  if (start < 0) return [text.length, text.length]
  const next = text.indexOf('\n## ', start)
  return [start, next < 0 ? text.length : next + 1]
}

/** Puts a section in the place of the one of that title, or at the end. */
export const replaceSection = (text: string, title: string, body: string): string => {
  const [start, end] = sectionAt(text, title)
  const tail = text.slice(end)
  return `${text.slice(0, start).trimEnd()}\n\n## ${title}\n\n${body.trim()}\n${tail ? `\n${tail}` : ''}`
}

/** Prints a result; with `--write` it also becomes a section of bench/RESULTS.md. */
export const report = (title: string, body: string, write: boolean): void => {
  console.log(`\n## ${title}\n\n${body.trim()}\n`)
  if (!write) return
  const measured = `Measured on ${machine()}.`
  writeFileSync(RESULTS, replaceSection(readFileSync(RESULTS, 'utf8'), title, `${measured}\n\n${body}`))
}
