import { invalid } from '../../base/errors.ts';
import { contains, formatPrefix, parsePrefix, baseOf, type Prefix } from '../../base/address.ts';

/** Who of the world outside this host gets to a published port; processes of the host itself always do. */
export interface PortAccess {
  /** Clients' addresses; undefined for all. None of a family: nobody of that family. */
  readonly from?: readonly Prefix[] | undefined;
  /** A connection must be let in by the host's own rules for incoming packets (the hook `input`), too. */
  readonly hostRules?: boolean | undefined;
}

/** Just the access out of something that has more. */
export const accessOf = ({ from, hostRules }: PortAccess): PortAccess => ({
  ...(from === undefined ? {} : { from }),
  ...(hostRules === true ? { hostRules } : {}),
});

const mostPrefixes = 256;

/**
 * Prefixes and addresses (`10.0.0.0/8`, `fd00::/8`, `192.0.2.7`), those left out that another one contains.
 * @throws EngineError `invalid`
 */
export function parseFrom(texts: readonly string[]): readonly Prefix[] {
  if (texts.length > mostPrefixes) throw invalid(`too many addresses in from: at most ${mostPrefixes} are possible`);
  const prefixes = texts.map((text) => {
    const prefix = parsePrefix(text.trim());
    if (prefix !== undefined) return prefix;
    throw invalid(`invalid from=${text.slice(0, 60)}: expected an address or a prefix like 10.0.0.0/8`);
  });
  return withoutNested(prefixes);
}

/** Prefixes either contain each other or have nothing in common. */
export function withoutNested(prefixes: readonly Prefix[]): readonly Prefix[] {
  const wider = (one: Prefix, other: Prefix): boolean => one.length <= other.length && contains(one, baseOf(other));
  return prefixes.filter(
    (prefix, at) =>
      !prefixes.some((other, index) => {
        if (index === at || !wider(other, prefix)) return false;
        return other.length < prefix.length || index < at;
      }),
  );
}

export const formatFrom = (from: readonly Prefix[]): string[] => from.map(formatPrefix);
