/** Global setup of the live tests: they run the built program, so it is built from the sources as they are. */
import { fileURLToPath } from 'node:url'
import { runOk } from '../support/programs.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const setup = async (): Promise<void> => {
  const compiler = `${ROOT}node_modules/typescript/bin/tsc`
  await runOk(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: ROOT, timeout: 180_000 })
}
