import { percentDecode } from '../../spec/decode/query.ts';
import { type Method, type OperationId, operations } from '../operations.ts';

export interface Match {
  readonly operation: OperationId;
  /** Decoded values of the template's parameters. */
  readonly params: ReadonlyMap<string, string>;
}

interface CompiledRoute {
  readonly operation: OperationId;
  readonly parts: readonly { readonly kind: 'literal' | 'one' | 'many'; readonly text: string }[];
}

/** Method and first segment -> routes: the ones with fewer parameters first, those that take slashes last. */
const routes = compile();

function compile(): ReadonlyMap<string, readonly CompiledRoute[]> {
  const table = new Map<string, CompiledRoute[]>();
  for (const [operation, [method, template]] of Object.entries(operations) as [OperationId, [Method, string]][]) {
    const parts = template
      .slice(1)
      .split('/')
      .map((text) => {
        if (!text.startsWith('{')) return { kind: 'literal' as const, text };
        const many = text.endsWith('...}');
        return { kind: many ? ('many' as const) : ('one' as const), text: text.slice(1, many ? -4 : -1) };
      });
    const key = `${method} ${parts[0]?.text}`;
    table.set(key, [...(table.get(key) ?? []), { operation, parts }]);
  }
  const parameters = (route: CompiledRoute) =>
    route.parts.reduce((sum, { kind }) => sum + (kind === 'many' ? 100 : kind === 'one' ? 1 : 0), 0);
  for (const group of table.values()) group.sort((a, b) => parameters(a) - parameters(b));
  return table;
}

/**
 * Finds the operation behind a path (still percent-encoded, without version and query).
 * @throws EngineError `invalid` for a broken escape in a parameter.
 */
export function matchRoute(method: string, path: string): Match | undefined {
  const segments = path.split('/').slice(1);
  // As with Docker, `/networks/` is `/networks`.
  if (segments.length === 2 && segments[1] === '') segments.pop();
  for (const route of routes.get(`${method} ${segments[0]}`) ?? []) {
    const params = matchParts(route, segments);
    if (params !== undefined) return { operation: route.operation, params };
  }
  return undefined;
}

function matchParts({ parts }: CompiledRoute, segments: readonly string[]): Map<string, string> | undefined {
  const many = parts.findIndex((part) => part.kind === 'many');
  const extra = segments.length - parts.length;
  if (extra < 0 || (extra > 0 && many < 0)) return undefined;
  const found: [string, string][] = [];
  for (const [index, part] of parts.entries()) {
    const from = many >= 0 && index > many ? index + extra : index;
    const text = index === many ? segments.slice(from, from + extra + 1).join('/') : (segments[from] ?? '');
    if (part.kind === 'literal' ? part.text !== text : text === '') return undefined;
    if (part.kind !== 'literal') found.push([part.text, text]);
  }
  return new Map(found.map(([name, text]) => [name, percentDecode(text)]));
}
