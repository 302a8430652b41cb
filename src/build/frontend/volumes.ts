import { invalid } from '../../base/errors.ts';
import type { StepMount } from '../../spec/contract/build.ts';
import { cleanPath } from '../ignore/clean-path.ts';
import type { Attributes } from './options.ts';

const prefix = 'build-volume:';

/** Volumes that every RUN of a build sees (`build-volume:/path` = `NAME` or `NAME:ro`). @throws EngineError `invalid` */
export function volumesOf(attributes: Attributes): (StepMount & { readonly kind: 'volume' })[] {
  return [...attributes].flatMap(([key, value]) => {
    if (!key.startsWith(prefix)) return [];
    const target = cleanPath(key.slice(prefix.length));
    const [, name, mode] = /^([a-zA-Z0-9][a-zA-Z0-9_.-]{0,254})(:ro|:rw)?$/.exec(value) ?? [];
    if (name === undefined || !target.startsWith('/') || target === '/') {
      throw invalid(`invalid build volume ${JSON.stringify(`${value}:${target}`)}: expected NAME:/PATH[:ro]`);
    }
    return [{ kind: 'volume', name, target, readOnly: mode === ':ro' } as const];
  });
}
