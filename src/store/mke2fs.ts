import { existsSync } from 'node:fs';

const paths = ['/usr/sbin/mke2fs', '/sbin/mke2fs'];

/** Where the program is that makes file systems for writable layers with a limit; undefined when it is not installed. */
export const findMke2fs = (): string | undefined => paths.find((path) => existsSync(path));
