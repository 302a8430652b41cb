/** The version of engine and command line; package.json carries the same (a test compares them). */
export const engineVersion = '0.1.0';
