/**
 * Where the worker `name` (`layer.worker`) of the calling module is. In development it is a TypeScript file beside the
 * caller; in a bundle every worker lies flat beside the bundle, so the base names of workers are unique.
 */
export function workerUrl(base: string, name: string): URL {
  return new URL(base.endsWith('.ts') ? `./${name}.ts` : `./${name}.js`, base);
}
