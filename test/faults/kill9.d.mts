export declare function kill9(options: { readonly cycles: number; readonly seed: number }): Promise<Readonly<Record<string, number>>>;
