/**
 * A reporter that ends the run with one plain line, in any terminal and any pipe: `N passed, N failed, N
 * skipped`.
 */
import type { Reporter, TestModule } from 'vitest/node'

interface Counts {
  passed: number
  failed: number
  skipped: number
}

const count = (modules: readonly TestModule[]): Counts => {
  const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  for (const module of modules) {
    for (const test of module.children.allTests()) counts[test.result().state] += 1
    if (module.errors().length > 0) counts.failed += 1
  }
  return { passed: counts.passed, failed: counts.failed + counts.pending, skipped: counts.skipped }
}

/** Errors outside any test, and files that cannot be loaded, count as failed. */
export const closingLine = (): Reporter => ({
  onTestRunEnd: (modules, errors) => {
    const { passed, failed, skipped } = count(modules)
    for (const module of modules) {
      const left = [...module.children.allTests('skipped')].length
      if (left > 0) console.log(`SKIPPED ${left} tests of ${module.relativeModuleId}`)
    }
    console.log(`Tests: ${passed} passed, ${failed + errors.length} failed, ${skipped} skipped`)
  },
})
