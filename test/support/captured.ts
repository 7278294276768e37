/** Runs captures through the program's own reader, and notes what its flows are told. */
import { readFileSync } from 'node:fs'
import { type CaptureOptions, openCapture } from '../../src/capture/engine.ts'
import { type CaptureRecord, openRecords } from '../../src/capture/records.ts'
import type { Bytes, Direction, FlowEnd, FlowFacts, Micros, OpenFlow } from '../../src/flow.ts'
import { silentLog } from '../../src/log.ts'

/** Something that a flow was told. */
export type Told =
  | { readonly kind: 'chunk'; readonly from: Direction; readonly bytes: Bytes; readonly at: Micros }
  | { readonly kind: 'gap'; readonly from: Direction; readonly length: number; readonly at: Micros }

/** What a flow was told, in order. */
export interface Watched {
  facts: FlowFacts
  readonly openedAt: Micros
  isMidStream: boolean
  readonly told: Told[]
  end: FlowEnd | undefined
  endedAt: Micros | undefined
}

/** Notes all flows. */
export const watch = (): { readonly flows: Watched[]; readonly openFlow: OpenFlow } => {
  const flows: Watched[] = []
  const openFlow: OpenFlow = (facts, at) => {
    const flow: Watched = {
      ...{ facts, openedAt: at, isMidStream: false, told: [], end: undefined, endedAt: undefined },
    }
    flows.push(flow)
    const alive = (): void => {
      if (flow.end !== undefined) throw new Error('told something after its end')
    }
    return {
      dialled: (known) => {
        alive()
        flow.facts = known
      },
      secured: alive,
      midStream: () => {
        alive()
        if (flow.told.length > 0) throw new Error('told too late that it begins in its middle')
        flow.isMidStream = true
      },
      chunk: (from, bytes, when) => {
        alive()
        if (bytes.length === 0) throw new Error('an empty chunk')
        flow.told.push({ kind: 'chunk', from, bytes: Buffer.from(bytes), at: when })
        return 'go'
      },
      gap: (from, length, when) => {
        alive()
        if (length <= 0) throw new Error('an empty gap')
        flow.told.push({ kind: 'gap', from, length, at: when })
      },
      closed: (end, when) => {
        alive()
        flow.end = end
        flow.endedAt = when
      },
    }
  }
  return { flows, openFlow }
}

/** A capture engine whose flows are noted. */
export const watching = (options: Partial<CaptureOptions> = {}) => {
  const { flows, openFlow } = watch()
  let count = 0
  const capture = openCapture({
    targets: [{ port: 5432 }],
    openFlow,
    connId: () => `c${++count}`,
    log: silentLog,
    ...options,
  })
  return { flows, capture }
}

/** Records of a whole capture file; `size` is that of the chunks in which it is read. */
export const recordsOf = (file: Bytes, size = file.length): CaptureRecord[] => {
  const records: CaptureRecord[] = []
  const reader = openRecords()
  for (let at = 0; at < file.length; at += size) {
    reader.feed(file.subarray(at, at + size), (record) => {
      const bytes = Buffer.from(record.bytes.subarray(record.start, record.end))
      records.push({ ...record, bytes, start: 0, end: bytes.length })
    })
  }
  reader.end()
  return records
}

/** What the flows of a capture file were told. */
export const flowsOf = (file: string, options: Partial<CaptureOptions> = {}): Watched[] => {
  const { flows, capture } = watching(options)
  for (const record of recordsOf(readFileSync(file))) capture.record(record)
  capture.end()
  return flows
}

/** All bytes of one direction; gaps as that many question marks. */
export const streamOf = ({ told }: Watched, from: Direction): string =>
  told
    .filter((one) => one.from === from)
    .map((one) => (one.kind === 'chunk' ? one.bytes.toString('latin1') : '?'.repeat(one.length)))
    .join('')

/** The conversation as `>` client and `<` server, pieces of one side in a row joined, gaps as `[n]`. */
export const talkOf = ({ told }: Watched): string[] => {
  const talk: string[] = []
  let last: Direction | undefined
  for (const one of told) {
    const text = one.kind === 'chunk' ? one.bytes.toString('latin1') : `[${one.length}]`
    if (one.from === last) talk.push((talk.pop() ?? '') + text)
    else talk.push((one.from === 'frontend' ? '> ' : '< ') + text)
    last = one.from
  }
  return talk
}
