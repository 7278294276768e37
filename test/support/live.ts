/** `describe` for live tests: names the servers they need, and skips loudly what this machine cannot run. */
import { describe, test } from 'vitest'
import { howToInstall, isForThisPlatform, missingServers, type ServerName } from './servers.ts'

/**
 * A group of tests that need these servers. Lacking one, the group is skipped and says what to install;
 * with CI=true it fails, unless there is no such server for this platform.
 */
export const describeLive = async (
  name: string,
  needs: readonly ServerName[],
  body: () => void,
): Promise<void> => {
  const missing = await missingServers(needs)
  if (missing.length === 0) {
    describe(name, body)
    return
  }
  const message = `${name}: ${missing.join(', ')} not found; ${howToInstall(missing)}`
  if (process.env.CI === 'true' && missing.every(isForThisPlatform)) {
    test(name, () => {
      throw new Error(message)
    })
    return
  }
  console.warn(`SKIPPED ${message}`)
  describe.skip(name, body)
}
