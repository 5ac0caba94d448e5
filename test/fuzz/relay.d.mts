export declare function fuzzRelay(options: { readonly frames: number; readonly seed: number }): Promise<Readonly<Record<string, number>>>;
