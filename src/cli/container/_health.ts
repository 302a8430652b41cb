import { CliError } from '../errors.ts';

/** The flags about health checks, durations in nanoseconds. */
export interface HealthFlags {
  readonly 'health-cmd': string;
  readonly 'health-http': string;
  readonly 'health-tcp': string;
  readonly 'health-on-failure': string;
  readonly 'health-interval': number;
  readonly 'health-timeout': number;
  readonly 'health-start-period': number;
  readonly 'health-start-interval': number;
  readonly 'health-retries': number;
  readonly 'no-healthcheck': boolean;
}

const actions = ['none', 'kill', 'restart', 'stop'];

/** `Healthcheck` of a create request; undefined leaves all to the image. @throws CliError in docker's words. */
export function healthcheck(flags: HealthFlags): Record<string, unknown> | undefined {
  const times = {
    Interval: flags['health-interval'],
    Timeout: flags['health-timeout'],
    StartPeriod: flags['health-start-period'],
    StartInterval: flags['health-start-interval'],
    Retries: flags['health-retries'],
  };
  const test = healthTest(flags);
  const action = flags['health-on-failure'];
  const isSet = test !== undefined || action !== '' || Object.values(times).some((value) => value !== 0);
  if (flags['no-healthcheck']) {
    if (isSet) throw new CliError('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!isSet) return undefined;
  const names = ['interval', 'timeout', 'start-period', 'start-interval', 'retries'];
  Object.values(times).forEach((value, at) => {
    if (value < 0) throw new CliError(`--health-${names[at]} cannot be negative`);
  });
  if (action !== '' && !actions.includes(action)) {
    throw new CliError(`invalid --health-on-failure ${JSON.stringify(action)}: expected ${actions.join(', ')}`);
  }
  const given = Object.entries(times).filter(([, value]) => value !== 0);
  return {
    ...(test === undefined ? {} : { Test: test }),
    ...Object.fromEntries(given),
    ...(action === '' ? {} : { OnFailure: action }),
  };
}

function healthTest(flags: HealthFlags): string[] | undefined {
  const tests: string[][] = [];
  if (flags['health-cmd'] !== '') tests.push(['CMD-SHELL', flags['health-cmd']]);
  if (flags['health-http'] !== '') tests.push(['HTTP', fullUrl(flags['health-http'])]);
  if (flags['health-tcp'] !== '') tests.push(['TCP', flags['health-tcp']]);
  if (tests.length > 1) throw new CliError('only one of --health-cmd, --health-http and --health-tcp can be set');
  return tests[0];
}

/** What is short is about localhost: `8080/health`, `:8080`, `/health`. */
function fullUrl(text: string): string {
  if (/^https?:\/\//i.test(text)) return text;
  if (text.startsWith(':') || text.startsWith('/')) return `http://localhost${text}`;
  return /^[0-9]{1,5}(?:[/?]|$)/.test(text) ? `http://localhost:${text}` : `http://${text}`;
}
