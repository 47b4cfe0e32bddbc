#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two state DBs with the same network: of one skep changes and shows the network itself, of the other by way of skep-api.  Each line of the table is said to both, as
# text and as JSON: output and exit status are the same, or the line says why they are not.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh
unset SKEP_DB
export SKEP_CONTEXTS=$work/none
api_up
mkdir "$work/other"
redis-server --port 0 --unixsocket "$work/other.sock" --save '' --dir "$work/other" --daemonize no >"$work/other/log" 2>&1 &
background+=($!)
wait_for 5 test -S "$work/other.sock" || bail 'redis-server does not start'

cd "$work" || exit 1
doc() { cat >"$1.yaml"; }
standard_doc 'out_chain: fw' >net.yaml
cat >>net.yaml <<-YAML
	chains: [{name: fw, rules: [{name: no-telnet, action: drop, proto: tcp, dst_ports: 23}]}]
	security_groups: [{name: web, rules: [{name: a4, direction: ingress, ethertype: ipv4}]}]
YAML
sed 's/dst_ports: 23/dst_ports: 24/' net.yaml >changed.yaml
doc new <<<'{tenant: new, bridges: [{name: b}], ports: [{name: p, bridge: b, mac: "02:00:00:00:00:77"}]}'
doc unnamed <<<'{bridges: [{name: extra}]}'
doc dangling <<<'{tenant: t, ports: [{name: p, bridge: nosuch, mac: "02:00:00:00:00:78"}]}'
doc dangling_new <<<'{tenant: new, ports: [{name: p, bridge: nosuch, mac: "02:00:00:00:00:78"}]}'
doc unknown_field <<<'{tenant: t, bridges: [{name: b, colour: red}]}'
doc bad_value <<<'{tenant: t, ports: [{name: p, bridge: left, mac: "zz"}]}'
doc bad_tenant <<<'{tenant: "no/name", bridges: [{name: b}]}'
doc bound <<<'{tenant: t, bindings: [{port: vm2, host: h2, interface: tap2}]}'
doc no_yaml <<<'{tenant: t, bridges: ['
doc extra <<<'{tenant: t, bridges: [{name: extra}]}'
doc gone <<<'{tenant: t, bridges: [{name: nosuch}]}'
doc nobody <<<'{tenant: nobody, bridges: [{name: b}]}'
printf -- '---\ntenant: t\nbridges: [{name: more}]\n---\ntenant: t2\nbridges: [{name: more}]\n' | doc two
printf -- '---\ntenant: t\nbridges: [{name: more}]\n---\ntenant: t2\nports: [{name: p, bridge: nosuch}]\n' | doc half

# Ids and revisions are given by chance, and by what else was written; of several objects that refer to one, one is named.
plain() { sed -E 's/"rev": ?[0-9]+/"rev": 0/g; s/port .vm[1-4]. refers to it/a port refers to it/; s/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/ID/g'; }
over_db() { "$SKEP" "$@" --db "unix:$work/other.sock" 2>&1; echo "status $?"; }
over_api() { "$SKEP" "$@" --api "unix:$work/api.sock" 2>&1; echo "status $?"; }
say() { # REASON ARGUMENTS...
	local reason=$1 a b
	shift
	a=$(over_db "$@" | plain)
	b=$(over_api "$@" | plain)
	if [ -z "$reason" ]; then
		equal "skep $*" "$a" "$b"
	elif [ "$a" = "$b" ]; then
		not_ok "skep $*: no difference any more ($reason)"
	else
		equal "skep $*: the same status; $reason" "${a##*status }" "${b##*status }"
	fi
}

# COMMAND, and behind '| ' why it differs; 'once': not a second time with -j, which would find it done
while IFS='|' read -r command reason; do
	case $command in '' | '#'*) continue ;; esac
	eval "set -- $command"
	[ "$1" = once ] && { shift; say "${reason# }" "$@"; continue; }
	say "${reason# }" "$@"
	say "${reason# }" -j "$@"
done <<'TABLE'
get tenants
get
port list
diff -f unnamed.yaml
diff -f new.yaml
diff -f new.yaml --prune
diff -f dangling_new.yaml
diff -f bad_tenant.yaml
apply -f new.yaml --dry-run
get tenants
delete -f new.yaml
delete -f new.yaml --dry-run
once apply -f net.yaml
apply -f net.yaml
get tenants
get tenants -o yaml
get
get -o yaml
get ports
get bridges
get routers
get chains
get security-groups
get bindings
get members
get port vm1
get port vm1 -o yaml
get chain fw
get port nosuch
get cheese
get ports -t nobody
get ports -t 'no/body'
get ports -t ..
get ports -t ''
port list
port list -t nobody
port list -t 'no/body?x=%41'
diff -f net.yaml
diff -f changed.yaml
diff -f changed.yaml --prune
diff -f unnamed.yaml
diff -f extra.yaml -t other
diff -f new.yaml
diff -f nosuch.yaml
diff
diff -f dangling.yaml
diff -f unknown_field.yaml
diff -f bad_value.yaml
diff -f no_yaml.yaml
apply -f dangling.yaml
apply -f unknown_field.yaml
apply -f bad_value.yaml
apply -f bad_tenant.yaml
apply -f changed.yaml --dry-run
once apply -f changed.yaml
apply -f changed.yaml
once -j apply -f net.yaml
once apply -f unnamed.yaml
once apply -f net.yaml --prune
once apply -f two.yaml
get tenants
get
get -t t2
diff -f half.yaml
once apply -f half.yaml
once -j apply -f half.yaml
delete -f gone.yaml
delete -f nobody.yaml
delete bridge nosuch -t t
delete bridge b -t nobody
delete cheese x
delete chain fw -t t
delete chain fw --dry-run -t t
delete bridge more --dry-run -t t
once delete bridge more -t t
delete bridge more -t t
once -j delete -f two.yaml
once apply -f extra.yaml
delete -f extra.yaml --dry-run
once delete -f extra.yaml
get tenants
port bind vm1 --interface tap0 -t t
port bind nosuch --host h1 --interface tap0 -t t
port bind vm1 --host 'no host' --interface tap0 -t t
once port bind vm1 --host h1 --interface tap0 -t t
port bind vm1 --host h1 --interface tap0 -t t
port bind vm1 --host h2 --interface tap0 -t t
port bind vm2 --host h1 --interface tap0 -t t
once -j port bind vm3 --host h1 --interface tap3 -t t
once apply -f bound.yaml
get bindings -t t
get binding vm1 -t t -o yaml
port list -t t
once port unbind vm1 -t t
port unbind vm1 -t t
port unbind nosuch -t t
once delete binding vm2 -t t
trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn' -t t
trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:24 syn' -t t
trace --port vm1 'icmp 10.0.1.11 > 10.0.9.9 echo' -t t
trace --port nosuch 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn' -t t
trace --port r-left 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn' -t t
trace --port vm1 'cheese' -t t
trace --port vm1 'icmp 10.0.1.11 > fd00::1' -t t
trace --port vm1 'udp 10.0.1.11:9 > 10.0.2.13:9 ttl 1' -t t
trace --port vm1 'arp who-has 10.0.1.1 from 10.0.1.11' -t t
trace --port vm1 'tcp [fd00:1::11]:4000 > [fd00:2::14]:24 syn' -t t
trace --port vm1 'tcp 10.0.9.9:4000 > 10.0.2.14:24 syn' -t t
trace --port vm1 --diff 'icmp 10.0.1.11 > 10.0.1.12' -t t
trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn' -t nobody
trace --port vm1 --eth '02:00:00:00:00:01>02:00:00:00:00:02' 'tcp 10.0.1.11:4000 > 10.0.1.12:23 syn' -t t
trace --port vm1 --eth 'zz' 'tcp 10.0.1.11:4000 > 10.0.1.12:23 syn' -t t
why vm1 vm4 tcp/23 -t t
why vm1 vm4 tcp/24 -t t
why vm1 vm4 icmp -v -t t
why vm1 10.0.9.9 tcp/80 -t t
why vm1 nosuch tcp/80 -t t
why nosuch vm1 tcp/80 -t t
why vm1 vm4 tcp -t t
why vm1 fd00:2::14 icmp6 -t t
why vm1/10.0.1.11 vm4/10.0.2.14 udp/53 -v -t t
why vm1/10.0.9.9 vm4 udp/53 -t t
why 10.0.1.11 10.0.2.14 tcp/24 -t t
why vm1 vm1 tcp/24 -t t
why r-left vm1 tcp/24 -t t
why vm1 vm4 tcp/23 -t nobody
get -o yaml -t t
tenant list
tenant show t
tenant show t2
tenant show nosuch
tenant show ..
tenant show
quota show -t t
quota show -t nobody
quota set ports=50 bytes=1000000 -t t
quota set bridges=default requests_per_s=9 -t t
quota show -t t
quota set requests_per_s=0 -t t
quota set ports=-1 -t t
quota set ports -t t
quota set brigdes=1 -t t
quota set ports=1 -t '..'
quota set tokens=3 -t later
audit list -t nobody
audit list --since 1 -t t
audit list --object cheese/x -t t
audit list --object port -t t
audit list --object port/nosuch -t t
audit list --access --object port/x
audit list --by 'no body' -t t
audit show 1-1 -t t
audit show nosuch -t t
audit show 1-1 -t nobody
undo 1-1 -t t
undo 1-1/undo -t t
undo 1-1 -t nobody
undo
events -t nobody
token create x tenant-admin -t nobody
token create x king
token create x operator soon
token revoke 0123456789abcdef | who has the state DB is told how to find ids
member down m1 -t t
member up m1 -t nobody
host list
host list -t t
TABLE
equal 'in the end, both have the same network' "$(over_db get -o yaml -t t | plain)" "$(over_api get -o yaml -t t | plain)"


for verb in 'tenant create x' 'tenant delete t'; do
	contains "skep $verb: on the state DB it says who does it" 'by skep-api only .want --api URL.*status 1' "$(over_db $verb | tr '\n' ' ')"
done
# a reference to what is not there is a wrong document; what is named, and is not there, is not found
for way in over_db over_api; do
	for doc in dangling.yaml dangling_new.yaml half.yaml; do equal "$way: $doc refers to what is not there" 'status 1' "$($way apply -f $doc | tail -n 1)"; done
	for named in 'get port nosuch -t t' 'delete -f gone.yaml' 'port bind nosuch --host h1 --interface tap0 -t t' 'why nosuch vm1 tcp/80 -t t' 'get ports -t nobody'; do
		equal "$way: $named" 'status 3' "$($way $named | tail -n 1)"
	done
done
equal 'no agent: no object that is missing' 'status 1' "$("$SKEP" status --socket "$work/nosuch" >/dev/null 2>&1; echo "status $?")"

for verb in status top 'flow list' 'conn list' 'rule list'; do
	contains "skep $verb is of this host: --api is refused" "has no option '--api'.*status 2" "$(over_api $verb | tr '\n' ' ')"
done
