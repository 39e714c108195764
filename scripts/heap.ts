/** What the heap holds once garbage is collected, in bytes. Without `--expose-gc` garbage counts, too. */
export const collectedHeap = (): number => {
  for (let i = 0; i < 2; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
