import { invalid } from '../../base/errors.ts';

const trueWords = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const falseWords = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** @throws EngineError `invalid`, worded as Go's strconv does. */
export function parseSwitch(text: string): boolean {
  if (trueWords.includes(text)) return true;
  if (falseWords.includes(text)) return false;
  throw invalid(`strconv.ParseBool: parsing ${JSON.stringify(text.slice(0, 100))}: invalid syntax`);
}

/** A whole number of at most nine digits. @throws EngineError `invalid`, worded as Go's strconv does. */
export function parseWhole(text: string): number {
  if (!/^[+-]?[0-9]{1,9}$/.test(text)) {
    throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text.slice(0, 100))}: invalid syntax`);
  }
  return Number(text);
}
