import type { NetworkService } from '../network/service.ts';

/** Told what an action on networks took, in seconds; nobody is while the metrics are off. */
export interface NetworkTimes {
  onAction?: (action: 'allocate' | 'release', seconds: number) => void;
}

export interface TimedNetworks extends NetworkService {
  readonly times: NetworkTimes;
}

/** The same networks; what they do for containers is timed under Docker's names. */
export function timeNetworks(networks: NetworkService): TimedNetworks {
  const times: NetworkTimes = {};
  const timed = async <T>(action: 'allocate' | 'release', work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    times.onAction?.(action, (performance.now() - began) / 1000);
    return result;
  };
  return {
    ...networks,
    times,
    open: (request) => timed('allocate', () => networks.open(request)),
    close: (id) => timed('release', () => networks.close(id)),
  };
}
