/** A rule of the specification (`SY3`) or a row of an acceptance list (`A14`, `BX2`). */
const RULE = /^[A-Z]{2,3}\d+$/;
const ACCEPTANCE_ROW = /^[A-C]X?\d+$/;

/** A test's title and the file it stands in. */
export interface Title {
  readonly path: string;
  readonly title: string;
}

/** Rules without a test, and titles that name what is not a rule. */
export function specViolations(spec: string, titles: readonly Title[]): string[] {
  const violations: string[] = [];
  const rules = new Set<string>();
  for (const [, id = ''] of spec.matchAll(/^- \*\*([^*]+)\*\* /gm)) {
    if (!RULE.test(id) || ACCEPTANCE_ROW.test(id)) violations.push(`SPEC.md: ${id} is not the id of a rule`);
    if (rules.has(id)) violations.push(`SPEC.md: ${id} stands twice`);
    rules.add(id);
  }
  if (rules.size === 0) violations.push('SPEC.md: no rule');
  const tested = new Set<string>();
  for (const { path, title } of titles.filter((one) => one.title.startsWith('['))) {
    const ids = /^\[([^\]]*)\]/.exec(title)?.[1]?.split(' ') ?? [title];
    for (const id of ids) {
      tested.add(id);
      if (!rules.has(id) && !ACCEPTANCE_ROW.test(id)) violations.push(`${path}: "${title}" names ${id}, which is no rule of SPEC.md`);
    }
  }
  return [...violations, ...[...rules].filter((id) => !tested.has(id)).map((id) => `SPEC.md: ${id} has no test`)];
}

/** Error codes without a section, and sections without a code. `pages`: the text of `docs/errors/<area>.md` by area. */
export function errorPageViolations(codes: readonly string[], pages: ReadonlyMap<string, string>): string[] {
  const documented = [...pages].flatMap(([area, text]) => [...text.matchAll(/^## `([^`]+)`/gm)].map(([, code = '']) => ({ area, code })));
  const known = documented.filter(({ area, code }) => codes.includes(code) && areaOf(code) === area);
  return [
    ...codes
      .filter((code) => !known.some((one) => one.code === code))
      .map((code) => `docs/errors/${areaOf(code)}.md: no section for ${code}`),
    ...documented.filter((one) => !known.includes(one)).map(({ area, code }) => `docs/errors/${area}.md: ${code} is no code of this area`),
  ];
}

function areaOf(code: string): string {
  return code.slice(0, code.indexOf('.'));
}
