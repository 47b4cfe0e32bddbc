#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whoever looks into the kernel with bpftool finds names, not bytes: every map of a running datapath has BTF, and a dump of it is formatted by that.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

host h1; host h2
standard_machines
# what is made stays until the last table has been read, however long that takes
for h in h1 h2; do config $h 'conns: {icmp_s: 600, udp_new_s: 600}' 'flows: {idle_s: 600}'; done
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{
	cat <<-YAML
		tenant: t
		security_groups:
		  - name: open
		    rules: [{name: all4, direction: ingress, ethertype: ipv4}, {name: all6, direction: ingress, ethertype: ipv6}]
		nats: [{name: masked, router: r, type: snat, port: r-right, src: 10.0.1.0/24, to: 10.0.2.200}]
	YAML
	standard_doc "security_groups: [open]" | tail -n +2
	standard_bindings
} | apply > "$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
standard_up || bail 'ports do not come up'

# something in every table: both families, a connection, a translation, a drop, another host
can 'IPv4, translated' ping4_soon vm1 10.0.2.13
can 'IPv6' wait_for 10 ping_ok vm1 fd00:2::13
can 'to another host' ping4_soon vm1 10.0.1.12
in_vm vm3 "$stream" send 10.0.1.99 7001 3 1000

pins=$(find "$work/bpf/skep/h1" -type d -name maps 2>/dev/null || find "$work/bpf" -path '*h1*' -type d -name maps)
cat > "$work/look.py" <<'PYTHON'
"""Reads 'bpftool -j map dump' on standard input: "ok ENTRIES", or what is not formatted."""
import json, sys

def raw(v, where):
    """Where bytes are shown as "0x.." instead of what they mean."""
    if isinstance(v, dict):
        return [p for k, w in v.items() for p in raw(w, where + "." + k)]
    if isinstance(v, list):
        return [p for w in v for p in raw(w, where)]
    return [where] if isinstance(v, str) and v.startswith("0x") else []

# What has names has them: these members are no numbers.  (Not of a mask, where all bits count or none.)
NAMES = ("action", "frag", "ct", "kind", "encap")
# As on the wire: so many octets each.
OCTETS = {"src": 4, "dst": 4, "sport": 2, "dport": 2, "eth_type": 2, "vlan": 2, "b": 6, "from_port": 2, "to_port": 2,
          "other_sport": 2, "other_dport": 2, "tunnel_port": 2}

def number(v):
    return isinstance(v, int)

def octets(v, n):
    return isinstance(v, list) and len(v) == n and all(number(o) and 0 <= o <= 255 for o in v)

def numbers(v, where):
    """Names and addresses that are shown as numbers."""
    if isinstance(v, list):
        return [p for w in v for p in numbers(w, where)]
    if not isinstance(v, dict):
        return []
    if list(v) == ["w"] and not (isinstance(v["w"], list) and len(v["w"]) == 4 and all(octets(w, 4) for w in v["w"])):
        return [where + ".w is no address"]
    bad = []
    for k, w in v.items():
        here = where + "." + k
        if k in NAMES and number(w) and map_name != "skep_masks":
            bad.append(here + " is a number")
        elif k in OCTETS and not here.endswith("bindings.dst") and not isinstance(w, dict) and not octets(w, OCTETS[k]):
            bad.append(here + " is not octets")
        elif isinstance(w, (dict, list)):
            bad += numbers(w, here)
    return bad

def wrong(entry):
    f = entry.get("formatted")
    if f is None:
        return ["not formatted: the map has no BTF"]
    if "key" not in f or ("value" not in f and "values" not in f):
        return ["neither key nor value: %s" % list(f)]
    return raw(f, "entry") + numbers(f, "entry")

map_name = sys.argv[1]
entries = json.load(sys.stdin)
bad = sorted({w for e in entries for w in wrong(e)})
print("; ".join(bad) if bad else "ok %d" % len(entries))
PYTHON
dump() { bpftool -j map dump pinned "$1" 2>/dev/null | "$python" "$work/look.py" "${1##*/}"; }
used() { # NAME: of an array, entries that are not all zero; of a table, entries
	bpftool -j map dump pinned "$pins/$1" | "$python" -c '
import json, sys
def some(v): return any(map(some, v.values() if isinstance(v, dict) else v)) if isinstance(v, (dict, list)) else v not in (0, "0", "")
print(sum(some(e["formatted"].get("value", e["formatted"].get("values"))) for e in json.load(sys.stdin)))'
}
check 'the maps are pinned' test -d "$pins"
n=0
for map in "$pins"/*; do
	name=${map##*/}
	n=$((n + 1))
	show=$(bpftool -j map show pinned "$map")
	case $show in *'"type":"ringbuf"'*) continue ;; esac # has neither keys nor BTF, and cannot be dumped
	contains "$name has BTF" '"btf_id": ?[1-9]' "$show"
	contains "$name reads well" '^ok [0-9]+$' "$(dump "$map")"
done
mapped() { bpftool map dump pinned "$pins/$1"; }
contains 'an address reads as such' '\[10,0,1,11' "$(mapped skep_conns | tr -d ' \n')"
contains 'and what is done with a flow' '"action": "SKEP_ACT_(DROP|LOCAL|ENCAP)"' "$(mapped skep_wilds4)"
contains 'and what has been counted' '"TX_TUNNEL": [1-9]' "$(mapped skep_counters)"
contains 'and what was dropped, by reason' '"NO_ROUTE_UNDERLAY": 0' "$(mapped skep_drops)"
[ $n -ge 15 ] && ok "all of the maps: $n" || not_ok "all of the maps: $n"
for name in wilds4 wilds6 masks stats lports ifaces ports peers remotes config drops counters conns details answers; do
	[ "$(used skep_$name)" -gt 0 ] && ok "skep_$name has something to show" || not_ok "skep_$name has something to show"
done
