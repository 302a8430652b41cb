/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1): `Bearer realm="...",service="..."`. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

const isTokenCharacter = (code: number): boolean =>
  (code >= 48 && code <= 57) ||
  (code >= 65 && code <= 90) ||
  (code >= 97 && code <= 122) ||
  "!#$%&'*+-.^_`|~".includes(String.fromCharCode(code));

class Cursor {
  at = 0;
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get ended(): boolean {
    return this.at >= this.text.length;
  }

  skip(characters: string): void {
    while (!this.ended && characters.includes(this.text.charAt(this.at))) this.at++;
  }

  take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  token(): string {
    const from = this.at;
    while (!this.ended && isTokenCharacter(this.text.charCodeAt(this.at))) this.at++;
    return this.text.slice(from, this.at);
  }

  /** A quoted string after its opening quote, or undefined when it does not end. */
  quoted(): string | undefined {
    let value = '';
    while (!this.ended) {
      let character = this.text.charAt(this.at++);
      if (character === '"') return value;
      if (character === '\\') character = this.text.charAt(this.at++);
      value += character;
    }
    return undefined;
  }
}

/** All challenges of a header, in order; what comes after a syntax error is left out. */
export function parseChallenges(header: string): Challenge[] {
  const cursor = new Cursor(header.slice(0, 8192));
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (;;) {
    cursor.skip(' \t,');
    const word = cursor.token();
    if (word === '') return challenges;
    cursor.skip(' \t');
    const current = challenges.at(-1);
    if (!cursor.take('=')) {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      continue;
    }
    cursor.skip(' \t');
    const value = cursor.take('"') ? cursor.quoted() : cursor.token();
    if (value === undefined || current === undefined) return challenges;
    current.parameters.set(word.toLowerCase(), value);
  }
}
