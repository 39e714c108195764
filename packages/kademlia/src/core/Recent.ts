/** What was noted lately: no more than so much, the oldest first forgotten. No clock: times are told, in milliseconds. */
export class Recent {
  readonly #span: number
  readonly #most: number
  /** What was noted longest ago comes first. */
  readonly #notedAt = new Map<string, number>()

  constructor(span: number, most: number) {
    this.#span = span
    this.#most = most
  }

  has(name: string, now: number): boolean {
    const notedAt = this.#notedAt.get(name)
    return notedAt !== undefined && now - notedAt < this.#span
  }

  note(name: string, now: number): void {
    setNewest(this.#notedAt, name, now, this.#most)
    for (const [oldest, notedAt] of this.#notedAt) {
      if (now - notedAt < this.#span) break
      this.#notedAt.delete(oldest)
    }
  }
}

/** Has an entry come last, and forgets the first where there are more than so many. */
export const setNewest = <A>(map: Map<string, A>, key: string, value: A, most: number): void => {
  map.delete(key)
  map.set(key, value)
  if (map.size <= most) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
