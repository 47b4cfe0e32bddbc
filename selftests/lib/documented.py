# SPDX-License-Identifier: Apache-2.0
"""Metrics in docs/monitoring.md against those that are made, whose names come in, one a line: documented.py FILE [both] prints those that the document does
not have and, with 'both', those of the document that nobody makes.  There, braces behind '_' stand for several names, others hold labels; '*' is any."""
import fnmatch
import itertools
import re
import sys


def names(text):
    for code in re.findall(r"`((?:skep|process)_[^`]*)`", text):
        code = re.sub(r"(?<!_)\{[^}]*\}", "", code)
        parts = [p.split(",") for p in re.split(r"[{}]", code)]
        yield from ("".join(p) for p in itertools.product(*parts))


def main():
    documented = set(names(open(sys.argv[1]).read()))
    made = set(sys.stdin.read().split())
    for m in sorted(made):
        if not any(fnmatch.fnmatchcase(m, d) for d in documented):
            print(f"{m} is not in {sys.argv[1]}")
    for d in sorted(documented) if "both" in sys.argv[2:] else ():
        if not fnmatch.filter(made, d):
            print(f"{sys.argv[1]}: {d} is not made")


main()
