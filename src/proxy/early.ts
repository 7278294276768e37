/** Keeps what a server is to be sent until it is reached. */
import type { Socket } from 'node:net'
import type { Bytes } from '../flow.ts'
import { MOST_EARLY } from './limits.ts'

export class Early {
  #chunks: Bytes[] = []
  #bytes = 0

  get isFull(): boolean {
    return this.#bytes >= MOST_EARLY
  }

  add(bytes: Bytes): void {
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
  }

  sendTo(server: Socket): void {
    for (const bytes of this.drop()) server.write(bytes)
  }

  drop(): readonly Bytes[] {
    const dropped = this.#chunks
    this.#chunks = []
    this.#bytes = 0
    return dropped
  }
}
