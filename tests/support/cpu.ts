/**
 * A stopwatch of the processor time of this process, in milliseconds: bounds on it hold on a busy machine too. For
 * work that must not grow out of proportion to its input.
 */
export function startCpuClock(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
}
