# SPDX-License-Identifier: Apache-2.0
"""What a Prometheus says, asked over HTTP.  prom.py URL value EXPRESSION: the sum of all samples;  prom.py URL dashboard FILE: a TAP line for
each expression of a Grafana dashboard, which must be understood, and find something unless it is in 'quiet'.  TAP numbers are the caller's."""
import json
import sys
import urllib.parse
import urllib.request

VARIABLES = {"$__rate_interval": "10s", "$instance": ".*", "$tenant": ".*", "$job": "skep", "$api_instance": ".*", "$api_job": "skep-api"}
QUIET = ("waited=\"yes\"",)  # may rightly find nothing in a short test


def ask(url, expression):
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=20) as r:
            return json.load(r)
    except urllib.error.HTTPError as e:
        return json.load(e)


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def main():
    url, what, of = sys.argv[1:4]
    if what == "value":
        print(sum(float(s["value"][1]) for s in ask(url, of)["data"]["result"]))
        return
    with open(of) as f:
        dashboard = json.load(f)
    for title, expression in expressions(dashboard):
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        answer = ask(url, expression)
        found = answer.get("data", {}).get("result", [])
        good = answer["status"] == "success" and (found or any(q in expression for q in QUIET))
        print(f"{'ok' if good else 'not ok'} {title}: {expression}{'' if good else ': ' + json.dumps(answer)[:300]}")


main()
