/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of skepd share.  Private to loader/ (above the datapath layer dp.h).  One thread,
 * one loop; no part blocks: records_file.c has a thread of its own, for a file that does.
 *
 * - agent.c: start, stop, ticks; membership.c: the lease of our name, leaving
 * - hosts.c: the registry: other hosts, our own record, which tenants are ours
 * - tenant.c: records -> snapshot -> tags
 * - ports.c: ports bound here; keys.c: their tunnel keys; floods.c: flood groups
 * - upcall.c: packet -> simulation; forward.c: result -> packets and flows; park.c: who waits
 * - frag.c: ports of fragments
 * - answers.c: what the kernel answers while we are away
 * - learn.c: MAC and neighbour tables; expiry.c: idle, evicted and adopted flows
 * - vips.c: load balancers in the kernel
 * - conns.c: connections; state.c: messages between agents about them; mirror.c: their copy in the DB;
 *   natblock.c: leased source ports; recheck.c: flows and connections after changes
 * - rules.c: counters and logs of rules
 * - telemetry.c, telemetry_flows.c: for those who watch a tenant, or a port's flows, from elsewhere
 * - records.c, records_out.c, records_file.c, ipfix.c: records of flows for collectors
 * - metrics.c, metrics_server.c: for Prometheus; inforce.c: how long changes take
 * - top.c: what ports and flows carry
 * - report*.c: status, flows, connections, drops as JSON; control_server.c: the socket
 */
#pragma once

#include <jansson.h>

#include "loader/config.h"
#include "loader/dp.h"
#include "loader/index.h"
#include "loader/inforce.h"
#include "loader/install.h"
#include "loader/metrics.h"
#include "loader/park.h"
#include "loader/peers.h"
#include "loader/publish.h"
#include "loader/records.h"
#include "loader/sets.h"
#include "loader/telemetry.h"
#include "loader/top.h"
#include "simulator/conns.h"
#include "simulator/simulator.h"
#include "statedb/flow_wish.h"
#include "statedb/statedb.h"
#include "topology/topology.h"
#include "util/arena.h"
#include "util/hmap.h"
#include "util/loop.h"

#define AGENT_LEASE_MS	     6000
#define AGENT_MACS_MAX	     65536 /* of one tenant */
#define AGENT_NEIGHS_MAX     65536
#define AGENT_TENANTS_MAX    4096
#define AGENT_AFFINITIES_MAX 65536 /* of one tenant */
#define AGENT_SEED	     0 /* of the simulation's hashes: the same on all hosts */
#define AGENT_NEIGH_TRIES    3
#define AGENT_NEIGH_RETRY_NS 1000000000ULL
#define AGENT_NEIGH_FAIL_NS  5000000000ULL /* how long "no answer" is believed */

struct agent;
struct control_server;
struct state;	  /* state.c */
struct mirror;	  /* mirror.c: of a tenant */
struct natblocks; /* natblock.c: of a tenant */
struct rules;	  /* rules.c: of a tenant */
struct recheck;	  /* recheck.c */

/* Another host. */
struct host {
	struct hmap_node node; /* agent.hosts, by name */
	struct skep_ip address;
	uint32_t peer; /* index in skep_peers; 0 = could not be added */
	enum skep_encap encap;
	bool marks, binds;
	bool silent;	  /* its skepd has not acknowledged what it was told last */
	uint32_t unacked; /* messages to it */
	json_t *record;
	char name[TOPO_NAME_MAX + 1];
};

/* An interface of this network namespace. */
struct iface {
	struct hmap_node node; /* agent.ifaces, by name */
	uint32_t ifindex;
	struct lport *port; /* attached to it */
	char name[TOPO_IFNAME_MAX + 1];
};

/* A port that is bound to this host, whether its interface exists or not.  Keeps its key while it
 * is. */
struct lport {
	struct hmap_node by_key;  /* agent.ports */
	struct hmap_node by_name; /* tenant.ports */
	struct tenant *tenant;
	struct flood *flood; /* of its bridge; NULL = router port */
	uint32_t key;
	uint64_t errors_tat_ns; /* GCRA of ICMP errors and resets that its packets cause (forward.c) */
	uint32_t ifindex; /* 0 = not attached */
	bool attached, wanted;
	uint32_t police_in, police_out; /* policers; 0 = none */
	uint64_t ra_at_ns;	  /* next router advertisement; 0 = none to be sent */
	uint64_t ra_says;	  /* hash of what is advertised; 0 = nothing */
	uint8_t ra_fast;	  /* initial ones still to be sent */
	uint64_t told_tat_ns; /* GCRA of messages to other hosts that its packets cause (conns.c) */
	struct port_load load;
	uint64_t answers_tat_ns; /* GCRA of new ones */
	uint32_t answers_first, n_answers; /* answers.c: a ring of their cookies, the oldest first; some may have gone */
	uint32_t answers[SKEP_ANSWERS_PORT];
	char trouble[256]; /* why it is not attached; "" = its interface is not there */
	char interface[TOPO_IFNAME_MAX + 1];
	char name[TOPO_NAME_MAX + 1];
};

/* The members of a bridge on this host, as other hosts reach them in one copy. */
struct flood {
	struct hmap_node by_key;    /* agent.floods */
	struct hmap_node by_bridge; /* tenant.floods */
	uint32_t key;
	uint32_t set;	/* in skep_sets; 0 = none */
	uint32_t ports; /* lports that belong to it */
	bool dirty;
	char bridge[TOPO_NAME_MAX + 1];
};

struct tenant {
	struct hmap_node node; /* agent.tenants, by name */
	struct agent *agent;
	struct db_follow *follow;
	struct publisher *pub;
	json_t *records; /* mirror of the space */
	uint64_t rev, crev;
	uint64_t crev_done, crev_told; /* seen.c: packets are treated as this one says; others know */
	struct topo_snapshot *snap; /* NULL until the first was built */
	struct sim_tables *tables;
	struct sim_conns *conns;
	uint32_t expire_due; /* records to be looked at until the next tick */
	struct hmap conn_sides; /* conns.c: what is known of a record besides */
	struct mirror *mirror;
	struct natblocks *natblocks;
	struct rules *rules;
	struct hmap ports, floods;
	struct hmap places;	 /* whereabouts.c ... */
	uint64_t places_changes; /* ... as of this number of changes */
	bool loaded;	   /* a snapshot came from the DB */
	bool dirty;	   /* records changed since 'snap' was made */
	bool all_ports;	   /* the next snapshot is compared with all local ports */
	json_t *changed;   /* paths of these records: keys of an object; NULL = too many, or none yet */
	uint32_t policy_asked, policy_done; /* recheck.c: rounds over its connections */
	struct inforce inforce;
	struct telemetry *telemetry; /* NULL = nothing has happened yet */
	char trouble[512]; /* why 'snap' is older than the records; "" = it is not */
	char name[TOPO_NAME_MAX + 1];
};

struct agent_stats {
	uint64_t upcalls, simulations, installed, injected, answered, learnt, invalidated,
		reconciled, expired;
	uint64_t updates, builds; /* of snapshots: in place, anew */
	uint64_t revalidated, kept; /* flows simulated again after a change; of these, unchanged */
	uint64_t revalidation_us;   /* all the time that took */
	uint64_t rechecked, recheck_ended; /* the same for connections after changes of policy */
	uint64_t conns_made, conns_over, conns_ended, conns_refused;
	uint64_t state_sent, state_received, state_acked, state_resent, state_lost, state_refused;
	uint64_t held; /* connections whose first packets have waited until another host knew of them */
	uint64_t mirrored, mirror_lost;
	uint64_t blocks_leased, blocks_refused, blocks_released;
	uint64_t advertised;
};

struct agent_leave {
	void (*done)(void *arg, const struct err *err);
	void *arg;
	uint64_t deadline_ns;
	struct err err;
};

struct agent {
	struct loop *loop;
	const struct config *config;
	bool keep_db;
	uint64_t started_ns;
	int exit_code;

	struct db *db;
	struct db_lease *lease;
	char owner[128];
	bool leased, leaving;
	bool lease_dead;	/* to be released and asked for again */
	uint64_t refused_ns;	/* since when the lease is refused; 0 = it is not */
	struct publisher *self; /* our record in the registry */
	struct db_follow *registry;
	bool registry_known;

	struct dp *dp;
	struct skep_ip address;
	uint32_t mtu;
	bool underlay_up;
	struct hmap tenants, hosts, ifaces;
	struct hmap ports, floods; /* by key */
	struct hmap vips, vip_ports; /* vips.c */
	uint32_t last_key;
	struct hmap adopted; /* ports that the kernel had at start and no tenant has claimed yet
				(keys.c) */
	bool adoption_done;
	struct hmap adopted_conns; /* by port (conns_kernel.c) */
	uint32_t conns_walked, conns_step; /* records that the last walk over them met, and the present one has */
	uint32_t conns_due; /* of this walk, in this tick */
	uint32_t conns_rest; /* ticks before the next one */
	bool conns_wrapped;
	struct loop_timer *conns_turn; /* there is more to be done with records than one turn has time for */

	struct index *index;
	uint32_t n_answers; /* of the index: they are no flows */
	bool answers_adopted; /* those that an earlier skepd left have been judged */
	struct sets sets;
	struct park *park;
	struct frags *frags;
	struct state *state;
	struct hmap holds, held_conns; /* hold.c: by number, by connection */
	uint32_t last_hold;
	uint32_t hold; /* the packet that is being sent waits: forward_inject() */
	struct recheck *recheck;
	struct sim sim;	    /* results are valid until the next simulation */
	struct arena arena; /* of one packet's work */
	struct install_env env;
	uint8_t *txbuf; /* for frames that skepd itself sends */
	uint64_t walk;	/* number of the present walk over the kernel's flows, or of the last one */
	struct walk *walking; /* expiry.c: NULL = none is under way */
	struct loop_timer *walk_timer;
	uint64_t walk_at_ns, walk_took_ns;
	bool walk_soon, flows_queued;
	struct loop_timer *rebuild_timer, *tick_timer, *seen_timer;
	struct control_server *control;
	struct agent_leave leave;
	bool remove; /* the datapath goes with us */
	unsigned int ticks;
	struct loop_timer *watchdog;
	int lock_fd; /* of the state directory */
	int devices_fd; /* the claim of the device prefix */
	struct agent_stats stats;
	struct agent_metrics metrics;
	struct telemetry_round telemetry;
	struct records *records; /* NULL = none are told */
	bool flow_idle; /* the flow that is being deleted has been idle */
	struct metrics_server *metrics_server; /* NULL = none */
	struct top top;
};

/* --- agent.c --- */
/* Runs until a signal, "leave" or a lasting refusal of the lease.  The process's exit status. */
int agent_run(const struct config *config, bool keep_db);
void agent_dp_config(const struct config *config, struct skep_ip address, struct dp_config *out);

/* --- membership.c --- */
void membership_start(struct agent *a); /* asks for the lease of our name */
void membership_tick(struct agent *a, uint64_t now_ns);
void membership_publish(struct agent *a, uint64_t now_ns); /* what waits or has to be said again */
void membership_stop_soon(struct agent *a); /* when the DB has had time to hear the last words */
/* Withdraws the host from the DB and stops the loop; then removes its datapath and calls back. */
void membership_leave(struct agent *a, void (*done)(void *arg, const struct err *err), void *arg);
void membership_tick_leave(struct agent *a, uint64_t now_ns);
void membership_finish_leave(struct agent *a); /* behind the loop */

/* --- hosts.c --- */
int hosts_follow(struct agent *a);
void hosts_publish(struct agent *a); /* our own record: wanted value from address, MTU */
uint32_t hosts_peer(void *agent, const char *name); /* install_env.peer */
/* Can a packet to the host carry this key of a local port as its mark? */
bool hosts_marks(const struct agent *a, uint32_t peer, uint32_t key);
struct host *hosts_find(const struct agent *a, const char *name); /* NULL: no such host */
bool hosts_silent(const struct agent *a, const char *name); /* its skepd did not acknowledge lately, or nobody knows it */
const char *hosts_name(const struct agent *a, uint32_t peer); /* NULL: no such host */
uint32_t hosts_mtu(const struct agent *a, const char *name); /* IP packets of machines that fit; 0 = not known */
void hosts_path(struct agent *a, uint32_t peer); /* other packets fit than before; 0 = to all */
uint32_t hosts_encap_size(const struct agent *a); /* the largest of all tunnels, both ways */
void hosts_fini(struct agent *a);

/* --- tenant.c --- */
struct tenant *tenant_find(const struct agent *a, const char *name);
int tenant_follow(struct agent *a, const char *name);
void tenant_free(struct tenant *t); /* its ports are detached */
void tenants_fini(struct agent *a); /* memory only: at exit, the kernel keeps what it has */
/* Brings the snapshot, and ports, in line with the records before the loop waits again.  _record: of one is known that it changed, and which. */
void tenant_changed(struct tenant *t);
void tenant_changed_record(struct tenant *t, const char *path);
void tenant_invalidate(struct tenant *t, const struct topo_tag *tag);
/* whereabouts.c: the port that is live on the host with this tunnel key; "" = none that is known. */
const char *tenant_port_at(struct tenant *t, const char *host, uint32_t key);
void whereabouts_fini(struct tenant *t);
/* Have all tenants that the registry names been loaded? */
bool tenants_loaded(const struct agent *a);

/* --- ports.c --- */
void ports_iface(struct agent *a, const char *name, uint32_t ifindex);
/* Brings the local ports in line with the tenant's snapshot.  True: what the tenant's live records
 * should say has changed. */
bool ports_sync(struct tenant *t);
/* The same, of the ports that have records among 'changed' (keys). */
bool ports_sync_some(struct tenant *t, const json_t *changed);
/* The tenant's records with our own live records as they should be; one of them (NULL = there is none): new reference. */
json_t *ports_overlay(struct tenant *t);
json_t *ports_overlaid(void *tenant, const char *path);
void ports_forget(struct tenant *t); /* the tenant goes */
struct lport *ports_find(const struct agent *a, uint32_t key);
struct lport *ports_find_name(const struct tenant *t, const char *name);
bool ports_output(void *agent, uint32_t key, uint32_t *ifindex, bool *peer); /* install_env.local */
void ports_fini(struct agent *a);

/* --- police.c --- */
void ports_police(struct lport *p, const struct topo_port *port); /* in line with its QoS policy */
void ports_unpolice(struct lport *p);				   /* the port goes */
uint32_t ports_policer(void *agent, uint32_t key);		   /* install_env.police */

/* --- keys.c --- */
void keys_adopt(struct agent *a); /* the ports that the kernel has */
/* A key for a port that is now bound here; 0 = none is left. */
uint32_t keys_for_port(struct tenant *t, const char *name, const char *interface);
uint32_t keys_for_flood(struct tenant *t,
			const char *port); /* of the group that 'port' belongs to */
/* Our own live record of a port, from the DB; NULL = none. */
const json_t *keys_own_live(const struct tenant *t, const char *port);
void keys_adoption_end(
	struct agent *a); /* when all tenants are loaded: detaches what nobody claimed */
void keys_fini(struct agent *a);

/* --- floods.c --- */
/* The group of the bridge, made when there is none.  'port': its first member.  NULL: no memory, no
 * key. */
struct flood *floods_get(struct tenant *t, const char *bridge, const char *port);
void floods_put(struct tenant *t, struct flood *f); /* a member leaves; takes NULL */
void floods_sync(struct tenant *t);		    /* writes the members of each changed group */

/* --- forward.c --- */
/* Does 'now', which holds for 'pkt', do what the flow would that is made of this result?  Uses the agent's arena. */
bool forward_same(struct agent *a, const struct pkt *pkt, const struct sim_result *res,
		  const struct skep_flow *now);

/* --- answers.c --- */
struct work;
/* upcall.c: the packet was simulated, with this result, and has gone: if it was a question with an answer, the kernel has that from now on.
 * Overwrites the result. */
void answers_asked(struct work *w, const struct sim_result *res);
bool answers_still_right(struct agent *a, struct index_flow *f); /* would it be answered so today?  Then it has the tags of today */
void answers_gone(struct agent *a, struct index_flow *f); /* it leaves the index */
void answers_forget(struct lport *p); /* the port is detached */
/* Judges those of an earlier skepd; as dp_flows_step(). */
int answers_adopt_step(struct agent *a, struct dp_cursor *c);

/* --- conns.c --- */
int conns_init(struct tenant *t); /* 0 or -ENOMEM */
void conns_fini(struct tenant *t);
/* What every simulation of this tenant's packets looks at: tables, connections, MTUs. */
struct conns_view {
	struct sim_state_view s; /* s.view */
	struct tenant *tenant;
	bool fresh; /* the caller's: the packet may change its connection: what the kernel has seen of it counts */
	const struct topo_port *in; /* the caller's to set: whom DHCP and RA tell what the underlay carries; NULL = nobody */
};
void conns_view(struct tenant *t, struct conns_view *v, uint64_t now_ns);
/*
 * upcall.c: the packet is about to be sent (or refused) as 'res' says: records are made, refreshed and ended, here and, by messages that
 * leave before the packet, on other hosts.  Returns enum sim_conns_change: NEW: simulate again before a flow is installed;
 * FULL: no room, drop it (SKEP_DROP_CONN_LIMIT).  Besides, CONNS_HELD: the packet waits until others know (hold.h); CONNS_UNTOLD: drop it.
 */
enum conns_told { CONNS_HELD = 1 << 16, CONNS_UNTOLD = 1 << 17 };
unsigned int conns_commit(struct tenant *t, const struct sim_result *res, const struct pkt *pkt);
/* upcall.c: a flow for the class of the result's connection is about to be installed: the kernel's record says where its other end is now. */
void conns_place(struct tenant *t, const struct sim_result *res);
/* The kernel's flow has seen packets since the last walk. */
void conns_flow_seen(struct tenant *t, struct lport *p, const struct index_flow *f, uint8_t tcp_seen);
/* The same of a flow that an earlier skepd left, since when is not known.  Others are told by its next packets, when all are there again. */
void conns_flow_adopted(struct tenant *t, struct lport *p, const struct index_flow *f, uint8_t tcp_seen);
void conns_port_up(struct lport *p);	  /* bound here: its records are fetched */
void conns_port_gone(struct lport *p);	  /* no longer bound here */
void conns_tick(struct tenant *t, uint64_t now_ns);
/* What that left to do, until 'until_ns'; true: there is more. */
bool conns_expire_some(struct agent *a, uint64_t until_ns);
/* Of another host, or of the DB. */
bool conns_remote_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns); /* false: no room */
void conns_remote_end(struct tenant *t, const char *port, const struct sim_tuple *tuple);
/* Ends a local record's connection at both ends. */
void conns_end(struct tenant *t, const struct sim_conn *conn);
/* Largest IP packet that gets through to other hosts; 0 = not known. */
uint32_t conns_underlay_mtu(const struct agent *a); /* IP packets of machines that fit whatever host they go to */
bool conns_port_here(void *tenant, const char *port);
const struct skep_timeouts *conns_timeouts(const struct tenant *t);

/* --- conns_kernel.c: the records in the kernel's table, which outlive skepd --- */
void conns_persist(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns);
void conns_unpersist(struct tenant *t, const char *port, const struct sim_tuple *tuple);
void conns_adopt(struct agent *a);	/* at start: what an earlier skepd left */
void conns_adopt_end(struct agent *a);	/* nobody else will claim any */
unsigned int conns_adopt_port(struct lport *p); /* puts those of the port; their number */
/* conns.c: the kernel's record is over. */
void conns_over(struct tenant *t, const char *port, const struct sim_tuple *tuple);
/* conns.c: the kernel's record is in our table now, as it was 'last_ns'; the DB gets it when there is something to say. */
void conns_imported(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns, bool fresh);
void conns_retell(struct tenant *t, const struct sim_conn *conn); /* a translation rides along with its packets, but not with this one */
void conns_settle(struct tenant *t, const struct sim_conn *c); /* conns_kernel.c: the other end knows of it: nothing has to ride along */
void conns_newconn(struct agent *a, const struct skep_conn_key *key, const struct skep_nat *unknown); /* dp_ops.newconn */
void conns_kernel_tick(struct agent *a);
/* Has the kernel a record that is not over?  Then skepd has it now.  _all: all that there are. */
bool conns_pull(struct tenant *t, const char *port, const struct sim_tuple *tuple);
void conns_pull_all(struct agent *a);
/* Those that BPF has made since skepd last looked, for a millisecond. */
void conns_pull_new(struct agent *a);
/* What the kernel has seen of a connection since then too; false: it is over. */
bool conns_now(struct tenant *t, struct sim_conn *c, uint64_t *last_ns);
/* conn_record.c: the tuple of a flow's packets; false: they belong to no connection. */
bool conns_tuple(const struct dp_flow_key *key, struct sim_tuple *tuple);

/* --- tell.c --- */
bool tell_needed(struct tenant *t, const struct sim_conn *c); /* does the connection concern other hosts? */
const char *tell_host(struct tenant *t, const struct sim_conn *c); /* of its other end; NULL = this one */
/* Shall this packet of the connection be marked, so that the kernel of the other end's host makes the record there (docs/datapath.md)? */
bool tell_marks(struct tenant *t, const struct sim_conn *c, const struct sim_result *res, const struct pkt *pkt);
/* May packets of the port make us tell others something now?  Charged behind, for what they were told.  NULL: always. */
bool tell_shares(const struct topo_port *port); /* its records are at other ports too: stateful port groups */
bool tell_may(const struct lport *p, uint64_t now_ns);
void tell_charge(struct lport *p, uint64_t messages, uint64_t now_ns);

/* --- state.c: to the agents of other hosts --- */
#define STATE_PENDING_MAX 8192 /* further ones are sent once */
int state_init(struct agent *a);
void state_fini(struct agent *a);
/* Gathers; state_flush() sends: to be called before the packet leaves. */
void state_put(struct tenant *t, const char *host, const struct sim_conn *conn);
void state_end(struct tenant *t, const char *host, const char *port, const struct sim_tuple *tuple);
void state_flush(struct agent *a);

/* seen.c: the tenant's records are in force here */
void seen_done(struct tenant *t);
void state_hold(struct agent *a, uint32_t hold); /* what is said from here on is waited for as hold.h says; 0 = no longer */
/* A connection of a port that is here has been ended here: messages that were under way do not bring it back. */
void state_ended(struct tenant *t, const struct sim_conn *conn);
uint32_t state_unacked(const struct agent *a); /* messages that are not acknowledged yet, of at most STATE_PENDING_MAX */
void state_received(struct agent *a, const uint8_t *data, uint32_t len); /* dp_ops.control */

/* --- mirror.c: records of local ports in the state DB --- */
int mirror_init(struct tenant *t);
void mirror_fini(struct tenant *t);
void mirror_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns);
void mirror_del(struct tenant *t, const char *port, const struct sim_tuple *tuple);
void mirror_fetch(struct tenant *t, const char *port);
void mirror_tick(struct tenant *t);

/* --- natblock.c --- */
int natblock_init(struct tenant *t);
void natblock_fini(struct tenant *t);
/* upcall.c: SIM_NEED_SNAT: what to park for (PARK_SNAT); asks for a block of ports. */
struct park_what natblock_ask(struct tenant *t, const struct sim_snat *ask);
void natblock_record(struct tenant *t, const char *path, const json_t *record);
void natblock_tick(struct tenant *t, uint64_t now_ns);
void natblock_leave(struct tenant *t); /* the host leaves: gives all back */

/* --- rules.c --- */
int rules_init(struct tenant *t);
void rules_fini(struct tenant *t);
/* upcall.c: a packet was simulated and is sent or dropped: counts and reports the rules it matched. */
void rules_packet(struct tenant *t, const struct topo_port *in, const struct sim_result *res, const struct pkt *pkt);
/* forward.c: behind index_add(): the flow counts for these rules from now on. */
void rules_flow(struct tenant *t, struct index_flow *f, const struct sim_result *res);
void rules_again(struct tenant *t, struct index_flow *f, const struct sim_result *res); /* simulated again */
/* The flow has carried so much more. */
void rules_count(struct index_flow *f, uint64_t packets, uint64_t bytes);
bool rules_carried(struct index_flow *f, const struct skep_flow *now); /* what the kernel has counted since it was last asked; false: nothing */
void rules_drop(struct index_flow *f); /* the flow goes */
json_t *rules_report(struct tenant *t, const char *chain, json_t *list);

/* --- recheck.c --- */
int recheck_init(struct agent *a);
void recheck_fini(struct agent *a);
/* Marks the flows that carry the tag: each is simulated again soon, and goes if the outcome is another. */
void recheck_tag(struct tenant *t, const struct topo_tag *tag);
/* Policy has changed: the tenant's connections are to be admitted again. */
void recheck_policy(struct tenant *t);
void recheck_forget(struct tenant *t); /* the tenant goes */
/* The steps of a packet of the flow, as it would be simulated now: as of sim_trace_json().  NULL: such a packet cannot be had, or no memory. */
json_t *recheck_trace(struct agent *a, const struct index_flow *f);

/* --- advertise.c --- */
void advertise_port(struct lport *p, const struct topo_port *port); /* in line with its bridge's subnets */
void advertise_tick(struct agent *a, uint64_t now_ns);

/* --- upcall.c --- */
void upcall_packet(struct agent *a, uint32_t in_key, enum skep_upcall_why why,
		   struct dp_frame *frame);
void upcall_done(struct agent *a);
void upcall_tick(
	struct agent *a); /* asks neighbours again, gives up on packets that waited too long */
/* Runs the packets whose wait is over.  Not from within upcall_packet(). */
void upcall_drain(struct agent *a);
/* Simulates what the adopted flow's key stands for; false = not to be kept. */
bool upcall_readopt(struct agent *a, const struct dp_flow_key *key, const struct skep_flow *flow);
void upcall_flush(struct agent *a); /* queued flow installations; forward.c */
void upcall_event(struct agent *a, const struct skep_event *event);
/* Counts and reports a packet that skepd dropped. */
void upcall_drop(struct agent *a, enum skep_drop reason, uint32_t in_key,
		 const struct dp_frame *frame, const char *culprit);

/* --- learn.c --- */
/* The result's learns and neighbours into the tables, the DB and the parked packets. */
void learn_result(struct tenant *t, const struct sim_result *res);
/* A "mac/" or "neigh/" record of the DB; NULL = deleted. */
void learn_record(struct tenant *t, const char *path, const json_t *record);
bool learn_is_path(const char *path);
void learn_age(struct tenant *t);
void learn_affinity(struct tenant *t, const struct sim_affinity_learn *l); /* publishes it */
void learn_age_affinities(struct tenant *t, uint64_t now_ns);

/* --- expiry.c --- */
/* Begins a walk, or goes on with the present one: a turn at once, the others between packets.  Each end is told to control_walked(). */
void expiry_walk(struct agent *a);
void expiry_walk_all(struct agent *a); /* to the end, now */
void expiry_fini(struct agent *a);

/* --- control_server.c: an answer that is long: {NAME: [rows], REST}, made in turns between packets, and no faster than it is read --- */
struct report_rows {
	const char *name;
	bool (*some)(struct report_rows *r, json_t *list); /* appends the few that the next step finds; false: that was the last */
	json_t *(*rest)(struct report_rows *r);		   /* what stands behind the list */
	void (*free)(struct report_rows *r);
};

/* --- report_pressure.c --- */
json_t *report_pressure(const struct agent *a, const json_t *datapath);
void report_port_pressure(const struct lport *p, json_t *out);

/* --- report.c --- */
json_t *report_status(const struct agent *a);
json_t *report_drop(struct agent *a, uint64_t time_ns, enum skep_drop reason, uint32_t key,
		    const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		    const struct skep_ip *remote);

/* --- report_flows.c --- */
struct report_rows *report_flows(struct agent *a, const json_t *request, struct err *err);
json_t *report_flush(struct agent *a, const char *tenant, const char *port, struct err *err);
/* What the index and the kernel know of a flow. */
json_t *report_flow(struct agent *a, const struct index_flow *x, const struct skep_flow *flow);

/* --- report_mask.c --- */
/* Of a wildcard flow: the fields that it looks at, as sim_mask_format() prints them, and "ct"; the packets that it is for.  false: it has an exact key. */
bool report_mask(const struct agent *a, const struct dp_flow_key *key, char *mask, char *match,
		 size_t size);
/* May packets that the flow, of either kind, is for be among those that are wished? */
bool report_meets(const struct agent *a, const struct dp_flow_key *key, const struct flow_wish *wish);

/* --- report_top.c --- */
json_t *report_top(struct agent *a, const json_t *request, struct err *err);

/* --- ask.c: questions about packets that nobody has sent --- */
json_t *report_trace(struct agent *a, const json_t *request, struct err *err);
json_t *report_why(struct agent *a, const json_t *request, struct err *err);

/* --- report_state.c --- */
struct report_rows *report_conns(struct agent *a, const json_t *request, struct err *err);
json_t *report_rules(struct agent *a, const char *tenant, const char *chain, struct err *err);

/* --- control_server.c --- */
struct control_server *control_server_new(struct agent *a, const char *path, struct err *err);
void control_server_free(struct control_server *s);	    /* takes NULL */
bool control_watched(const struct control_server *s);	    /* does anybody watch drops? */
void control_drop(struct control_server *s, json_t *event); /* takes 'event' */
void control_topped(struct control_server *s); /* the ports have been sampled */
void control_walked(struct control_server *s); /* a walk over the flows has ended */
bool control_log_watched(const struct control_server *s);
void control_log(struct control_server *s, json_t *event); /* takes 'event' */
