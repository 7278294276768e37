/** A file system that hangs, for programs that are started with its environment; see hang.c. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runOk, which } from './programs.ts'

const SOURCE = fileURLToPath(new URL('hang.c', import.meta.url))

export interface HangingDirectory {
  /** below this everything waits while it hangs */
  readonly dir: string
  /** for the program that is to meet it */
  readonly env: NodeJS.ProcessEnv
  hang(): void
  goOn(): void
  remove(): void
}

/** Is there a compiler? Says what is skipped where there is none. */
export const canHang = (): boolean => {
  const isThere = which('gcc') !== undefined && process.platform === 'linux'
  if (!isThere) console.warn("SKIPPED hanging file systems: gcc on Linux wanted (Debian's package: gcc)")
  return isThere
}

/** Builds the library and makes a directory below which it has its effect. */
export const makeHangingDirectory = async (): Promise<HangingDirectory> => {
  const root = mkdtempSync(join(tmpdir(), 'querytap-hang-'))
  const [dir, library, control] = [join(root, 'log'), join(root, 'hang.so'), join(root, 'hangs')]
  mkdirSync(dir)
  await runOk('gcc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'])
  return {
    dir,
    env: { LD_PRELOAD: library, HANG_DIR: dir, HANG_CONTROL: control },
    hang: () => writeFileSync(control, ''),
    goOn: () => rmSync(control, { force: true }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}
