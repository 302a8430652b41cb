/** Files of the host's kernel that a container must not even read: they are covered by an empty file or directory. */
const masked: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** Files through which a container could change the host's kernel. */
const readOnly: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The paths to cover when a container names none itself, and those that only this host has. */
export const defaultMaskedPaths = (ofThisHost: readonly string[]): string[] => [...masked, ...ofThisHost];

/** The paths to make read-only when a container names none itself. */
export const defaultReadonlyPaths = (): string[] => [...readOnly];
