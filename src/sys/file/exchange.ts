import { callBlocking } from '../blocking/blocking.ts';

/** Exchanges what two paths of one file system name, in one step. Not durable by itself. @throws SystemError. */
export const exchangePaths = (one: string, other: string): Promise<void> => callBlocking('exchange', one, other);
