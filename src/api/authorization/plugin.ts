import { internal, messageOf } from '../../base/errors.ts';
import { callPlugin, fieldOf, usualPauses } from '../../plugin/call.ts';
import { locatePlugin, type PluginAddress } from '../../plugin/locate.ts';
import type { AuthorizationPlugin, AuthorizationQuestion, Verdict } from './guard.ts';

export interface PluginOptions {
  readonly locate?: (name: string) => Promise<PluginAddress>;
  readonly pauses?: readonly number[];
}

/**
 * Finds a plugin and makes its acquaintance: it must say that it implements `authz`. A plugin that cannot be reached is
 * tried for some seconds, at each question too, as it may be starting.
 * @throws EngineError naming the plugin
 */
export async function activatePlugin(name: string, options: PluginOptions = {}): Promise<AuthorizationPlugin> {
  const { locate = locatePlugin, pauses = usualPauses } = options;
  const never = new AbortController().signal;
  let address: PluginAddress;
  try {
    address = await locate(name);
    const answer = await callPlugin(async () => address, 'Plugin.Activate', undefined, { pauses, signal: never });
    const implemented = fieldOf(answer, 'Implements');
    if (!Array.isArray(implemented) || !implemented.includes('authz')) {
      throw internal('it does not implement authz');
    }
  } catch (error) {
    throw internal(`cannot use the authorization plugin ${name}: ${messageOf(error)}`, error);
  }
  const ask = async (method: string, question: AuthorizationQuestion, signal: AbortSignal): Promise<Verdict> =>
    verdictOf(await callPlugin(async () => address, method, question, { pauses, signal }), method);
  return {
    name,
    askRequest: (question, signal) => ask('AuthZPlugin.AuthZReq', question, signal),
    askResponse: (question, signal) => ask('AuthZPlugin.AuthZRes', question, signal),
  };
}

function verdictOf(answer: unknown, method: string): Verdict {
  const allow = fieldOf(answer, 'Allow') ?? false;
  const message = fieldOf(answer, 'Msg') ?? '';
  if (typeof allow !== 'boolean' || typeof message !== 'string') throw internal(`${method}: the answer is no verdict`);
  return { allow, message };
}
