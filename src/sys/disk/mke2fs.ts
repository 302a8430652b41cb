import { existsSync } from 'node:fs';

const find = (program: string): string | undefined =>
  [`/usr/sbin/${program}`, `/sbin/${program}`].find((path) => existsSync(path));

/** Where the program is that makes file systems in files; undefined when it is not installed. */
export const findMke2fs = (): string | undefined => find('mke2fs');

/** Where the program is that makes them larger while nobody uses them; of the same package. */
export const findResize2fs = (): string | undefined => find('resize2fs');
