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
    this.#notedAt.delete(name)
    this.#notedAt.set(name, now)
    if (this.#notedAt.size <= this.#most) return
    for (const oldest of this.#notedAt.keys()) {
      this.#notedAt.delete(oldest)
      return
    }
  }
}
