/** What a row of measurements comes to. */
export interface Summary {
  readonly count: number;
  readonly least: number;
  readonly median: number;
  /** First and third quartile: half of all measurements lie between them. */
  readonly quartiles: readonly [number, number];
}

/** @throws Error when there is nothing to sum up. */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const [least] = sorted;
  if (least === undefined) throw new Error('nothing was measured');
  return {
    count: sorted.length,
    least,
    median: quantile(sorted, 0.5),
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
  };
}

/** The value below which the share `part` of the sorted values lies, between two neighbours by their distance. */
function quantile(sorted: readonly number[], part: number): number {
  const place = (sorted.length - 1) * part;
  const low = sorted[Math.floor(place)] ?? 0;
  const high = sorted[Math.ceil(place)] ?? low;
  return low + (high - low) * (place - Math.floor(place));
}

/** Ratio of the medians, with the median's neighbours: the ratios of single pairs between their quartiles. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Summary {
  const pairs = ours.flatMap((value, at) => {
    const other = theirs[at];
    return other === undefined || other === 0 ? [] : [value / other];
  });
  const spread = summarize(pairs);
  return { ...spread, median: summarize(ours).median / summarize(theirs).median };
}
