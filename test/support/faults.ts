/**
 * The library that is preloaded into the proxy (faults.c): built when a test needs it, and what it has written
 * down.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runOk, which } from './programs.ts'

const SOURCE = fileURLToPath(new URL('./faults.c', import.meta.url))

/** For tests that are skipped. */
export const WHY_NO_FAULTS = 'needs Linux and cc, for a library that is preloaded into the proxy'

/** Compiles the library and gives its path, which is the caller's to remove; undefined where it cannot be. */
export const buildFaults = async (): Promise<string | undefined> => {
  const compiler = which('cc')
  if (process.platform !== 'linux' || compiler === undefined) return undefined
  const library = join(tmpdir(), `querytap-faults-${randomUUID()}.so`)
  const flags = ['-Wall', '-Wextra', '-Werror', '-O1', '-shared', '-fPIC']
  await runOk(compiler, [...flags, '-o', library, SOURCE, '-ldl', '-lpthread'])
  return library
}

export interface FaultsOptions {
  readonly library: string
  /** directory that is watched */
  readonly dir: string
  /** where what happens there is written down */
  readonly log?: string
  /** port of the server, for what is sent to it */
  readonly port?: number
  /** writes wait while this path exists */
  readonly stall?: string
}

/** The environment that preloads it. */
export const faultsEnv = ({ library, dir, log, port, stall }: FaultsOptions): NodeJS.ProcessEnv => ({
  LD_PRELOAD: library,
  FAULTS_DIR: dir,
  // asynchronous file calls by io_uring would pass the library by
  UV_USE_IO_URING: '0',
  ...(log !== undefined && { FAULTS_LOG: log }),
  ...(port !== undefined && { FAULTS_PORT: String(port) }),
  ...(stall !== undefined && { FAULTS_STALL: stall }),
})

/** One call that succeeded, in the order of the log. Names are those in the directory. */
export type Call =
  | { readonly kind: 'write'; readonly inode: bigint; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly inode: bigint; readonly length: number }
  | { readonly kind: 'syncBegun'; readonly inode: bigint; readonly sync: number }
  | { readonly kind: 'syncDone'; readonly inode: bigint; readonly sync: number }
  | { readonly kind: 'create'; readonly inode: bigint; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'link'; readonly from: string; readonly to: string }
  | { readonly kind: 'symlink'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }
  /** noted before it is sent */
  | { readonly kind: 'send'; readonly bytes: Buffer }

const HEADER_BYTES = 24

const callOf = (kind: number, inode: bigint, number: number, bytes: Buffer): Call => {
  const [first = '', second = ''] = kind >= 5 && kind <= 9 ? String(bytes).split('\0') : []
  switch (kind) {
    case 1:
      return { kind: 'write', inode, offset: number, bytes }
    case 2:
      return { kind: 'truncate', inode, length: number }
    case 3:
      return { kind: 'syncBegun', inode, sync: number }
    case 4:
      return { kind: 'syncDone', inode, sync: number }
    case 5:
      return { kind: 'create', inode, name: first }
    case 6:
      return { kind: 'rename', from: first, to: second }
    case 7:
      return { kind: 'unlink', name: first }
    case 8:
      return { kind: 'link', from: first, to: second }
    case 9:
      return { kind: 'symlink', from: first, to: second }
    case 10:
      return { kind: 'send', bytes }
    default:
      throw new Error(`faults.c knows no call ${kind}`)
  }
}

/** All calls of a log of the library's. */
export const readCalls = (path: string): Call[] => {
  const log = readFileSync(path)
  const calls: Call[] = []
  for (let at = 0; at < log.length; ) {
    const size = log.readUInt32LE(at)
    const end = at + HEADER_BYTES + size
    const bytes = log.subarray(at + HEADER_BYTES, end)
    calls.push(
      callOf(
        log.readUInt32LE(at + 4),
        log.readBigUInt64LE(at + 8),
        Number(log.readBigInt64LE(at + 16)),
        bytes,
      ),
    )
    at = end
  }
  return calls
}
