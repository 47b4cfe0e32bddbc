#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents that take long, and what others notice of them.

  document PORTS [YAML]              prints a document of so many ports
  during FILE TYPE METHOD PATH TOKEN PORT OTHER-PATH OTHER-TOKEN PORT...
                                     the request at the first port, while others ask at each: "status seconds", then "median p99 longest n" of each
  order FILE PORT OPERATOR N TENANT TOKEN TENANT TOKEN
                                     N dry runs of the first tenant, then one of the second: prints how many were over before it, and all statuses
"""
import http.client, json, sys, threading, time


def document(n, yaml=None):
    ports = [{"name": "up", "router": "r", "addresses": ["172.31.0.1/16"]}] + [
        {"name": f"p{i}", "bridge": f"b{i % 10}", "mac": "02:00:00:%02x:%02x:%02x" % (i >> 16, i >> 8 & 255, i & 255),
         "addresses": [f"10.{i // 62500}.{i // 250 % 250}.{i % 250 + 1}"]} for i in range(int(n))]
    bridges = [{"name": f"b{i}"} for i in range(10)]
    if not yaml:
        print(json.dumps({"bridges": bridges, "routers": [{"name": "r"}], "ports": ports}))
        return
    print("routers:\n  - name: r\nbridges:")
    for b in bridges:
        print(f"  - name: {b['name']}")
    print("ports:")
    for p in ports:
        print("  - " + "\n    ".join(f"{k}: {json.dumps(v)}" for k, v in p.items()))


def ask(port, method, path, token, body=None, kind="application/json", timeout=150):
    c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=timeout)
    headers = {"Authorization": "Bearer " + token}
    if body is not None:
        headers["Content-Type"] = kind
    c.request(method, path, body, headers)
    answer = c.getresponse()
    text = answer.read()
    c.close()
    return answer.status, text


def during(file, kind, method, path, token, port, other, other_token, *ports):
    body = open(file, "rb").read() if file != "-" else None
    over = threading.Event()
    took = {p: [] for p in ports}

    def others(p):
        c = http.client.HTTPConnection("127.0.0.1", int(p), timeout=150)
        while not over.is_set():
            began = time.monotonic()
            c.request("GET", other, headers={"Authorization": "Bearer " + other_token})
            answer = c.getresponse()
            answer.read()
            took[p].append(time.monotonic() - began if answer.status == 200 else 1e9)
            over.wait(0.01)

    threads = [threading.Thread(target=others, args=(p,)) for p in ports]
    for t in threads:
        t.start()
    began = time.monotonic()
    status, _ = ask(port, method, path, token, body, kind)
    seconds = time.monotonic() - began
    over.set()
    for t in threads:
        t.join()
    print(status, f"{seconds:.3f}")
    for p in ports:
        all_of = sorted(took[p])
        print(" ".join(f"{x:.3f}" for x in (all_of[len(all_of) // 2], all_of[len(all_of) * 99 // 100], all_of[-1])), len(all_of))


def order(file, port, operator, n, one, one_token, two, two_token):
    body, lock, ended, n = open(file, "rb").read(), threading.Lock(), [], int(n)

    def put(tenant, token):
        status, _ = ask(port, "PUT", f"/api/v1/tenants/{tenant}/topology?dry_run=true", token, body, timeout=100)
        with lock:
            ended.append((tenant, status))

    def waiting():
        lines = ask(port, "GET", "/metrics", operator)[1].decode().splitlines()
        return max(int(line.split()[1]) for line in lines if line.startswith("skep_api_heavy_waiting "))

    threads = [threading.Thread(target=put, args=(one, one_token)) for _ in range(n)]
    for t in threads:
        t.start()
    until = time.monotonic() + 20
    while waiting() < n // 2 and time.monotonic() < until:
        time.sleep(0.01)
    threads.append(threading.Thread(target=put, args=(two, two_token)))
    threads[-1].start()
    for t in threads:
        t.join()
    print([tenant for tenant, _ in ended].index(two), " ".join(sorted({str(status) for _, status in ended})))


if __name__ == "__main__":
    {"document": document, "during": during, "order": order}[sys.argv[1]](*sys.argv[2:])
