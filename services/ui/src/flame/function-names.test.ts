import { describe, expect, it } from 'vitest';
import { headAndTail, leafName, packageOf, shortName } from './function-names.ts';

const known: readonly (readonly [name: string, pack: string, short: string, leaf: string])[] = [
  ['runtime.mallocgc', 'runtime', 'runtime.mallocgc', 'mallocgc'],
  ['main.main.func1', 'main', 'main.main.func1', 'main.func1'],
  ['encoding/json.(*Decoder).Decode', 'encoding/json', 'json.(*Decoder).Decode', 'Decode'],
  ['github.com/a/b-c/d.(*T).Get', 'github.com/a/b-c/d', 'd.(*T).Get', 'Get'],
  [
    'slices.SortFunc[go.shape.[]a/b.C,go.shape.int]',
    'slices',
    'slices.SortFunc[go.shape.[]a/b.C,go.shape.int]',
    'SortFunc[go.shape.[]a/b.C,go.shape.int]',
  ],
  ['java/util/HashMap.get', 'java/util', 'HashMap.get', 'get'],
  ['com.example.shop.Cart.total', 'com.example.shop', 'com.example.shop.Cart.total', 'total'],
  ['System.Collections.Generic.List.Add', 'System.Collections.Generic', 'System.Collections.Generic.List.Add', 'Add'],
  [
    'System.Private.CoreLib!System.String.Concat',
    'System.Private.CoreLib',
    'System.Private.CoreLib!System.String.Concat',
    'Concat',
  ],
  ['werkzeug/serving.py:-1 - execute', 'werkzeug', 'execute', 'execute'],
  ['/usr/lib/python3.11/site-packages/flask/app.py:12 - run', 'flask', 'run', 'run'],
  ['socket.py:-1 - readinto', 'socket', 'readinto', 'readinto'],
  ['./node_modules/protobufjs/src/writer.js:finish:453', 'protobufjs', 'finish', 'finish'],
  ['file:///app/node_modules/@scope/one/x.mjs:run:1', '@scope/one', 'run', 'run'],
  ['/app/src/cart.ts:(anonymous):12', '/app/src', '(anonymous)', '(anonymous)'],
  ['node:net:Socket.end:722', 'node', 'Socket.end', 'end'],
  [
    'mod.rs:529 - std::thread::Builder::spawn_unchecked_::{{closure}}',
    'std',
    'Builder::spawn_unchecked_::{{closure}}',
    'spawn_unchecked_::{{closure}}',
  ],
  [
    '<hyper::proto::Buffered<T,B> as core::future::Future>::poll',
    'hyper',
    '<hyper::proto::Buffered<T,B> as core::future::Future>::poll',
    'poll',
  ],
  [
    'std::vector<int, std::allocator<int> >::push_back(int const&)',
    'std',
    'vector<int, std::allocator<int> >::push_back(int const&)',
    'push_back(int const&)',
  ],
  ['libc.so.6!0x1234', 'libc.so.6', 'libc.so.6!0x1234', 'libc.so.6!0x1234'],
  ['do_syscall_64_[k]', 'kernel', 'do_syscall_64_[k]', 'do_syscall_64_[k]'],
  ['[kernel] read', 'kernel', '[kernel] read', '[kernel] read'],
  ['<module>', '', '<module>', '<module>'],
  ['work', '', 'work', 'work'],
  ['', '', '', ''],
];

describe('a function', () => {
  it.each(known)('%s is of its package, and has shorter names', (name, pack, short, leaf) => {
    expect({ pack: packageOf(name), short: shortName(name), leaf: leafName(name) }).toEqual({ pack, short, leaf });
  });

  it('are cut before their last part, which tells them apart', () => {
    expect(headAndTail('github.com/shop/cart.(*Cart).total')).toEqual(['github.com/shop/cart.(*Cart).', 'total']);
    expect(headAndTail('runtime.gcBgMarkWorker.func2')).toEqual(['runtime.', 'gcBgMarkWorker.func2']);
    expect(headAndTail('/app/src/cart.js:total:12')).toEqual(['/app/src/cart.js:', 'total:12']);
    expect(headAndTail('main')).toEqual(['', 'main']);
  });

  it('of a name nobody expected has a package and names all the same', () => {
    for (const name of [
      '.',
      '/',
      '::',
      ':',
      '!',
      '[',
      '[x',
      'a.',
      '.a',
      '<',
      '>',
      'a/',
      '\u0000',
      '🙂.🙂',
      'node:',
      ')(',
      'x'.repeat(100_000),
    ]) {
      expect(packageOf(name).length).toBeLessThanOrEqual(name.length);
      expect(name).toContain(shortName(name));
      expect(name).toContain(leafName(name));
      expect(headAndTail(name).join('')).toBe(name);
    }
  });
});
