/** What the reassembly may keep, and for how long it waits. */
import type { Micros } from '../flow.ts'

export interface ReassemblyLimits {
  /** connections that are followed at a time; the one idle for longest goes first */
  readonly maxFlows: number
  /** bytes that wait for their turn, of one connection and of all; costs of keeping them included */
  readonly maxFlowBytes: number
  readonly maxBytes: number
  /** a connection without packets for so long is given up; 0: never */
  readonly idleTimeout: Micros
  /** how long, and for how many packets of its connection, what is missing may still turn up */
  readonly patience: Micros
  readonly patiencePackets: number
}

const MINUTE = 60_000_000

export const DEFAULT_LIMITS: ReassemblyLimits = {
  maxFlows: 65_536,
  maxFlowBytes: 4 * 1024 * 1024,
  maxBytes: 128 * 1024 * 1024,
  idleTimeout: 24 * 60 * MINUTE,
  patience: 100_000,
  patiencePackets: 32,
}
