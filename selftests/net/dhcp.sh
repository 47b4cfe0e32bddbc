#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Machines that know nothing: udhcpc gets addresses and all that goes with them, dhclient those of IPv6, the kernel makes its own from router
# advertisements, asked for and not.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

#   vm1 (h1) udhcpc, vm2 (h2) udhcpc and dhclient -6, vm3 (h1) SLAAC; 'nine' (h2) has no port of its own, 'quiet' (h1) asks nobody
document() {
	cat <<-YAML
		tenant: t
		bridges: [{name: left}, {name: slaac}]
		routers: [{name: r}]
		security_groups: [{name: shut, egress: rules, rules: [{name: ping, direction: egress, proto: icmp}]}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-slaac, router: r, mac: "02:00:00:00:01:02", addresses: ["fd00:2::1/64", "fd00:3::1/64"], peer: slaac-r}
		  - {name: slaac-r, bridge: slaac, peer: r-slaac}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11], hostname: first, security_groups: [shut]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]}
		  - {name: trunk, bridge: left}
		  - {name: vm3, bridge: slaac, mac: "$(mac_of 3)"}
		  - {name: quiet, bridge: slaac, mac: "$(mac_of 4)"}
		subnets:
		  - name: left4
		    bridge: left
		    prefix: 10.0.1.0/24
		    dns: [9.9.9.9, 149.112.112.112]
		    ntp: [10.0.1.53]
		    domain: shop.example
		    mtu: 1400
		    lease: ${lease:-3600}
		    routes: [{dst: 192.0.2.0/24, via: 10.0.1.77}]
		    hosts: [{mac: "$(mac_of 9)", address: 10.0.1.99, hostname: nine}]
		  - {name: left6, bridge: left, prefix: "fd00:1::/64", ra: stateful, dns: ["2620:fe::fe"], domain: six.example}
		  - {name: slaac6, bridge: slaac, prefix: "fd00:2::/64", mtu: ${mtu6:-1420}, lease: 7200}
		  - {name: slaac7, bridge: slaac, prefix: "fd00:3::/64", ra: stateless, dns: ["2620:fe::9"], domain: seven.example}
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: vm3, host: h1, interface: vm3}
		  - {port: quiet, host: h2, interface: quiet}
		  - {port: trunk, host: h2, interface: nine}
	YAML
}
bare_vm() { # VM HOST MAC
	new_ns "$1"
	vm_link "$1" "$2"
	ip -n "$id-$1" link set eth0 address "$3"
}

host h1; host h2
bare_vm vm1 h1 "$(mac_of 1)"
bare_vm vm2 h2 "$(mac_of 2)"
bare_vm vm3 h1 "$(mac_of 3)"
bare_vm quiet h2 "$(mac_of 4)"
bare_vm nine h2 "$(mac_of 9)"
for v in vm1 vm2 nine; do ip -n "$id-$v" link set eth0 up; done
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 vm3' 'h2 vm2' 'h2 quiet' 'h2 trunk'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done

# --- DHCP: what the client is told goes into a file, and into the kernel ---
cat > "$work/udhcpc.script" <<-'SCRIPT'
	#!/bin/bash
	[ "$1" = bound ] || [ "$1" = renew ] || { echo "$1" >> "$SAID.events"; exit 0; }
	env | sort > "$SAID"
	ip addr replace "$ip/$mask" dev "$interface" valid_lft "$lease" preferred_lft "$lease"
	[ -n "${mtu:-}" ] && ip link set "$interface" mtu "$mtu"
	set -- $staticroutes "$1"
	while [ $# -gt 2 ]; do
		if [ "$2" = 0.0.0.0 ]; then ip route replace "$1" dev "$interface"; else ip route replace "$1" via "$2" dev "$interface" onlink; fi
		shift 2
	done
	echo "$1" >> "$SAID.events"
SCRIPT
chmod +x "$work/udhcpc.script"
dhcp() { # VM [OPTIONS]: in the foreground of its own process
	local v=$1
	shift
	SAID=$work/said.$v spawn nsenter --net="/run/netns/$id-$v" busybox udhcpc -f -i eth0 -s "$work/udhcpc.script" -t 5 -T 1 \
		-O 121 -O mtu -O ntpsrv -O search -x hostname:me "$@" > "$work/udhcpc.$v" 2>&1 </dev/null
	client=$!
	wait_for 10 grep -q bound "$work/said.$v.events" || { note < "$work/udhcpc.$v"; return 1; }
}
said() { grep -E "^$2=" "$work/said.$1" | cut -d= -f2-; }
if dhcp vm1; then ok 'udhcpc is bound, behind a security group'; else not_ok 'udhcpc is bound, behind a security group'; fi
client1=$client
equal 'DHCP: the address of the port' '10.0.1.11/24' "$(said vm1 ip)/$(said vm1 mask)"
equal '... gateway' '10.0.1.1' "$(said vm1 router)"
equal '... DNS' '9.9.9.9 149.112.112.112' "$(said vm1 dns)"
equal '... NTP' '10.0.1.53' "$(said vm1 ntpsrv)"
equal '... domain' 'shop.example' "$(said vm1 domain)"
equal '... host name' 'first' "$(said vm1 hostname)"
equal '... MTU, as the interface has it' 1400 "$(in_vm vm1 cat /sys/class/net/eth0/mtu)"
equal '... lease' 3600 "$(said vm1 lease)"
contains '... routes: default' 'default via 10\.0\.1\.1 ' "$(in_vm vm1 ip route)"
contains '... and others' '192\.0\.2\.0/24 via 10\.0\.1\.77 ' "$(in_vm vm1 ip route)"
contains '... from the server that it names' '^10\.0\.1\.1$' "$(said vm1 serverid)"
: > "$work/said.vm1.events"
kill -USR1 $client1
if wait_for 10 grep -q renew "$work/said.vm1.events"; then ok 'renewed, by unicast'; else not_ok 'renewed, by unicast'; note < "$work/udhcpc.vm1"; fi
if dhcp nine; then ok 'a machine without a port, at the other host'; else not_ok 'a machine without a port, at the other host'; fi
equal '... address and name' '10.0.1.99 nine' "$(said nine ip) $(said nine hostname)"
check '... and the two reach each other' ping_ok nine 10.0.1.1 2
if dhcp vm2; then ok 'the other host answers too'; else not_ok 'the other host answers too'; fi
check 'machines with leases reach each other across hosts' ping_ok vm1 10.0.1.12 5
: > "$work/said.vm1.events"
lease=120
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
leased() { kill -USR1 $client1; [ "$(said vm1 lease)" = 120 ]; }
if wait_for 10 leased; then ok 'what the document says now is told with the next renewal'; else not_ok 'what the document says now is told with the next renewal'; fi
equal '... of the same address' 10.0.1.11 "$(said vm1 ip)"

# --- who asks for something else; another client ---
: > "$work/said.vm1.events"
kill $client1
if dhcp vm1 -r 10.0.1.99; then ok 'a client that asks for an address of its neighbour'; else not_ok 'a client that asks for an address of its neighbour'; fi
equal '... gets its own' 10.0.1.11 "$(said vm1 ip)"
cat > "$work/dhclient4.script" <<-'SCRIPT'
	#!/bin/bash
	env | sort > "$SAID4"
	echo "$reason" >> "$SAID4.events"
SCRIPT
chmod +x "$work/dhclient4.script"
cat > "$work/dhclient4.conf" <<-'CONF'
	option classless code 121 = array of unsigned integer 8;
	request subnet-mask, routers, domain-name-servers, domain-name, interface-mtu, ntp-servers, host-name, classless;
	send dhcp-lease-time 99999;
CONF
touch "$work/leases4"
spawn nsenter --net="/run/netns/$id-vm1" dhclient -4 -d -sf "$work/dhclient4.script" -e "SAID4=$work/said4" -lf "$work/leases4" \
	-pf "$work/dhclient4.pid" -cf "$work/dhclient4.conf" eth0 > "$work/dhclient4.log" 2>&1 </dev/null
bound4() { grep -qxE 'BOUND|REBOOT' "$work/said4.events"; }
if wait_for 15 bound4; then ok 'dhclient is bound'; else not_ok 'dhclient is bound'; note < "$work/dhclient4.log"; fi
for pair in ip_address=10.0.1.11 subnet_mask=255.255.255.0 routers=10.0.1.1 domain_name=shop.example interface_mtu=1400 host_name=first \
	ntp_servers=10.0.1.53 dhcp_lease_time=120 dhcp_server_identifier=10.0.1.1 'domain_name_servers=9.9.9.9 149.112.112.112' \
	'classless=24 192 0 2 10 0 1 77 0 10 0 1 1'; do
	equal "... ${pair%%=*}" "${pair#*=}" "$(sed -n "s/^new_${pair%%=*}=//p" "$work/said4")"
done

# --- DHCPv6, where the advertisement says so ---
cat > "$work/dhclient.script" <<-'SCRIPT'
	#!/bin/bash
	env | sort > "$SAID6"
	case $reason in BOUND6 | RENEW6 | REBIND6) ip -6 addr replace "$new_ip6_address/128" dev "$interface" ;; esac
	echo "$reason" >> "$SAID6.events"
SCRIPT
chmod +x "$work/dhclient.script"
in_ns vm2 sysctl -qw net.ipv6.conf.eth0.accept_ra=2
touch "$work/leases6"
has_linklocal() { ip -n "$id-$1" -6 addr show dev eth0 scope link | grep -v tentative | grep -q inet6; }
wait_for 5 has_linklocal vm2
spawn nsenter --net="/run/netns/$id-vm2" dhclient -6 -d -sf "$work/dhclient.script" -e "SAID6=$work/said6" -lf "$work/leases6" \
	-pf "$work/dhclient.pid" -cf /dev/null eth0 > "$work/dhclient.log" 2>&1 </dev/null
bound6() { grep -qx BOUND6 "$work/said6.events"; }
if wait_for 15 bound6; then ok 'dhclient -6 is bound'; else not_ok 'dhclient -6 is bound'; note < "$work/dhclient.log"; fi
equal 'DHCPv6: the address of the port' 'fd00:1::12' "$(sed -n 's/^new_ip6_address=//p' "$work/said6")"
equal '... DNS' '2620:fe::fe' "$(sed -n 's/^new_dhcp6_name_servers=//p' "$work/said6")"
contains '... domain' '^six.example\.?$' "$(sed -n 's/^new_dhcp6_domain_search=//p' "$work/said6")"
default6() { ip -n "$id-$1" -6 route show default | grep -q 'via fe80::'; }

# --- the kernel by itself ---
in_vm vm3 sysctl -qw net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.router_solicitations=3 net.ipv6.conf.eth0.accept_ra_rt_info_max_plen=64 2>/dev/null
ip -n "$id-vm3" link set eth0 up
own() { ip -n "$id-$1" -6 addr show dev eth0 scope global dynamic | grep -qE "inet6 $2::ff:fe00:$3/64"; }
if wait_for 15 own vm3 fd00:2 3; then ok 'SLAAC: an address of the prefix'; else not_ok 'SLAAC: an address of the prefix'; ip -n "$id-vm3" -6 addr | note; fi
check '... and one of the second prefix' own vm3 fd00:3 3
check '... the router, by its link-local address' default6 vm3
equal '... the MTU' 1420 "$(in_vm vm3 cat /proc/sys/net/ipv6/conf/eth0/mtu)"
check 'its gateway answers' ping_ok vm3 fd00:2::1 3
mtu6=1440
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
mtu_is() { [ "$(in_vm vm3 cat /proc/sys/net/ipv6/conf/eth0/mtu)" = 1440 ]; }
if wait_for 20 mtu_is; then ok 'a change is advertised unasked'; else not_ok 'a change is advertised unasked'; fi
in_vm quiet sysctl -qw net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.router_solicitations=0
ip -n "$id-quiet" link set eth0 up
if wait_for 30 own quiet fd00:2 4; then ok 'a machine that does not ask hears it too'; else not_ok 'a machine that does not ask hears it too'; fi
touch "$work/leases7"
spawn nsenter --net="/run/netns/$id-vm3" dhclient -6 -S -d -sf "$work/dhclient.script" -e "SAID6=$work/said7" -lf "$work/leases7" \
	-pf "$work/dhclient7.pid" -cf /dev/null eth0 > "$work/dhclient7.log" 2>&1 </dev/null
told7() { grep -q 2620:fe::9 "$work/said7"; }
if wait_for 15 told7; then ok 'DHCPv6 without addresses'; else not_ok 'DHCPv6 without addresses'; note < "$work/dhclient7.log"; fi
contains '... domain' '^seven.example\.?$' "$(sed -n 's/^new_dhcp6_domain_search=//p' "$work/said7")"
equal '... and no address' '' "$(sed -n 's/^new_ip6_address=//p' "$work/said7")"
if wait_for 10 ping_ok quiet "fd00:2::ff:fe00:3"; then ok 'they reach each other across hosts'; else not_ok 'they reach each other across hosts'; fi
