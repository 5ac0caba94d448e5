export { simulate } from './simulate.ts';
export type { SimulateOptions } from './simulate.ts';
export { reportLine } from './report.ts';
export type { Counts, Kind, SimulationReport } from './report.ts';
