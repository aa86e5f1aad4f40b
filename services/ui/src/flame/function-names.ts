/** `file.py:12 - ` as the agents for Python and Rust write before a name. */
const FILE_AND_LINE = /^(\S+?):-?\d+ - /;

/**
 * The package that a function belongs to, guessed from its name as profilers of Go, Java, Python, JavaScript, Rust, C++ and .NET write it;
 * '' when the name tells none.
 */
export function packageOf(name: string): string {
  if (name.startsWith('[')) return name.slice(1, Math.max(1, name.indexOf(']')));
  if (name.endsWith('_[k]')) return 'kernel';
  if (name.startsWith('node:')) return 'node';
  const bang = name.indexOf('!');
  if (bang > 0) return name.slice(0, bang);
  const modules = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/:]+)/g;
  for (let found = modules.exec(name), last = ''; found !== null || last !== ''; found = modules.exec(name)) {
    if (found === null) return last;
    last = found[1]!;
  }
  const [prefix = '', file = ''] = FILE_AND_LINE.exec(name) ?? [];
  if (/\.(py|rb|php)$/.test(file)) return scriptPackage(file);
  const bare = name.slice(prefix.length);
  const script = /^([^()]*?\.(?:[cm]?[jt]sx?|py|rb|php)):/.exec(bare);
  if (script !== null) return folderOf(script[1]!);
  const colons = bare.indexOf('::');
  const crate = colons < 0 ? null : /([A-Za-z_]\w*)(?:<[^<>]*>)?$/.exec(bare.slice(Math.max(0, colons - 200), colons));
  return crate === null ? dottedPackage(bare) : crate[1]!;
}

/** `werkzeug/serving.py` is of werkzeug, `socket.py` of socket. */
function scriptPackage(file: string): string {
  const path = file.replace(/^.*\/(?:site-packages|dist-packages|gems|lib\/python[\d.]+)\//, '').replace(/^\.?\//, '');
  const slash = path.indexOf('/');
  return slash < 0 ? path.replace(/\.\w+$/, '') : path.slice(0, slash);
}

function folderOf(file: string): string {
  const path = file.replace(/^file:\/\//, '');
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Go: all before the first dot of the last element of the path. Java and .NET: all before the class. */
function dottedPackage(name: string): string {
  const end = /[[(<]/.exec(name)?.index ?? name.length;
  const slash = name.lastIndexOf('/', end);
  const dot = name.indexOf('.', slash + 1);
  if (dot < 0 || dot > end + 1) return '';
  if (slash >= 0) return startsWithCapital(name, slash + 1) ? name.slice(0, slash) : name.slice(0, dot);
  const parts = name.slice(0, end).split('.');
  if (startsWithCapital(name, 0)) return parts.slice(0, Math.max(1, parts.length - 2)).join('.');
  const type = parts.findIndex((part) => startsWithCapital(part, 0));
  return type >= 2 ? parts.slice(0, type).join('.') : parts[0]!;
}

function startsWithCapital(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 65 && code <= 90;
}

/** What is left of a name when there is little room: without folders, files and lines, and of `a::b::Type::method` the last two parts. */
export function shortName(name: string): string {
  const bare = withoutFile(name);
  const { slash, second } = cutsOf(bare);
  return bare.slice(Math.max(second, slash + 1));
}

/** What is left when there is less: the function alone, and of a closure also what it is in. */
export function leafName(name: string): string {
  if (name.includes('!0x')) return name;
  const bare = withoutFile(name);
  const { slash, dot, last } = cutsOf(bare);
  return bare.slice(Math.max(dot, last, slash + 1));
}

/** A name in two, of which the second is what `leafName` leaves of it; line ends as spaces. */
export function headAndTail(name: string): readonly [head: string, tail: string] {
  const line = name.replaceAll(/[\r\n]+/g, ' ');
  const at = Math.max(0, line.lastIndexOf(leafName(line)));
  return [line.slice(0, at), line.slice(at)];
}

function withoutFile(name: string): string {
  const bare = name.replace(FILE_AND_LINE, '');
  const script = /(?:^|\/)[^/]*?\.[cm]?[jt]sx?:(.+?)(?::\d+)?$/.exec(bare) ?? /^node:[\w/]+:(.+?)(?::\d+)?$/.exec(bare);
  return script?.[1] ?? bare;
}

/** Where parts begin, outside of all brackets: behind the last slash, behind the last dot, behind the last and the last but one `::`. */
function cutsOf(name: string): { slash: number; dot: number; last: number; second: number } {
  let slash = -1;
  let dot = 0;
  let last = 0;
  let second = 0;
  let open = 0;
  for (let i = 0; i < name.length; i++) {
    const code = name[i]!;
    if (OPENING.includes(code)) open++;
    else if (CLOSING.includes(code)) open--;
    else if (open > 0) continue;
    else if (code === '/') slash = i;
    else if (code === '.' && !CLOSURE.test(name.slice(i + 1, i + 20))) dot = i + 1;
    else if (code === ':' && name[i + 1] === ':' && !name.startsWith('{{', i + 2)) {
      second = last;
      last = ++i + 1;
    }
  }
  return { slash, dot, last, second };
}

const OPENING = '<([{';
const CLOSING = '>)]}';
/** What Go calls a function in a function. */
const CLOSURE = /^(?:func\d+|\d+|gowrap\d+)(?:\.|$)/;
