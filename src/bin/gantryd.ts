import { main } from '../daemon/main.ts';

// The connections to running containers are open still: they end with the process, and are no reason to stay.
process.exit(await main(process.argv.slice(2)));
