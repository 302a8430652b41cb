/** How much slower than usual the machine is: `GANTRY_TEST_PATIENCE`, for an emulated one. All longest times grow by it. */
export const patience = Number(process.env['GANTRY_TEST_PATIENCE'] ?? 1);

export interface WaitOptions {
  /** Longest time in milliseconds, default 10 s. */
  readonly timeout?: number;
  /** Milliseconds between two looks, default 10. */
  readonly every?: number;
}

/**
 * Looks until `look` gives something else than undefined and false; errors of `look` count as "not yet".
 * For states of other processes that tell nobody when they change.
 * @throws Error that says what was waited for, with the last error as its cause.
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const longest = (options.timeout ?? 10_000) * patience;
  const end = performance.now() + longest;
  let cause: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${longest} ms`, { cause });
    await new Promise((resolve) => setTimeout(resolve, options.every ?? 10));
  }
}
