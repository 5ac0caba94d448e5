/** The figures as tables of Markdown: medians, with the least and the greatest of the rounds. */
export function tablesOf({ setup, systems, sizes }) {
  const all = Object.values(systems);
  const rows = [
    ['deliveries/s, burst', (s) => s.burst.deliveriesPerSecond, thousands],
    ['deliveries per second of server CPU, burst', (s) => s.burst.deliveriesPerCpuSecond, thousands],
    ['server CPU per delivery, burst', (s) => s.burst.cpuMicrosPerDelivery, micros],
    ['write to last reader, burst, p50', (s) => s.burst.lastReaderMs, millis],
    [`write to last reader, ${setup.pacedPerSecond}/s, p50`, (s) => s.paced.lastReaderMs, millis],
    [`server CPU per delivery, ${setup.pacedPerSecond}/s`, (s) => s.paced.cpuMicrosPerDelivery, micros],
    [`first join of ${setup.rows.toLocaleString('en')} rows`, (s) => s.join?.firstMs, millis],
    ['later joins', (s) => s.join?.ms, millis],
    ['client CPU of a later join', (s) => s.join?.cpuMs, millis],
    ['bytes of a join', (s) => s.join?.bytes, kilobytes],
  ];
  const main = table(
    ['', ...all.map(({ title }) => title)],
    rows.map(([label, pick, show]) => [label, ...all.map((system) => ranged(pick(system), show))]),
  );
  const bundles = table(
    ['client', 'minified', 'gzipped'],
    Object.entries(sizes).map(([name, { minified, gzipped }]) => [name, kilobytes(minified), kilobytes(gzipped)]),
  );
  return `${main}\n\n${bundles}`;
}

function ranged(figure, show) {
  return figure ? `${show(figure.median)} (${show(figure.min)} to ${show(figure.max)})` : 'none';
}

function table(head, rows) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

const thousands = (value) => `${Math.round(value / 1_000)}k`;
const micros = (value) => `${value.toFixed(2)} µs`;
const millis = (value) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
const kilobytes = (value) => `${(value / 1_000).toFixed(value < 100_000 ? 1 : 0)} KB`;
