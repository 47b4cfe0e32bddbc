# SPDX-License-Identifier: Apache-2.0
"""Manual pages against what the programs say of themselves: manuals.py WHAT PAGE, with the program's help text coming in; prints what is wrong.
quotes: what is quoted ends where it begins to be something else (no help text); options: each is in SYNOPSIS and OPTIONS; settings: each is there, with its
default; commands: each of skep's is there, and each option of theirs."""
import re
import sys


def quotes(page, _):
    """mandoc ends a quote with the line, groff at the first comma: there must not be anything behind one."""
    for n, line in enumerate(page.splitlines(), 1):
        if re.search(r"(^\.|\s)(Ql|Sq|Dq) .*(\s[,;:)] [^,;:.) ]|\s[A-Z][a-z] )", line):
            yield f"line {n}: something follows what is quoted: {line}"


def options(page, text):
    synopsis, described = (re.search(rf"^\.Sh {h}\n(.*?)^\.Sh", page, re.M | re.S)[1] for h in ("SYNOPSIS", "OPTIONS"))
    for letter, name in re.findall(r"^  (?:-(\w), |    )--([a-z-]+)", text.split("Settings")[0], re.M):
        flag = re.compile(rf"Fl (-{name}\b|{letter or '-' + name}\b)")
        for where, part in (("SYNOPSIS", synopsis), ("OPTIONS", described)):
            if not flag.search(part) and not re.search(rf"\| -{name}\b", part):
                yield f"--{name} is not in {where}"


def settings(page, text):
    items = {}
    for keys, body in re.findall(r"^\.It Cm ([a-z_.]+(?: , [a-z_.]+)*)\n(.*?)(?=^\.It Cm [a-z_]+\.|^\.It Cm [a-z]+_|^\.El\n\.Sh|\Z)", page, re.M | re.S):
        items.update((key, body) for key in keys.split(" , "))
    for key, default in re.findall(r"^  (\S+)\s+.*?(?: \(([\w.-]+)\))?$", text.split("Settings")[1], re.M):
        if key not in items and not re.search(rf"^\.It Cm (.* , )?{re.escape(key)}( ,|$)", page, re.M):
            yield f"{key} is not there"
        elif re.fullmatch(r"\d+", default):
            said = re.findall(r"default:? ?([^\n]*)", items[key].replace("\n.Cm ", " "), re.I)
            if not any(re.search(rf"\b{default}\b", s) for s in said):
                yield f"{key}: the default is {default}, not {' or '.join(said) or 'unsaid'}"


def commands(page, text):
    for command in re.findall(r"^  ([a-z]+(?: (?:list|show|bind|unbind|watch|up|down|create|revoke|delete|remove|leave|set|use|flush))?) ", text, re.M):
        if not re.search(rf"^\.It Cm {command}\b", page, re.M):
            yield f"{command} is not there"


for complaint in globals()[sys.argv[1]](open(sys.argv[2]).read(), sys.stdin.read()):
    print(f"{sys.argv[2]}: {complaint}")
