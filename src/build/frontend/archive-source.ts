import { type ContextEntry, type ContextTree, holdTree } from '../context/tree.ts';
import { PathMatcher } from '../ignore/matcher.ts';
import { missing } from '../solve/keys.ts';
import { pathsIn } from '../solve/context-source.ts';
import { textOf } from '../solve/source.ts';
import type { BuildSource } from './source.ts';

/** One archive that has both the Dockerfile and the context, as `POST /build` gets it. The tree stays its owner's. */
export function archiveSource(tree: ContextTree): BuildSource {
  return {
    async definition() {
      holdTree(tree);
      return tree;
    },
    async context(name, { excludes = [] }) {
      if (name !== 'context') throw missing(`the context ${JSON.stringify(name)}`);
      holdTree(tree);
      return excludes.length === 0 ? tree : { ...tree, entries: without(tree, new PathMatcher([...excludes])) };
    },
    names: (_name, folder) => Promise.resolve(pathsIn(tree, folder)),
  };
}

/** Directories stay while something in them does. */
function without({ entries }: ContextTree, excluded: PathMatcher): ReadonlyMap<string, ContextEntry> {
  const kept = new Map<string, ContextEntry>();
  for (const [path, entry] of entries) {
    if (excluded.matches(textOf(path))) continue;
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const parent = path.slice(0, at);
      const directory = entries.get(parent);
      if (directory !== undefined && !kept.has(parent)) kept.set(parent, directory);
    }
    kept.set(path, entry);
  }
  return kept;
}
