const isDigit = (char: string | undefined): boolean => char !== undefined && char >= '0' && char <= '9';

/** Orders names so that `web2` comes before `web10`. (Intl.Collator could, but loads far more than this needs.) */
export function byNatural(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (isDigit(a[i]) && isDigit(b[j])) {
      const [from, to] = [i, j];
      while (isDigit(a[i])) i++;
      while (isDigit(b[j])) j++;
      const order = Number(a.slice(from, i)) - Number(b.slice(to, j)) || i - from - (j - to);
      if (order !== 0) return order;
      continue;
    }
    const [left, right] = [a[i] as string, b[j] as string];
    if (left !== right) return left < right ? -1 : 1;
    i++;
    j++;
  }
  return a.length - i - (b.length - j);
}
