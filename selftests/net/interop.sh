#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Others at the far end of a tunnel: Open vSwitch (userspace datapath) for each kind, and a Linux vxlan device.  They take a host's place: skepd
# publishes there and goes, its datapath with it.  And what tshark says of the packets.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

for p in ovs-vswitchd ovsdb-server tshark; do command -v $p > /dev/null || { echo "1..0 # SKIP no $p"; exit 0; }; done
ovs=$work/ovs
export OVS_RUNDIR=$ovs OVS_LOGDIR=$ovs OVS_DBDIR=$ovs
in_ovs() { in_host h2 "$@"; }
vsctl() { in_ovs ovs-vsctl --db="unix:$ovs/db.sock" --timeout=10 "$@"; }

switch_up() { # the daemons, in h2
	mkdir -p "$ovs"
	ovsdb-tool create "$ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema || bail 'ovsdb-tool fails'
	spawn nsenter --net="/run/netns/$id-h2" ovsdb-server --no-chdir --remote="punix:$ovs/db.sock" "$ovs/conf.db" > "$ovs/db.out" 2>&1
	wait_for 10 vsctl --no-wait init || bail "ovsdb-server: $(cat "$ovs/db.out")"
	spawn nsenter --net="/run/netns/$id-h2" ovs-vswitchd --no-chdir "unix:$ovs/db.sock" > "$ovs/vswitchd.out" 2>&1
	# the underlay interface belongs to a bridge, whose own device has its addresses
	vsctl add-br under -- set bridge under datapath_type=netdev "other-config:hwaddr=$(mac_of_u0)" ||
		bail "ovs-vswitchd: $(tail -n 5 "$ovs/vswitchd.out")"
	vsctl add-port under u0 -- add-br inside -- set bridge inside datapath_type=netdev fail_mode=secure -- add-port inside vm2
	ip -n "$id-h2" addr flush dev u0
	ip -n "$id-h2" link set under mtu 1600 up
	ip -n "$id-h2" addr add 10.250.0.2/24 dev under; ip -n "$id-h2" addr add fd00:250::2/64 dev under nodad
}
mac_of_u0() { ip -n "$id-h2" -o link show u0 | grep -oE "ether [0-9a-f:]+" | cut -d" " -f2; }
switch_tunnel() { # TYPE ADDRESS-OF-H1 ADDRESS-OF-H2: vm2 on one side, the tunnel to h1 on the other
	local shift=0
	[ "$1" = gre ] && shift=8 # the key is 24 bits of GRE's 32
	vsctl --if-exists del-port inside tun -- add-port inside tun -- \
		set interface tun "type=$1" "options:remote_ip=\"$2\"" "options:local_ip=\"$3\"" options:key=flow
	in_ovs ovs-ofctl del-flows "$ovs/inside.mgmt"
	in_ovs ovs-ofctl add-flow "$ovs/inside.mgmt" "in_port=vm2,actions=set_field:$((key1 << shift))->tun_id,output:tun"
	in_ovs ovs-ofctl add-flow "$ovs/inside.mgmt" "in_port=tun,tun_id=$((key2 << shift))/$((0xffffff << shift)),actions=output:vm2"
	[ -z "$(vsctl get interface tun error | tr -d '[]"')" ] || bail "no tunnel port: $(vsctl get interface tun error)"
}
key_of() { status "$1" | grep -oE "\"port\": *\"$2\"[^}]*\"key\": *[0-9]+" | grep -oE '[0-9]+$'; }
knows() { status h1 | grep -qE "\"host\": *\"h2\", *\"address\": *\"$1\"[^}]*\"encap\": *\"$2\""; }
publish() { # ENCAP: h2 is a host that asks for it; then nobody is there
	encap=$1 config h2
	in_host h2 ethtool -K u0 tx off > /dev/null 2>&1
	start_skepd h2 || bail 'skepd does not start'
	wait_for 20 port_up h2 vm2 || bail 'port does not come up'
	wait_for 20 knows "$address2" "$1" || bail "h1 does not know that h2 asks for $1"
	key1=$(key_of h1 vm1) key2=$(key_of h2 vm2)
	stop_skepd h2
	in_host h2 "$SKEPD" --config "$work/h2/skepd.yaml" --detach > "$work/out" 2>&1 || bail "detach: $(cat "$work/out")"
}
capture() { # FILE
	rm -f "$work/$1"
	nsenter --net="/run/netns/$id-h1" tcpdump -U -i u0 -w "$work/$1" 'udp port 4789 or udp port 6081 or ip proto 47 or ip6 proto 47' 2> "$work/$1.err" &
	tcpdump_pid=$!
	background+=($tcpdump_pid)
	wait_for 5 grep -q 'listening on' "$work/$1.err" || bail 'no capture'
}
captured() { kill $tcpdump_pid; wait $tcpdump_pid 2>/dev/null; }
# RFC 6935 allows tunnels no checksum over IPv6: tshark has to be told.  What it makes of a TCP stream is none of our business
dissect() { tshark -n -o udp.ignore_ipv6_zero_checksum:TRUE -o tcp.desegment_tcp_streams:FALSE --disable-protocol http -r "$work/$1" "${@:2}" 2> /dev/null; }
traffic() { # TEXT
	check "$1: ping" ping_ok vm1 10.0.1.12 10
	check "$1: ping, as large as fits" in_vm vm1 ping -q -c 2 -W 2 -M do -s 1472 10.0.1.12
	check "$1: IPv6" ping_ok vm1 fd00:1::12 5
	for a in 10.0.1.12 '[fd00:1::12]'; do
		equal "$1: 2 MiB over TCP, $a" "$(sha256sum < "$work/www/big")" \
			"$(in_vm "${2:-vm1}" curl -gsS --max-time 60 "http://$a:8080/big" | sha256sum)"
	done
	equal "$1: 2 MiB the other way" "$(sha256sum < "$work/www/big")" "$(in_ns "${3:-vm2}" curl -gsS --max-time 60 http://10.0.1.11:8080/big | sha256sum)"
}
read_by_tshark() { # TEXT KIND FIELDS...: what it says of a packet to h2, and that it has nothing to say against any
	local text=$1 kind=$2 want=$3 dst=$4
	shift 4
	contains "$text" "$want" "$(dissect wire.pcap -Y "$kind && $dst" -T fields -E occurrence=f "${@/#/-e}" | tr '\t' / | sort | uniq -c)"
	# groups: checksum, undecoded, malformed, protocol; of severity "warning" and above
	equal '... nothing malformed, no warning' '' "$(dissect wire.pcap -Y '_ws.malformed || (_ws.expert.severity >= 6291456 &&
		_ws.expert.group in {0x01000000, 0x05000000, 0x07000000, 0x09000000})' | head -n 3)"
}

host h1; host h2
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
for v in vm3:h1 vm4:h2; do new_ns ${v%:*}; vm_link ${v%:*} ${v#*:}; done
# OVS reads frames as they are on a wire: no super-packets, no checksums left out
for n in h1/u0 wire/h1 wire/h2 h2/u0 vm2/eth0; do in_ns ${n%/*} ethtool -K ${n#*/} tx off tso off gso off gro off > /dev/null 2>&1; done
for v in vm1:2 vm2:1; do # nobody there answers ARP
	ip -n "$id-${v%:*}" neigh replace 10.0.1.1${v#*:} lladdr "$(mac_of ${v#*:})" dev eth0
	ip -n "$id-${v%:*}" neigh replace fd00:1::1${v#*:} lladdr "$(mac_of ${v#*:})" dev eth0
done
mkdir -p "$work/www" && yes "$RANDOM: no protocol that a dissector guesses" | head -c 2097152 > "$work/www/big"
http_server vm1 "$work/www" 8080; http_server vm2 "$work/www" 8080

config h1
start_skepd h1 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
wait_for 20 port_up h1 vm1 || bail 'port does not come up'
address1=10.250.0.1 address2=10.250.0.2 dst='ip.dst == 10.250.0.2'

# --- a Linux vxlan device: it is the machine ---
publish vxlan
new_ns dev
ip -n "$id-h2" link add vx type vxlan id "$key2" local 10.250.0.2 dstport 4789 nolearning dev u0
ip -n "$id-h2" link set vx netns "$id-dev" address "$(mac_of 2)" mtu 1500 up
ip -n "$id-dev" addr add 10.0.1.12/24 dev vx; ip -n "$id-dev" addr add fd00:1::12/64 dev vx nodad
in_ns dev bridge fdb replace "$(mac_of 1)" dev vx dst 10.250.0.1 vni "$key1"
ip -n "$id-dev" neigh replace 10.0.1.11 lladdr "$(mac_of 1)" dev vx
ip -n "$id-dev" neigh replace fd00:1::11 lladdr "$(mac_of 1)" dev vx
http_server dev "$work/www" 8080
traffic 'a Linux vxlan device' vm1 dev
ip -n "$id-dev" link del vx # its UDP port is skepd's again

# --- Open vSwitch ---
switch_done=
for run in 'vxlan 4' 'geneve 4' 'gre 4' 'vxlan 6' 'geneve 6' 'gre 6'; do
	read -r kind family <<<"$run"
	encap=$kind
	[ $kind = gre ] && encap=nvgre
	if [ -n "$switch_done" ]; then # the interfaces are skepd's again for a moment
		ip -n "$id-h2" addr flush dev under
		vsctl del-port under u0 -- del-port inside vm2
		ip -n "$id-h2" addr add 10.250.0.2/24 dev u0; ip -n "$id-h2" addr add fd00:250::2/64 dev u0 nodad
	fi
	if [ "$run" = 'vxlan 6' ]; then
		under6=yes address1=fd00:250::1 address2=fd00:250::2 dst='ipv6.dst == fd00:250::2'
		stop_skepd h1
		encap='' config h1
		start_skepd h1 || bail 'skepd does not start'
	fi
	publish $encap
	if [ -z "$switch_done" ]; then
		switch_up
		switch_done=1
	else
		vsctl add-port under u0 -- add-port inside vm2
		ip -n "$id-h2" addr flush dev u0
		ip -n "$id-h2" addr add 10.250.0.2/24 dev under; ip -n "$id-h2" addr add fd00:250::2/64 dev under nodad
	fi
	switch_tunnel $kind $address1 $address2
	wait_for 10 ping_ok vm1 10.0.1.12 || { vsctl show; tail -n 20 "$ovs/vswitchd.out"; in_ovs ovs-ofctl dump-flows "$ovs/inside.mgmt"; } 2>&1 | note
	capture wire.pcap
	traffic "Open vSwitch, $kind over IPv$family"
	captured
	key=$(printf 0x%06x "$key2")
	case $kind in
	vxlan) read_by_tshark 'tshark: VXLAN with our key' vxlan " 0x0800/$key2/4789$" "$dst" vxlan.flags vxlan.vni udp.dstport ;;
	geneve) read_by_tshark 'tshark: Geneve with our key' geneve " 0/0x6558/$key/6081$" "$dst" geneve.version geneve.proto_type geneve.vni udp.dstport ;;
	gre) read_by_tshark 'tshark: GRE with our key' gre " 0x2000/0x6558/${key}[0-9a-f]{2}$" "$dst" gre.flags_and_version gre.proto gre.key ;;
	esac
done
equal 'nothing was refused' '0 0' "$(drops h1 rewrite) $(drops h1 bad_tunnel)"
