/** Labels and value of one series. */
export type Sample = readonly [Readonly<Record<string, string>>, number | Histogram];

/** A family of series in the text format of Prometheus. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

/** Upper bounds in seconds: Docker's, which are Prometheus's defaults. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** How long things took, in buckets. */
export class Histogram {
  readonly #counts = bounds.map(() => 0);
  #count = 0;
  #sum = 0;

  /** `seconds` is what one of them took. */
  observe(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    for (const [at, bound] of bounds.entries()) if (seconds <= bound) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** The series of this histogram: suffix of the name, more labels, value. */
  series(): (readonly [string, Readonly<Record<string, string>>, number])[] {
    return [
      ...bounds.map((bound, at) => ['_bucket', { le: String(bound) }, this.#counts[at] ?? 0] as const),
      ['_bucket', { le: '+Inf' }, this.#count],
      ['_sum', {}, this.#sum],
      ['_count', {}, this.#count],
    ];
  }
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const shown = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${shown.length === 0 ? '' : `{${shown.join(',')}}`} ${value}\n`;
}

/** The families in Prometheus's text format 0.0.4. */
export function renderMetrics(families: readonly MetricFamily[]): string {
  return families
    .map(({ name, help, type, samples }) => {
      const lines = samples.flatMap(([labels, value]) =>
        typeof value === 'number'
          ? [line(name, labels, value)]
          : value.series().map(([suffix, more, number]) => line(`${name}${suffix}`, { ...labels, ...more }, number)),
      );
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}
