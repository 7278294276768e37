import { defineConfig } from 'vitest/config'
import { closingLine } from './test/setup/closing-line.ts'

export default defineConfig({
  test: {
    reporters: ['default', closingLine()],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/live/**'],
          setupFiles: ['test/setup/seed.ts'],
          // a process for each file would take half of the time
          isolate: false,
          // for machines that are busy
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'live',
          include: ['test/live/**/*.test.ts'],
          globalSetup: ['test/setup/build.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          // after the unit tests: what is measured or waited for there must not compete with them
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
