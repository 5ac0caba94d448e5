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
  const main = figuresOf(all, rows);
  const bundles = table(
    ['client', 'minified', 'gzipped'],
    Object.entries(sizes).map(([name, { minified, gzipped }]) => [name, kilobytes(minified), kilobytes(gzipped)]),
  );
  return `${main}\n\n${bundles}`;
}

export function streamTableOf({ setup, systems }) {
  const { pieces, pacedPieces, piecesPerSecond, viewers } = setup;
  const fast = `${pieces.toLocaleString('en')} pieces, full speed`;
  const paced = `${pacedPieces.toLocaleString('en')} pieces, ${piecesPerSecond}/s`;
  const count = (value) => `${value} of ${viewers}`;
  return figuresOf(Object.values(systems), [
    [`bytes to a viewer per character, ${fast}`, (s) => s.fast.bytesPerCharacter, plain],
    [`bytes to a viewer per character, ${paced}`, (s) => s.paced.bytesPerCharacter, plain],
    [
      'besides, per character: the row that keeps the text',
      (s) => (s.fast.keptBytesPerCharacter.max > 0 ? s.fast.keptBytesPerCharacter : undefined),
      plain,
    ],
    [`server CPU per piece and viewer, ${fast}`, (s) => s.fast.cpuMicrosPerDelivery, micros],
    [`server CPU per piece and viewer, ${paced}`, (s) => s.paced.cpuMicrosPerDelivery, micros],
    [`first piece to last viewer with all, ${fast}`, (s) => s.fast.ms, millis],
    [`piece to last viewer, ${paced}, p50`, (s) => s.paced.lastViewerMs, millis],
    [`viewers with exactly the text, ${fast}`, (s) => s.fast.viewersWithAllOfIt, count],
    [`viewers with exactly the text, ${paced}`, (s) => s.paced.viewersWithAllOfIt, count],
  ]);
}

export function pausedTableOf({ paused }) {
  return figuresOf(Object.values(paused), [
    ['offered to a viewer that reads nothing', (s) => s.offered, megabytes],
    ['most that waited for it in the server', (s) => s.queuedBytes, megabytes],
    ['what it had of it once it read again', (s) => s.got, megabytes],
  ]);
}

export function runTableOf({ setup, runsPerSecond, cpuMicrosPerRun, startLagMs }) {
  return table(
    ['', 'Cotable'],
    [
      [`runs/s, ${setup.runs.toLocaleString('en')} queued before the start`, String(runsPerSecond)],
      ['CPU per run', `${cpuMicrosPerRun} µs`],
      ['mutation made to function begun, relay idle, p50', millis(startLagMs.p50)],
      ['the same, p99', millis(startLagMs.p99)],
    ],
  );
}

function figuresOf(systems, rows) {
  return table(
    ['', ...systems.map(({ title }) => title)],
    rows.map(([label, pick, show]) => [label, ...systems.map((system) => ranged(pick(system), show))]),
  );
}

function ranged(figure, show) {
  if (!figure) return 'none';
  const [median, least, greatest] = [figure.median, figure.min, figure.max].map(show);
  return least === greatest ? median : `${median} (${least} to ${greatest})`;
}

function table(head, rows) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

const plain = (value) => value.toPrecision(3);
const thousands = (value) => `${Math.round(value / 1_000)}k`;
const micros = (value) => `${value.toFixed(2)} µs`;
const millis = (value) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
const megabytes = (value) => `${(value / 1_000_000).toFixed(2)} MB`;
const kilobytes = (value) => `${(value / 1_000).toFixed(value < 100_000 ? 1 : 0)} KB`;
