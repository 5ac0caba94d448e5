export function medianOf(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Several rounds of one shape as one of that shape, with `{ median, min, max }` for each number. */
export function summarize(rounds) {
  const [first] = rounds;
  if (first === undefined) return undefined;
  if (typeof first === 'number')
    return { median: rounded(medianOf(rounds)), min: rounded(Math.min(...rounds)), max: rounded(Math.max(...rounds)) };
  return Object.fromEntries(Object.keys(first).map((key) => [key, summarize(rounds.map((round) => round[key]))]));
}

/** Four significant digits: more would be noise. */
function rounded(value) {
  return Number(value.toPrecision(4));
}
