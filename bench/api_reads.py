#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What lists, single objects and references take, for each field that one may sort or filter by.  JSON lines on stdout; the slowest are told again at the end.
   api_reads.py HOST:PORT TOKEN TENANT PID     PID: of skep-api, whose own time is told as well: cpu_*_ms, for a machine that has other things to do
bench/api calls it."""
import http.client, json, sys, time
from urllib.parse import quote

where, token, tenant, pid = sys.argv[1:]
conn = http.client.HTTPConnection(where)
base = f"/api/v1/tenants/{tenant}"
ROUNDS = 5
worst = []


def used():
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e6


def get(path):
    began, cpu = time.perf_counter(), used()
    conn.request("GET", path, headers={"Authorization": "Bearer " + token})
    answer = conn.getresponse()
    body = answer.read()
    took = (time.perf_counter() - began) * 1e3
    assert answer.status == 200, (path, answer.status, body[:300])
    return json.loads(body), took, used() - cpu


def emit(what, path, times):
    wall, cpu = sorted(t[0] for t in times), sorted(t[1] for t in times)
    n = len(times)
    line = {"bench": "api", "what": what, "path": path.removeprefix(base + "/"), "requests": n, "p50_ms": round(wall[n // 2], 2), "max_ms": round(wall[-1], 2),
            "cpu_p50_ms": round(cpu[n // 2], 2), "cpu_max_ms": round(cpu[-1], 2)}
    worst.append(line)
    print(json.dumps(line), flush=True)


def each(what, path):
    emit(what, path, [get(path)[1:] for _ in range(ROUNDS)])


def walk(what, path):
    """To the end, by cursors."""
    times, cursor = [], ""
    while cursor is not None:
        page, *t = get(path + (f"&cursor={quote(cursor)}" if cursor else ""))
        times.append(t)
        cursor = page["next"]
    emit(what, path, times)


doc = get("/openapi.json")[0]
fields = [f for f in doc["components"]["schemas"]["port"]["properties"] if f != "rule"]
first = get(f"{base}/ports?limit=1&filter=name:p777")[0]["items"][0]
for name in ("p777", first["id"]):
    each("object", f"{base}/ports/{name}")
for f in fields:  # four orders are kept: the first of each is made for it
    for sort in (f, "-" + f):
        emit("sort_first", f"{base}/ports?sort={sort}", [get(f"{base}/ports?sort={sort}")[1:]])
        each("sort", f"{base}/ports?sort={sort}")
for f in fields:
    value = first.get(f)
    value = value[0] if isinstance(value, list) and value else value
    value = str(value).lower() if isinstance(value, bool) else value
    value = value if isinstance(value, (str, int)) else "null"
    for pattern in (value, f"*{str(value)[-3:]}*", "*nobody*"):
        each("filter", f"{base}/ports?filter={f}:{quote(str(pattern))}")
        each("filter_sort", f"{base}/ports?filter={f}:{quote(str(pattern))}&sort=-mac")
for query in ("limit=1000", "limit=1000&sort=-mac", "limit=1000&sort=addresses,-rev", "limit=1000&fields=name,mac", "limit=100&filter=name:*77*&sort=-mac", "limit=1000&filter=bridge:b7&sort=addresses"):
    walk("walk", f"{base}/ports?{query}")
for query in ("sort=bridge,-security_groups,description,mac", "sort=-rev,bridge,-addresses,name", "filter=name:*7*&filter=mac:*7*&filter=addresses:*7*&filter=bridge:b*&filter=description:*7*"):
    emit("sort_first", f"{base}/ports?{query}", [get(f"{base}/ports?{query}")[1:]])
    each("sort", f"{base}/ports?{query}")
for path in ("bridges/b7", "routers/r", "security_groups/s7", "ports/p777", "ports/up"):
    each("references", f"{base}/{path}/references")
each("lists", "/api/v1/tenants")
each("lists", "/api/v1/hosts")
for line in sorted(worst, key=lambda x: -x["cpu_max_ms"])[:10]:
    print(json.dumps(line | {"what": "slowest"}))
