#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of a guide as they stand there: each ```sh block, in order, in one directory, with the variables that the ones before it exported; what it
prints is compared with the ```json or ```text block that follows it at once.  In what is wanted '...' stands for anything: of JSON objects what is shown has
to be there, of text each line, in order.  TAP on stdout.  guide.py FILE DIRECTORY"""
import json
import re
import subprocess
import sys


def blocks(text):
    """[(heading, language, code)] in order; of those that follow each other at once, the second has a True."""
    heading, out, end = '', [], None
    for m in re.finditer(r'^#+ ([^\n]*)$|^```(\w*)\n(.*?)^```\n', text, re.M | re.S):
        if m.group(1) is not None:
            heading = m.group(1)
            continue
        out.append((heading, m.group(2), m.group(3), m.start() == end))
        end = m.end()
    return out


def differs(want, got, path='answer'):
    if want == '...':
        return None
    if isinstance(want, str) and want.endswith('...') and isinstance(got, str):
        return None if got.startswith(want[:-3]) else f'{path}: {got!r}, want {want!r}'
    if isinstance(want, dict) and isinstance(got, dict):
        for k, v in want.items():
            if k not in got:
                return f'{path} has no {k}: {json.dumps(got)[:300]}'
            why = differs(v, got[k], f'{path}.{k}')
            if why:
                return why
        return None
    if isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return f'{path}: {len(got)} elements, want {len(want)}: {json.dumps(got)[:300]}'
        return next((why for i, v in enumerate(want) if (why := differs(v, got[i], f'{path}[{i}]'))), None)
    return None if want == got and isinstance(want, bool) == isinstance(got, bool) else f'{path}: {got!r}, want {want!r}'


def last_json(text):
    """Several commands of a block answer one behind the other: the last one's."""
    decoder, at, value = json.JSONDecoder(), 0, None
    text = text.strip()
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        while at < len(text) and text[at].isspace():
            at += 1
    return value


def compare(language, want, got):
    if language == 'json':
        try:
            return differs(json.loads(want), last_json(got))
        except ValueError as e:
            return f'{e}: {got[:300]!r}'
    at = 0
    for line in want.splitlines():
        found = got.find(line, at) if line != '...' else at
        if found < 0:
            return f'{line!r} is not in {got[:500]!r}'
        at = found
    return None


def main():
    text, directory = open(sys.argv[1], encoding='utf-8').read(), sys.argv[2]
    all_blocks, n, failed = blocks(text), 0, 0
    open(f'{directory}/.variables', 'w').close()
    for i, (heading, language, code, _) in enumerate(all_blocks):
        if language != 'sh':
            continue
        n += 1
        script = f'set -eu\n. ./.variables\n{code}\nexport -p >.variables\n'
        why, run = None, None
        try:
            run = subprocess.run(['bash', '-c', script], cwd=directory, capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            why = 'not done in 60 s'
        if why:
            pass
        elif run.returncode:
            why = f'status {run.returncode}: {run.stdout[-500:]} {run.stderr[-500:]}'
        elif i + 1 < len(all_blocks) and all_blocks[i + 1][3] and all_blocks[i + 1][1] in ('json', 'text'):
            why = compare(all_blocks[i + 1][1], all_blocks[i + 1][2], run.stdout)
        first = ' '.join(code.split())[:70].replace('#', '')
        print(f'{"not ok" if why else "ok"} {n} - {heading}: {first}')
        if why:
            failed += 1
            print('# ' + ' '.join(why.split())[:900])
    print(f'1..{n}')
    return 1 if failed or not n else 0


sys.exit(main())
