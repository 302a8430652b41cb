import { EngineError, messageOf } from '../../base/errors.ts';
import { noSuchVolume } from '../local.ts';
import { type PluginContext, strangeVolume } from './book.ts';
import type { DescribedVolume, Patience, VolumePlugin } from './driver.ts';
import type { KnownVolume } from './record.ts';

/** A volume as its plugin describes it (undefined while it cannot be asked), with what the engine remembers of it. */
export interface FoundVolume {
  readonly volume: KnownVolume;
  readonly described: DescribedVolume | undefined;
}

/**
 * Asks the plugin of a known volume, or for an unknown one all plugins.
 * @throws not-found; internal when the plugin cannot be asked
 */
export async function inspectPluginVolume(
  ctx: PluginContext,
  name: string,
  patience: Patience = 'patient',
): Promise<FoundVolume> {
  const known = ctx.book.get(name);
  const found = known === undefined ? await probePlugins(ctx, name) : await describeKnown(ctx, known, patience);
  if (found === undefined) throw noSuchVolume(name);
  return found;
}

/**
 * All that there are, by asking every plugin at once. Of a plugin that is late or fails a warning tells, and what is
 * known of its volumes is shown.
 */
export async function listPluginVolumes(
  ctx: PluginContext,
): Promise<{ readonly volumes: FoundVolume[]; readonly warnings: string[] }> {
  const warnings: string[] = [];
  const found = new Map<string, FoundVolume>();
  const answered = new Set<string>();
  const ask = async (plugin: VolumePlugin): Promise<void> => {
    try {
      const [listed, scope] = await Promise.all([plugin.list(), plugin.scope()]);
      answered.add(plugin.name);
      for (const described of listed) {
        const known = ctx.book.get(described.name);
        // A name is one volume: whose it is already, it stays.
        if (known === undefined ? found.has(described.name) : known.driver !== plugin.name) continue;
        found.set(described.name, { volume: known ?? strangeVolume(plugin.name, described, scope), described });
      }
    } catch (error) {
      ctx.drivers.wasLate(plugin.name);
      warnings.push(`list ${plugin.name}: ${messageOf(error)}`);
    }
  };
  await Promise.all((await ctx.drivers.all()).map(ask));
  for (const volume of ctx.book.list()) {
    if (!answered.has(volume.driver)) found.set(volume.name, { volume, described: undefined });
  }
  return { volumes: [...found.values()], warnings };
}

/** What all plugins answer for a name that is not known; the first that has it counts. */
export async function probePlugins({ drivers }: PluginContext, name: string): Promise<FoundVolume | undefined> {
  const ask = async (plugin: VolumePlugin): Promise<FoundVolume | undefined> => {
    try {
      const described = await plugin.get(name, 'probe');
      if (described === undefined || described.name !== name) return undefined;
      return { volume: strangeVolume(plugin.name, described, await plugin.scope()), described };
    } catch {
      drivers.wasLate(plugin.name);
      return undefined;
    }
  };
  const answers = await Promise.all((await drivers.all()).map(ask));
  return answers.find((answer) => answer !== undefined);
}

/** Undefined when its plugin has it no more. @throws when that cannot be asked */
export async function describeKnown(
  { drivers }: PluginContext,
  volume: KnownVolume,
  patience: Patience,
): Promise<FoundVolume | undefined> {
  const { name, driver } = volume;
  try {
    const described = await (await drivers.find(driver, patience)).get(name, patience);
    return described === undefined ? undefined : { volume, described };
  } catch (error) {
    throw withContext(`get ${name}: error while checking if volume "${name}" exists in driver "${driver}"`, error);
  }
}

/** The same failure, with what was being done before it. */
export function withContext(what: string, error: unknown): EngineError {
  return new EngineError(error instanceof EngineError ? error.code : 'internal', `${what}: ${messageOf(error)}`, {
    cause: error,
  });
}
