const qualities =
  'able airy alert amber ample apt arctic astute balmy bold brave breezy bright brisk calm candid careful cheerful ' +
  'clear clever cool cordial cosmic cozy crisp curious daring deft dapper dreamy eager earnest easy elated epic exact ' +
  'fair faithful fancy fearless festive fierce fine fluent fond frank fresh frosty funny gallant generous gentle glad ' +
  'golden graceful grand grateful handy hardy hearty honest hopeful humble ideal jolly jovial joyful keen kind lively ' +
  'logical loyal lucid lucky lunar mellow merry mighty mild modest musing neat nimble noble orderly patient peaceful ' +
  'plucky polite prompt proud pure quick quiet radiant rapid ready regal robust rosy serene sharp shiny silent sincere ' +
  'skilled sleek smart snug sober solar solid spry stable steady stellar sturdy subtle sunny swift tender thrifty tidy ' +
  'tranquil trusty upbeat valiant vivid warm wise witty zany zesty';

/** Scientists, engineers and explorers, by surname. */
const surnames =
  'abel ampere archimedes arrhenius avogadro babbage banach bardeen becquerel bell bernoulli bohr boltzmann boole bose ' +
  'boyle brahe brunel cantor carson cartwright cauchy chandrasekhar clarke clausius copernicus coulomb curie dalton ' +
  'darwin descartes dijkstra dirac doppler edison einstein elion engelbart euclid euler faraday fermat fermi feynman ' +
  'fibonacci fourier franklin galilei galois gauss germain goodall goeppert hamilton hamming hawking heisenberg herschel ' +
  'hertz hilbert hodgkin hopper hubble huygens hypatia jacobi jemison jenner johnson joule kepler khayyam knuth kovalevskaya ' +
  'lagrange lamarr laplace leavitt leibniz linnaeus lister lovelace maxwell mayer mccarthy mcclintock meitner mendel ' +
  'mendeleev mirzakhani morse napier nash newton nightingale nobel noether ohm pascal pasteur pauling planck poincare ' +
  'ptolemy pythagoras ramanujan ride ritchie rubin rutherford sagan sanger schrodinger shannon snow stokes swanson tesla ' +
  'thompson torvalds turing vaughan volta wiles wing wright wu yonath zuse';

const adjectives = qualities.split(' ');
const people = surnames.split(' ');

/**
 * A readable name that no container has: `calm_kepler`. `isTaken` is asked for each try; after some collisions a digit
 * is added, then more, so that it always ends. `random` gives numbers in [0, 1).
 */
export function chooseName(isTaken: (name: string) => boolean, random: () => number = Math.random): string {
  for (let attempt = 0; ; attempt++) {
    const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? 'spare';
    const base = `${pick(adjectives)}_${pick(people)}`;
    const name = attempt < 6 ? base : `${base}${Math.floor(random() * 10 ** Math.min(attempt - 5, 9))}`;
    if (!isTaken(name)) return name;
  }
}
