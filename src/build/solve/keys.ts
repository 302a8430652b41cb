import { createHash } from 'node:crypto';
import { EngineError } from '../../base/errors.ts';

/** Of anything that JSON has. */
export const digestOf = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** What a build wants and this engine has not. */
export const missing = (what: string): EngineError =>
  new EngineError('not-implemented', `${what} is not implemented by this engine yet`);
