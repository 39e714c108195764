/** Mutants that no test catches, and why that is right. `npm run mutate` fails once one of them no longer exists or is caught. */
export interface Excused {
  readonly file: string
  /** The line where the mutant begins, without its indentation. */
  readonly code: string
  /** What the mutant replaces, and by what. */
  readonly original: string
  readonly replacement: string
  readonly reason: string
}

export const excused: ReadonlyArray<Excused> = []
