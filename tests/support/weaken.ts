/** Loaded before an engine's sources (`node --import`), in its threads too: takes the guard in GANTRY_TEST_WEAKNESS out. */
import { registerHooks } from 'node:module';
import { type Weakness, weaknesses } from './weaknesses.ts';

const name = process.env['GANTRY_TEST_WEAKNESS'] ?? '';
const found: Weakness | undefined = new Map<string, Weakness>(Object.entries(weaknesses)).get(name);
if (found === undefined) throw new Error(`no weakness is called ${JSON.stringify(name)}`);
const sources = new URL('../../src/', import.meta.url);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const removals = found.filter(({ file }) => new URL(file, sources).href === url);
    if (removals.length === 0) return loaded;
    const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
    return { ...loaded, source: removals.reduce(without, source) };
  },
});

function without(source: string, { file, guard, instead }: Weakness[number]): string {
  const [before, after, ...more] = source.split(guard);
  if (before === undefined || after === undefined || more.length > 0) throw new Error(`${file} has another guard now`);
  return `${before}${instead}${after}`;
}
