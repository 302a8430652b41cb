import type { Authorization } from '../api/authorization/guard.ts';
import type { EngineConfig } from './config.ts';
import type { LiveConfig } from './live.ts';

/** Who is asked about requests: the plugins of the configuration, all of which were reached once. */
export interface RequestAuthorization {
  readonly current: Authorization | undefined;
  /** Reaches the plugins of a configuration that is to replace the present one. @throws EngineError naming a plugin */
  prepare(config: EngineConfig): Promise<void>;
}

/** @throws EngineError naming the plugin that cannot be used: the engine must not serve without it */
export async function openAuthorization(live: LiveConfig): Promise<RequestAuthorization> {
  let current = await authorizationFor(live.current);
  let next = current;
  let nextNames = live.current.authorizationPlugins;
  live.onChange(({ authorizationPlugins }) => {
    if (authorizationPlugins === nextNames) current = next;
  });
  return {
    get current() {
      return current;
    },
    async prepare(config) {
      next = await authorizationFor(config);
      nextNames = config.authorizationPlugins;
    },
  };
}

/** Undefined without plugins: most engines never load what asks them. */
async function authorizationFor({
  authorizationPlugins: names,
  pluginFolders,
}: EngineConfig): Promise<Authorization | undefined> {
  if (names.length === 0) return undefined;
  const [{ createAuthorization }, { activatePlugin }, { locatePlugin }] = await Promise.all([
    import('../api/authorization/guard.ts'),
    import('../api/authorization/plugin.ts'),
    import('../plugin/locate.ts'),
  ]);
  const locate = (name: string) => locatePlugin(name, pluginFolders);
  return createAuthorization(await Promise.all([...new Set(names)].map((name) => activatePlugin(name, { locate }))));
}
