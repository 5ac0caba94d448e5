import { parseSync, Visitor, type ESTree } from 'vite';

/** One place where a file names another module. */
export interface Reference {
  /** As it is written; undefined when it is computed. */
  readonly specifier: string | undefined;
  /** Whether it vanishes when the types are stripped. */
  readonly typeOnly: boolean;
  /** Whether it is a `new URL(specifier, import.meta.url)`, which may name a folder. */
  readonly url: boolean;
}

export interface Scan {
  readonly references: readonly Reference[];
  /** Titles of `describe`, `it` and `test` as they are written, `${}` standing for what is computed. */
  readonly titles: readonly string[];
}

/** Reads a TypeScript or JavaScript file. Throws when it cannot be parsed: a file that is not understood is not checked. */
export function scan(path: string, text: string): Scan {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const references: Reference[] = [];
  const titles: string[] = [];
  const add = (source: ESTree.Node | null | undefined, kind: { typeOnly?: boolean; url?: boolean } = {}): void => {
    if (source) references.push({ specifier: textOf(source), typeOnly: kind.typeOnly ?? false, url: kind.url ?? false });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source, { typeOnly: node.importKind === 'type' }),
    ExportNamedDeclaration: (node) => add(node.source, { typeOnly: node.exportKind === 'type' }),
    ExportAllDeclaration: (node) => add(node.source, { typeOnly: node.exportKind === 'type' }),
    TSImportType: (node) => add(node.source, { typeOnly: true }),
    ImportExpression: (node) => add(node.source),
    NewExpression: (node) => {
      if (isIdentifier(node.callee, ['URL']) && isImportMetaUrl(node.arguments[1])) add(node.arguments[0], { url: true });
    },
    CallExpression: (node) => {
      if (isIdentifier(node.callee, ['require'])) add(node.arguments[0]);
      const first = node.arguments[0];
      if (first && isIdentifier(rootOf(node.callee), ['describe', 'it', 'test'])) titles.push(textOf(first, '${}') ?? '');
    },
  }).visit(program);
  return { references, titles };
}

/** The text of a string or template literal; a computed part is `hole`, and without one there is no text. */
function textOf(node: ESTree.Node, hole?: string): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined;
  if (node.type !== 'TemplateLiteral' || (node.expressions.length && hole === undefined)) return undefined;
  return node.quasis.map((part) => part.value.cooked ?? part.value.raw).join(hole ?? '');
}

/** `it` of `it.each(rows)(...)`, `it.skip(...)` and the like. */
function rootOf(node: ESTree.Node): ESTree.Node {
  if (node.type === 'MemberExpression') return rootOf(node.object);
  if (node.type === 'CallExpression') return rootOf(node.callee);
  if (node.type === 'TaggedTemplateExpression') return rootOf(node.tag);
  return node;
}

function isIdentifier(node: ESTree.Node, names: readonly string[]): boolean {
  return node.type === 'Identifier' && names.includes(node.name);
}

function isImportMetaUrl(node: ESTree.Node | undefined): boolean {
  return node?.type === 'MemberExpression' && node.object.type === 'MetaProperty' && isIdentifier(node.property, ['url']);
}
