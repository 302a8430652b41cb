/** Reasons to skip a test, for `test(name, { skip: needsRoot() })`; `false` means that it runs. */

export const needsRoot = (): string | false => (process.getuid?.() === 0 ? false : 'needs root');

/** Tests that take long run only with `./test --long`. */
export const onlyLong = (): string | false =>
  process.env['GANTRY_TEST_LONG'] === '1' ? needsRoot() : 'takes long: run ./test --long';
