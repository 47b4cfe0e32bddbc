# SPDX-License-Identifier: Apache-2.0
# Sourced by panel.sh and bench/panel: two hosts with real agents and four machines (net.sh), skep-api with the panel on the first, a browser beside it.
# What runs besides the agents has its working directory below $work, and is ended with it.  shellcheck shell=bash
. selftests/lib/net.sh

panel_skip() { echo "ok 1 - the panel # SKIP $1"; echo 1..1; trap - EXIT; rm -rf "$work"; exit 0; }
chromium=$(command -v chromium-headless-shell || command -v chromium) || panel_skip 'no chromium-headless-shell'
command -v node >/dev/null || panel_skip 'no node'
npm=$PWD/build/npm/node_modules
[ -d "$npm/playwright-core" ] || panel_skip "no $npm/playwright-core: make npm"
[ -e "$programs/panel/done.txt" ] || panel_skip "the panel is not built in $programs"
api=$programs/skep-api

# big_doc PORTS PER-BRIDGE TENANT PART PARTS: an edge router, a core bridge, routers on it, bridges behind these (part 0); and a part of the ports
big_doc() {
	awk -v n="$1" -v per="$2" -v tenant="$3" -v part="$4" -v parts="$5" 'BEGIN {
		bridges = int((n + per - 1) / per); routers = int((bridges + 9) / 10)
		print "tenant: " tenant
		if (part == 0) {
			print "routers:\n  - {name: edge}"
			for (r = 0; r < routers; r++) printf "  - {name: r%d}\n", r
			print "bridges:\n  - {name: core}"
			for (b = 0; b < bridges; b++) printf "  - {name: net%d}\n", b
		}
		print "ports:"
		if (part == 0) {
			print "  - {name: up, router: edge, addresses: [198.51.100.2/24]}"
			print "  - {name: edge-core, router: edge, addresses: [100.64.0.1/16], peer: core-edge}\n  - {name: core-edge, bridge: core, peer: edge-core}"
			for (r = 0; r < routers; r++)
				printf "  - {name: r%d-core, router: r%d, addresses: [100.64.1.%d/16], peer: core-r%d}\n  - {name: core-r%d, bridge: core, peer: r%d-core}\n", r, r, r + 1, r, r, r
			for (b = 0; b < bridges; b++)
				printf "  - {name: r-net%d, router: r%d, addresses: [%d.%d.0.1/16], peer: net%d-r}\n  - {name: net%d-r, bridge: net%d, peer: r-net%d}\n", b, b % routers, 10 + int(b / 200), b % 200, b, b, b, b
		}
		for (k = part; k < n; k += parts) {
			b = int(k / per); i = k % per
			printf "  - {name: vm%d, bridge: net%d, mac: \"02:00:00:%02x:%02x:%02x\", addresses: [%d.%d.%d.%d]}\n", k, b, k / 65536, k / 256 % 256, k % 256, 10 + int(b / 200), b % 200, 1 + i / 250, 1 + i % 250
		}
	}'
}
# In parts, each of which the state DB takes in its time also on a machine with little of it.
big() { # PORTS PER-BRIDGE TENANT
	local part
	for part in 0 1 2 3 4 5 6 7; do
		big_doc "$1" "$2" "$3" $part 8 | apply >"$work/apply.out" 2>&1 || bail "tenant $3: $(tail -n 3 "$work/apply.out")"
	done
}

# What tests may ask for while they run: a script of its own, for they are not shells.
panel_control() {
	mkdir -p "$work/api"
	cat >"$work/control" <<-SH
		#!/bin/bash
		pid() { cat $work/api/pid; }
		db() { cat $work/api/db; }
		case \$1 in
		start)
			cd $work/api || exit 1
			setsid nsenter --net=/run/netns/$id-h1 $api --set db.addresses=${underlay[h1]}:6379 --set listen=127.0.0.1:8460 --set panel=$programs/panel >>$work/api/log 2>&1 </dev/null &
			echo \$! >$work/api/pid
			for _ in {1..200}; do
				nsenter --net=/run/netns/$id-h1 curl -sf -o $work/api/ready http://127.0.0.1:8460/readyz && exit 0
				read -rt 0.05 <> <(:) || :
			done
			exit 1 ;;
		stop)
			kill -TERM \$(pid)
			for _ in {1..200}; do kill -0 \$(pid) 2>/dev/null || exit 0; read -rt 0.05 <> <(:) || :; done
			exit 1 ;;
		pause) kill -STOP \$(pid) ;;
		resume) kill -CONT \$(pid) ;;
		kill-agent) kill -KILL ${agent_pid[h2]} ;;
		db-pause) kill -STOP \$(db) ;;
		db-resume) kill -CONT \$(db) ;;
		uplinks) # an interface that leads outside on either host; ends with them
			for h in h1 h2; do
				ip -n $id-\$h link add up-\$h type veth peer name out-\$h && ip -n $id-\$h link set up-\$h up && ip -n $id-\$h link set out-\$h up
			done ;;
		member-down | member-up) # what a health check would have found
			nsenter --net=/run/netns/$id-h1 $SKEP --config $work/h1/skepd.yaml --tenant t member \${1#member-} ask-m1 ;;
		uplink-down) ip -n $id-h2 link del up-h2 ;;
		traffic) # what arrives, and what is dropped
			nsenter --net=/run/netns/$id-vm1 ping -q -c 5 -i 0.05 -W 1 10.0.1.12
			nsenter --net=/run/netns/$id-vm1 ping -q -c 2 -i 0.05 -W 1 10.0.2.13
			nsenter --net=/run/netns/$id-vm1 ping -q -c 2 -i 0.05 -W 1 -I 10.0.1.11 192.0.2.1
			true ;;
		esac
	SH
	chmod +x "$work/control"
}

panel_up() {
	standard
	panel_control
	in_host h1 redis-cli -h "${underlay[h1]}" info server | sed -n 's/^process_id:\([0-9]*\).*/\1/p' >"$work/api/db"
	"$work/control" start || bail "skep-api does not start: $(tail -n 5 "$work/api/log")"
	token=$(in_host h1 "$api" --set "db.addresses=${underlay[h1]}:6379" --make-token panel-test) || bail 'no token'
}

# node, with all that it needs, where skep-api is
panel_node() { # SCRIPT ARGUMENTS...
	HOME=$work PANEL_URL=http://127.0.0.1:8460 PANEL_NPM=$npm PANEL_SHOTS=$shots PANEL_CONTROL=$work/control CHROMIUM=$chromium \
		in_host h1 node "$@"
}
