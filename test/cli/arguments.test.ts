import { describe, expect, test } from 'vitest';
import {
  command,
  commandHelp,
  findCommand,
  type Options,
  overviewHelp,
  parseCommandLine,
} from '../../src/cli/arguments.ts';

const options = {
  out: { value: 'DIR', help: 'where' },
  set: { value: 'KEY=VALUE', repeatable: true, help: 'a key' },
  'dump-plan': { help: 'print it' },
} as const;

const cook = command({
  name: 'cook',
  argument: { name: 'RECIPE', help: 'a file' },
  summary: 'Cook something',
  options,
  examples: [{ line: 'cook soup.yaml', note: 'a soup' }],
  run: async () => {},
});
const rest = command({ name: 'rest', summary: 'Do nothing', options: {}, examples: [], run: async () => {} });

const shop = command({
  name: 'shop',
  names: { name: 'THING', help: 'what to buy' },
  summary: 'Buy things',
  options,
  examples: [],
  run: async () => {},
});

test('a command may take as many names as one likes', () => {
  expect(parseCommandLine(shop, [])).toMatchObject({ argument: '', names: [] });
  const given = parseCommandLine(shop, ['salt', '--out', 'bag', 'flour']);
  expect(given).toMatchObject({ argument: '', names: ['salt', 'flour'], options: { out: 'bag' } });
  expect(commandHelp(shop)).toContain('couplet shop [THING …]');
});

const parse = (...given: string[]) => parseCommandLine(cook, given);

test('gives argument and options, complete', () => {
  expect(parse('a.yaml')).toEqual({
    argument: 'a.yaml',
    options: { out: undefined, set: [], 'dump-plan': false },
  });
  const given = parse('--set', 'a=1', 'a.yaml', '--out=007', '--set=b=-2', '--dump-plan');
  expect(given).toEqual({
    argument: 'a.yaml',
    options: { out: '007', set: ['a=1', 'b=-2'], 'dump-plan': true },
  });
});

test('options are typed', () => {
  const typed: Options<typeof options> = { out: undefined, set: ['x'], 'dump-plan': false };
  expect(typed.set).toHaveLength(1);
});

test.each([
  [[], 'cook needs RECIPE: a file; see couplet cook --help'],
  [['a', 'b'], "cook: 'b' is one argument too many; see couplet cook --help"],
  [['a', '--oot', 'x'], 'cook has no option --oot: did you mean --out?; see couplet cook --help'],
  [['a', '-x'], 'cook has no option -x; see couplet cook --help'],
  [['a', '--out'], '--out needs a value: --out DIR; see couplet cook --help'],
  [['a', '--out', '--dump-plan'], '--out needs a value: --out DIR; see couplet cook --help'],
  [['a', '--dump-plan=yes'], '--dump-plan takes no value; see couplet cook --help'],
  [['a', '--__proto__', 'x'], 'cook has no option --__proto__; see couplet cook --help'],
])('%j is refused', (given, message) => {
  expect(() => parse(...given)).toThrow(message);
});

test('a command without an argument takes none', () => {
  expect(() => parseCommandLine(rest, ['x'])).toThrow("rest: 'x' is one argument too many");
});

describe('help', () => {
  test('of a command shows all it takes, and its examples', () => {
    expect(commandHelp(cook)).toBe(`Usage: couplet cook RECIPE [OPTIONS]

Cook something.

  RECIPE  a file

Options
  --out DIR        where
  --set KEY=VALUE  a key (may be repeated)
  --dump-plan      print it
  --help           This help

Examples
  couplet cook soup.yaml
      a soup
`);
  });

  test('of all lists the commands', () => {
    expect(overviewHelp([cook, rest], '1.2.3')).toMatch(
      /cook RECIPE {2}Cook something\n {2}rest {9}Do nothing/,
    );
  });
});

test('an unknown command is answered with the nearest one', () => {
  expect(findCommand([cook, rest], 'rest')).toBe(rest);
  expect(() => findCommand([cook, rest], 'coook')).toThrow("there is no command 'coook': did you mean cook?");
  expect(() => findCommand([cook, rest], 'bake')).toThrow('the commands are cook, rest');
});
