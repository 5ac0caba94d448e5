export declare function fuzzGate(options: { readonly frames: number; readonly seed: number }): Promise<Readonly<Record<string, number>>>;
