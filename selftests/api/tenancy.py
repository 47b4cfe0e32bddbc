#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every route of the server, asked for by those who may not: TAP.  Run by tenancy.sh, which sets the tokens in the environment."""
import http.client
import json
import os
import re
import statistics
import sys
import time

KINDS = ["address_groups", "port_groups", "security_groups", "chains", "qos_policies", "bridges", "routers", "ports", "routes", "subnets", "nats",
         "floating_ips", "load_balancers", "pools", "members", "vips", "mirrors", "bindings"]
NAMES = {"address_groups": "ag", "port_groups": "pg", "security_groups": "sg", "chains": "chain", "qos_policies": "qos", "bridges": "br", "routers": "gw",
         "ports": "p1", "pools": "pool", "members": "m1", "bindings": "p1"}
TOKENS = {k: os.environ[k] for k in ("OP", "ACME_ADMIN", "ACME_READER", "ACME_RO", "RIVAL_ADMIN", "EXPIRED", "REVOKED", "MONITOR", "OP_RO")}
routes = [json.loads(line) for line in open(sys.argv[1])]
conn = http.client.HTTPConnection(os.environ["BASE"], timeout=20)
failures = 0


def ok(good, text, *why):
    global failures
    print(("ok - " if good else "not ok - ") + text)
    if not good:
        failures += 1
        for w in why[:10]:
            print("#", str(w)[:400])


def ask(method, path, token, body="{}"):
    headers = {"Authorization": "Bearer " + token} if token else {}
    if method in ("POST", "PUT", "PATCH"):
        headers["Content-Type"] = "application/json"
    else:
        body = None
    for attempt in (1, 2):  # a connection that was refused a body is closed
        try:
            conn.request(method, path, body, headers)
            r = conn.getresponse()
            if r.getheader("Content-Type", "").startswith("text/event-stream"):
                conn.close()
                return r.status, "stream", dict(r.getheaders())
            text = r.read().decode()
            return r.status, text, dict(r.getheaders())
        except (http.client.HTTPException, ConnectionError, BrokenPipeError):
            conn.close()
            if attempt == 2:
                raise


def plain(text):
    """Without what differs in any two answers."""
    return re.sub(r'"instance":"[^"]*"', '"instance":""', text)


status, text, _ = ask("GET", "/api/v1/tenants/rival/audit", TOKENS["OP"])
rival_audit = json.loads(text)["items"][0]["id"]
rival_token = TOKENS["RIVAL_ADMIN"].split("_")[1]
ids = {}
for kind, name in NAMES.items():
    status, text, _ = ask("GET", "/api/v1/tenants/rival/%s/rival-%s" % (kind, name), TOKENS["OP"])
    assert status == 200, (kind, text)
    ids[kind] = json.loads(text)["id"]


def paths(route, tenant):
    """All that a route may be asked for: each kind, names and ids that are there and one that is not."""
    out = [route["path"].replace("{tenant}", tenant)]
    if "{kind}" in out[0]:
        out = [p.replace("{kind}", k) for p in out for k in KINDS]
    full = []
    for p in out:
        kind = p.split("/")[5] if p.count("/") >= 5 else ""
        if "{name}" in p:
            full += [p.replace("{name}", n) for n in ([tenant + "-" + NAMES[kind], ids[kind]] if kind in NAMES else []) + ["nosuch"]]
        elif "{id}" in p:
            full += [p.replace("{id}", i) for i in (rival_audit, rival_token, "nosuch")]
        else:
            full.append(p)
    return [re.sub(r"\{[a-z_]+\}", "x", p) for p in full]


n_routes = len(routes)
ok(n_routes > 25 and any("{kind}" in r["path"] for r in routes), "%d routes" % n_routes)
of_tenants = [r for r in routes if "{tenant}" in r["path"]]
protected = [r for r in routes if not r["open"]]

# --- nobody ---
for what, token in (("no token", ""), ("an expired token", TOKENS["EXPIRED"]), ("a revoked token", TOKENS["REVOKED"]),
                    ("garbage", "skep_" + "0" * 16 + "_" + "0" * 64), ("a JWT, of nobody", "eyJhbGciOiJub25lIn0.e30.")):
    wrong, n = [], 0
    for r in protected:
        for p in paths(r, "acme")[:1 if token else 100]:
            status, text, headers = ask(r["method"], p, token)
            n += 1
            # those who fail often are slowed down, and learn as little
            if status not in ((401, 429) if token else (401,)) or "acme-" in text or (status == 401 and "WWW-Authenticate" not in headers):
                wrong.append((r["method"], p, status, text))
    ok(not wrong, "%s: refused by each route (%d requests)" % (what, n), *wrong)

# --- others' objects ---
for who in ("ACME_ADMIN", "ACME_READER", "ACME_RO"):
    wrong, n = [], 0
    for r in of_tenants:
        for p in paths(r, "rival"):
            status, text, headers = ask(r["method"], p, TOKENS[who])
            status2, text2, headers2 = ask(r["method"], p.replace("/rival", "/rivalx", 1), TOKENS[who])
            n += 1
            headers = {k: v for k, v in headers.items() if k not in ("Date", "X-Request-Id", "Content-Length")}
            headers2 = {k: v for k, v in headers2.items() if k not in ("Date", "X-Request-Id", "Content-Length")}
            if status != 404 or status2 != 404 or plain(text).replace("'rival'", "'rivalx'") != plain(text2) or headers != headers2:
                wrong.append((r["method"], p, status, text, status2, text2))
    ok(not wrong, "%s: what is another tenant's is as if it was not there (%d requests)" % (who, n), *wrong)
for who in ("ACME_ADMIN", "ACME_RO"):
    wrong = []
    for method in ("GET", "DELETE"):
        a = ask(method, "/api/v1/tokens/" + rival_token, TOKENS[who])
        b = ask(method, "/api/v1/tokens/" + "0" * 16, TOKENS[who])
        if who == "ACME_RO" and method == "DELETE":
            want = 403
        else:
            want = 404
        if a[0] != want or plain(a[1]).replace(rival_token, "0" * 16) != plain(b[1]):
            wrong.append((method, a, b))
    ok(not wrong, "%s: another tenant's tokens" % who, *wrong)
for path in ("/api/v1/tokens?limit=1000", "/api/v1/audit?limit=1000", "/api/v1/tenants"):
    status, text, _ = ask("GET", path, TOKENS["ACME_ADMIN"])
    ok(status == 200 and "rival" not in text and "acme" in text, "the list %s has one's own only" % path, status, text)

# --- verbs that are not for one ---
for who, least in (("ACME_READER", "tenant-reader"), ("ACME_ADMIN", "tenant-admin")):
    wrong, n = [], 0
    for r in protected:
        if r["role"] == "tenant-reader" or r["role"] == least:
            continue
        for p in paths(r, "acme"):
            status, text, _ = ask(r["method"], p, TOKENS[who])
            n += 1
            if status != 403 or "acme-" in text.replace(p, ""):
                wrong.append((r["method"], p, status, text))
    ok(not wrong and n, "%s: 403 for what stronger roles may (%d requests)" % (who, n), *wrong)
wrong, n = [], 0
for r in protected:
    if r["method"] == "GET" or r["role"] in ("tenant-reader", "operator"):
        continue
    for p in paths(r, "acme"):
        status, text, _ = ask(r["method"], p, TOKENS["ACME_RO"])
        n += 1
        if status != 403:
            wrong.append((r["method"], p, status, text))
ok(not wrong and n > 20, "for reading only: 403 for each write (%d requests)" % n, *wrong)

# --- those of no tenant who may not all ---
wrong, n, seen = [], 0, 0
for r in protected:
    for p in paths(r, "acme"):
        status, text, _ = ask(r["method"], p.replace("{name}", "h1"), TOKENS["MONITOR"])
        n += 1
        seen += status == 200
        want = (200, 404) if r["monitors"] else (403,)
        if status not in want or re.search("acme|rival", text.replace(p, "")):
            wrong.append((r["method"], p, status, text))
ok(not wrong and seen > 3, "a monitor: %d paths, and nothing of tenants (%d requests)" % (seen, n), *wrong)
same = [plain(ask("GET", "/api/v1/tenants/%s/ports/%s-p1" % (t, t), TOKENS["MONITOR"])[1]).replace(t, "x") for t in ("acme", "none")]
ok(same[0] == same[1], "... told the same of one that is there and of none", *same)
ok(not [r for r in protected if r["monitors"] and (r["method"] != "GET" or "{tenant}" in r["path"])], "... it may read only, and of no tenant")
wrong, n = [], 0
for r in protected:
    reads = r["method"] == "GET" or r["role"] == "tenant-reader"
    if "/events" in r["path"] or r["path"].startswith("/api/v1/session"):
        continue
    for p in paths(r, "acme"):
        status, text, _ = ask(r["method"], p, TOKENS["OP_RO"])
        n += 1
        if (status in (401, 403)) == reads:
            wrong.append((r["method"], p, status, text))
ok(not wrong, "an operator for reading only: all that can be read, no more (%d requests)" % n, *wrong)
A = "/api/v1/tenants/acme/"
ok(ask("PUT", A + "bindings/acme-up", TOKENS["ACME_ADMIN"], '{"host": "h1", "interface": "eth0"}')[0] == 403, "a binding by a tenant: 403")
ok(ask("DELETE", A + "bindings/acme-p1", TOKENS["ACME_ADMIN"])[0] == 403, "... also to take one away")
ok(ask("GET", A + "bindings/acme-p1", TOKENS["ACME_ADMIN"])[0] == 200, "... it is still there")
ok(ask("PATCH", A + "bindings/acme-p1", TOKENS["ACME_ADMIN"], '{"interface": "eth9"}')[0] == 403, "... or to change it")
ok(ask("PUT", A + "topology", TOKENS["ACME_ADMIN"], '{"bindings": [{"port": "acme-p1", "host": "h2", "interface": "x"}]}')[0] == 403, "... by a document")
ok(ask("POST", A + "batch", TOKENS["ACME_ADMIN"],
       '{"operations": [{"method": "DELETE", "path": "bindings/acme-p1"}]}')[0] == 403, "... by a batch")

# --- references ---
foreign = [
    ("ports", {"bridge": "%s"}, "bridges"), ("ports", {"router": "%s", "addresses": ["10.77.0.1/24"]}, "routers"),
    ("ports", {"bridge": "acme-br", "in_chain": "%s"}, "chains"), ("ports", {"bridge": "acme-br", "security_groups": ["%s"]}, "security_groups"),
    ("ports", {"bridge": "acme-br", "peer": "%s"}, "ports"), ("ports", {"bridge": "acme-br", "qos": "%s"}, "qos_policies"),
    ("chains", {"rules": [{"name": "r", "action": "drop", "src_group": "%s"}]}, "address_groups"),
    ("chains", {"rules": [{"name": "r", "action": "jump", "jump": "%s"}]}, "chains"), ("members", {"pool": "%s", "address": "10.0.1.11"}, "pools"),
    ("routes", {"router": "%s", "dst": "10.88.0.0/16", "type": "blackhole"}, "routers"),
]
NO_ID = "01890000-0000-7000-8000-000000000000"
for kind, body, of in foreign:
    wrong = []
    for real, none in (("rival-" + NAMES[of], "nosuch"), (ids[of], NO_ID)):
        a = ask("PUT", A + kind + "/probe", TOKENS["ACME_ADMIN"], json.dumps(body).replace("%s", real))
        b = ask("PUT", A + kind + "/probe", TOKENS["ACME_ADMIN"], json.dumps(body).replace("%s", none))
        if a[0] != 422 or b[0] != 422 or plain(a[1]).replace(real, none) != plain(b[1]) or none not in b[1]:
            wrong.append((a, b))
    ok(not wrong, "%s: another tenant's %s cannot be referred to, and not be told from none" % (kind, of), *wrong)

# --- time ---
def medians(*paths):  # in turns: the machine has faster and slower moments
    took = [[] for _ in paths]
    for _ in range(150):
        for times, path in zip(took, paths):
            begin = time.monotonic()
            ask("GET", path, TOKENS["ACME_ADMIN"])
            times.append(time.monotonic() - begin)
    return [statistics.median(times) for times in took]


pairs = [("/api/v1/tenants/%s/ports/rival-p1", "rival", "rivalx"), ("/api/v1/tenants/%s/ports", "rival", "rivalx"),
         ("/api/v1/tokens/%s", rival_token, "0" * 16)]
for pattern, real, none in pairs:
    for attempt in range(3):  # on a busy machine
        a, b = medians(pattern % real, pattern % none)
        if 0.67 < a / b < 1.5:
            break
    ok(0.67 < a / b < 1.5, "%s takes as long whether it is there or not (%.2f, %.2f ms)" % (pattern, a * 1000, b * 1000))
sys.exit(1 if failures else 0)
