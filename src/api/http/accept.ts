/**
 * The one of `offers` that an Accept header names and wants most; of equals the first offer. Wildcards mean none of
 * them: who does not name a type gets the usual one.
 */
export function namedType(accept: string | undefined, offers: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestWeight = 0;
  for (const offer of offers) {
    for (const range of (accept ?? '').split(',')) {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
      if (type !== offer) continue;
      const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
      const value = weight === undefined ? 1 : Number(weight);
      if (value > bestWeight) {
        best = offer;
        bestWeight = value;
      }
    }
  }
  return best;
}
