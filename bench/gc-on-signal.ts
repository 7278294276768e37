/** Preloaded into a process that is measured (`node --expose-gc --import …`): SIGUSR2 collects garbage. */
const collect = (globalThis as { gc?: () => void }).gc

process.on('SIGUSR2', () => {
  // what the first pass makes collectable, finalizers included, goes with the second
  collect?.()
  setImmediate(() => collect?.())
})
