/** Go's os.FileMode bits of the types, by the type bits of stat(2). */
const types: Readonly<Record<number, number>> = {
  0o010000: 2 ** 25,
  0o020000: 2 ** 26 + 2 ** 21,
  0o040000: 2 ** 31,
  0o060000: 2 ** 26,
  0o120000: 2 ** 27,
  0o140000: 2 ** 24,
};

/** A mode as Docker's API has it: permission bits, and Go's own bits for type, set-id and sticky. */
export function goFileMode(mode: number): number {
  const special =
    ((mode & 0o4000) !== 0 ? 2 ** 23 : 0) +
    ((mode & 0o2000) !== 0 ? 2 ** 22 : 0) +
    ((mode & 0o1000) !== 0 ? 2 ** 20 : 0);
  return (mode & 0o777) + special + (types[mode & 0o170000] ?? 0);
}
