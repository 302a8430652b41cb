/** The version of this command line. */
export const gantryVersion = '0.1.0';
