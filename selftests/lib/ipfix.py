# SPDX-License-Identifier: Apache-2.0
"""Data records of IPFIX out of what 'tshark -V' prints, as a JSON list of {name: text}: ipfix.py FILE"""
import json
import re
import sys

records, record = [], None
for line in open(sys.argv[1]):
    if re.match(r" +Flow \d+$", line):
        record = {}
        records.append(record)
        continue
    status = re.search(r" = (ForwardingStatus): (\w+)", line)
    if status and record is not None:
        record[status.group(1)] = status.group(2)
        continue
    m = re.match(r" {12,}\[?([A-Za-z0-9_ ]+): (.*?)\]?$", line)
    if line.strip() and not line.startswith(" " * 12):
        record = None if not re.match(r" {8,}", line) else record
    if m and record is not None:
        name = m.group(1).replace(" ", "").replace("_", "")
        value = re.sub(r" \(\d+\)$", "", m.group(2)).strip()
        if name == "StringLengthshort" or name.startswith("Field"):
            continue
        record.setdefault(name, value)
print(json.dumps(records))
