/**
 * Global setup of the live tests: they run the built program, so it is built from the sources as they
 * are.
 */
import { fileURLToPath } from 'node:url'
import { run } from '../support/programs.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Type errors are told but do not stop the tests: they are a check of their own, and the program is built
 * nonetheless.
 */
export const setup = async (): Promise<void> => {
  const compiler = `${ROOT}node_modules/typescript/bin/tsc`
  const build = await run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    timeout: 180_000,
  })
  if (build.code !== 0) console.error(build.stdout)
}
