import { fstatSync } from 'node:fs';

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

const memoryDevices = 1;

/**
 * Whether a descriptor is a terminal. Asked of the kernel by fstat first: node:tty, which knows for sure, costs 4 ms to
 * load under Bun (measured), and most descriptors are pipes, files or /dev/null.
 */
export function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice() || ((stat.rdev >> 8) & 0xfff) === memoryDevices) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule('node:tty').isatty(fd);
}

/** The size of the terminal at standard output, or zeros when it is none. */
export function terminalSize(): TerminalSize {
  if (!isTerminal(1)) return { height: 0, width: 0 };
  const [width, height] = process.stdout.getWindowSize();
  return { height, width };
}

/**
 * Puts the terminal at standard input into raw mode: every key goes to the container, Ctrl-C too, and output is passed
 * on as it is. Returns the way back, to be called on every way out; calling it twice does no harm.
 *
 * By stty, because the raw mode of the runtimes goes on turning line feeds of the output into new lines, which garbles
 * the screens of editors inside a container.
 */
export function enterRawMode(): () => void {
  if (!isTerminal(0)) return () => undefined;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const stty = (...args: string[]) =>
    spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' });
  const saved = stty('-g');
  const isSet = saved.status === 0 && stty('raw', '-echo').status === 0;
  if (!isSet) process.stdin.setRawMode(true);
  let isRaw = true;
  const restore = () => {
    if (!isRaw) return;
    isRaw = false;
    process.removeListener('exit', restore);
    if (isSet) stty(saved.stdout.trim());
    else process.stdin.setRawMode(false);
  };
  process.on('exit', restore);
  return restore;
}
