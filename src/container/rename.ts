import { EngineError, invalid } from '../base/errors.ts';
import { commitRecord, type ContainerContext, containerEvent } from './context.ts';
import { validateName } from './create/validate.ts';
import type { ContainerEntry } from './entry.ts';

/**
 * `docker rename`. The event `rename` carries the new name and, as `oldName`, the old one.
 * @throws invalid for a bad name or the present one; conflict when another container has it.
 */
export function renameContainer(ctx: ContainerContext, entry: ContainerEntry, wanted: string): Promise<void> {
  if (wanted === '') throw invalid('Neither old nor new names may be empty');
  const name = wanted.startsWith('/') ? wanted.slice(1) : wanted;
  return entry.lock(async () => {
    const old = entry.record.name;
    if (name === old) throw invalid('Renaming a container with the same name as its current name');
    try {
      validateName(`/${name}`);
      ctx.table.reserveName(name, entry.id);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new EngineError(error.code, `Error when allocating new name: ${error.message}`, { cause: error });
    }
    try {
      const event = containerEvent({ ...entry.record, name }, 'rename', { oldName: `/${old}` });
      const { sandbox } = entry.record;
      const identity = { containerId: entry.id, containerName: name, hostname: entry.record.config.Hostname };
      const renamed = entry.isRunning ? ctx.networks.renamed(identity) : undefined;
      await commitRecord(ctx, entry, { name, sandbox: renamed ?? sandbox }, [event]);
    } catch (error) {
      entry.record = { ...entry.record, name: old };
      ctx.table.releaseName(name, entry.id);
      throw error;
    }
    ctx.table.releaseName(old, entry.id);
  });
}
