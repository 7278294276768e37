/** What a capture's parts count together. */

/** What has been seen so far. */
export interface CaptureCounts {
  /** records, and their bytes on the wire */
  packets: number
  bytes: number
  /** TCP segments of watched connections */
  segments: number
  /** headers that were cut or make no sense */
  broken: number
  /** bytes of segments that had been seen before: retransmitted, captured twice */
  repeated: number
  /** bytes that are in no record: gaps */
  lost: number
  /** segments that can belong to nothing that was said on their connection */
  strays: number
  /** flows opened so far */
  flows: number
}

/** Counts that begin at nothing. */
export const newCounts = (): CaptureCounts => ({
  packets: 0,
  bytes: 0,
  segments: 0,
  broken: 0,
  repeated: 0,
  lost: 0,
  strays: 0,
  flows: 0,
})
