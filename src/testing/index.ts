export { createTestCluster } from './cluster.ts';
export type { TestCluster, TestClusterOptions, TestStoreOptions } from './cluster.ts';
export { reportLine } from './report.ts';
export type { Counts, Kind, SimulationReport } from './report.ts';
export { simulate } from './simulate.ts';
export type { AnyBackend, SimulateOptions } from './simulate.ts';
export type { Fault } from './faults.ts';
export { createGateProbe } from './gate-probe.ts';
export type { GateProbe, GateVerdict } from './gate-probe.ts';
