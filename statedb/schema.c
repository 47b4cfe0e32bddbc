// SPDX-License-Identifier: Apache-2.0
/*
 * Every key's name and every script.  A script runs alone in the server, so it is one atomic
 * change; it tests everything it may fail on before its first write.  Records are JSON text that
 * Lua never re-encodes (cjson would turn [] into {} and round large integers): a revision is put in
 * front of the first member as text, so all records are written with "rev" first.  Called by
 * space.c, watch.c, lease.c, db.c.
 */
#include "statedb/schema.h"

#include <stdio.h>
#include <string.h>

#include "statedb/slots.h"
#include "statedb/statedb.h"

const char *schema_space_key(char buf[static DB_KEY], unsigned int shard, const char *space,
			     enum space_key which)
{
	static const char *const suffix[SPACE_KEY_MAX] = { "o", "rev", "crev", "log", "audit", "audit:kept", "audit:sizes" };

	if (shard == DB_SHARD_HOSTS)
		snprintf(buf, DB_KEY, "skep:{hosts}:%s", suffix[which]);
	else
		snprintf(buf, DB_KEY, "skep:{s%02u}:t:%.*s:%s", shard, DB_NAME_MAX, space,
			 suffix[which]);
	return buf;
}

const char *schema_stash_key(char buf[static DB_KEY], unsigned int shard, const char *space,
			     const char *name)
{
	if (shard == DB_SHARD_HOSTS)
		snprintf(buf, DB_KEY, "skep:{hosts}:stash:%.*s", DB_NAME_MAX, name);
	else
		snprintf(buf, DB_KEY, "skep:{s%02u}:t:%.*s:stash:%.*s", shard, DB_NAME_MAX, space,
			 DB_NAME_MAX, name);
	return buf;
}

const char *schema_lease_key(char buf[static DB_KEY], const char *name)
{
	snprintf(buf, DB_KEY, "skep:{hosts}:lease:%.*s", DB_NAME_MAX, name);
	return buf;
}

unsigned int schema_new_shard(const char *space)
{
	return slot_crc16(space, strlen(space)) % DB_SHARDS;
}

bool schema_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > DB_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	return true;
}

static const char *const scripts[SCRIPT_MAX] = {
	[SCRIPT_SCHEMA] = "local v = redis.call('GET', KEYS[1])\n"
			  "if not v then redis.call('SET', KEYS[1], ARGV[1]); v = ARGV[1] end\n"
			  "return v\n",
	[SCRIPT_REGISTER] = "redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])\n"
			    "return redis.call('HGET', KEYS[1], ARGV[1])\n",
	[SCRIPT_READ] =
		"local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)\n"
		"return { redis.call('GET', KEYS[2]) or '0', redis.call('GET', KEYS[3]) or '0',\n"
		"	last[1] and last[1][1] or '0-0', redis.call('HGETALL', KEYS[1]) }\n",
	/* A commit that was applied, but whose answer was lost, is recognized by its id in the
	   stream when it is sent again. */
	[SCRIPT_WRITE] =
		"local rev = tonumber(redis.call('GET', KEYS[2]) or '0')\n"
		"local crev = tonumber(redis.call('GET', KEYS[3]) or '0')\n"
		"local config, owner = ARGV[1] ~= '', ARGV[3]\n"
		"redis.call('HLEN', KEYS[1])\n"
		"redis.call('XLEN', KEYS[4])\n"
		"local audits = tonumber(ARGV[5])\n"
		"if audits > 0 then redis.call('XLEN', KEYS[5]); redis.call('XLEN', KEYS[6]); redis.call('HLEN', KEYS[7]) end\n"
		"if config and crev ~= tonumber(ARGV[1]) then\n"
		"	for _, e in ipairs(redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 64)) do\n"
		"		local f = e[2]\n"
		"		if f[6] == ARGV[2] then return { 1, tonumber(f[2]), tonumber(f[4]) } end\n"
		"	end\n"
		"	return { 0, rev, crev }\n"
		"end\n"
		"local marks = #KEYS - (audits > 0 and 7 or 4)\n"
		"local last, first = #ARGV - 3 * marks, #KEYS - marks\n"
		"for i = 1, marks do\n"
		"	if redis.call('HGET', KEYS[first + i], 'owner') ~= ARGV[last + 3 * i - 2] then return { -1, rev, crev } end\n"
		"end\n"
		"local r = string.format('%.0f', rev + 1)\n"
		"local set, del, log = {}, {}, {}\n"
		"for i = audits > 0 and 10 + 4 * audits or 6, last, 2 do\n"
		"	local path, json = ARGV[i], ARGV[i + 1]\n"
		"	if json ~= '' then\n"
		"		json = '{\"rev\":' .. r .. (json == '{}' and '}' or ',' .. string.sub(json, 2))\n"
		"		set[#set + 1] = { path, json }\n"
		"	else\n"
		"		local old = redis.call('HGET', KEYS[1], path)\n"
		"		if old and owner ~= '' then\n"
		"			local ok, t = pcall(cjson.decode, old)\n"
		"			if ok and type(t) == 'table' and t.host and t.host ~= owner then old = nil end\n"
		"		end\n"
		"		if old then del[#del + 1] = path; json = 'null' else json = nil end\n"
		"	end\n"
		"	if json then log[#log + 1] = cjson.encode(path) .. ':' .. json end\n"
		"end\n"
		"if #log == 0 then return { 1, rev, crev } end\n"
		"if config then crev = crev + 1 end\n"
		"local c = string.format('%.0f', crev)\n"
		"local entry = { 'rev', r, 'crev', c, 'id', ARGV[2], 'changes', '{' .. table.concat(log, ',') .. '}' }\n"
		"if audits > 0 and ARGV[9] ~= '' then entry[9], entry[10] = 'traces', ARGV[9] end\n"
		"redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', unpack(entry))\n"
		"redis.call('SET', KEYS[2], r)\n"
		"redis.call('SET', KEYS[3], c)\n"
		"for _, s in ipairs(set) do redis.call('HSET', KEYS[1], s[1], s[2]) end\n"
		"for _, p in ipairs(del) do redis.call('HDEL', KEYS[1], p) end\n"
		"if audits > 0 then\n"
		"	local keep, bytes = tonumber(ARGV[6]), tonumber(ARGV[7])\n"
		"	local each, share, part = math.floor(bytes / keep), bytes / 32, math.max(1, math.floor(bytes / 64))\n"
		"	local function size(f) return #f[6] + #f[8] + #f[10] end\n"
		"	local function oldest(k, to) return redis.call('XRANGE', k, '-', to, 'COUNT', 1)[1] end\n"
		"	local function sum_of(k)\n"
		"		local e = redis.call('XREVRANGE', k, '+', '-', 'COUNT', 1)[1]\n"
		"		return e and tonumber(e[2][12]) or 0\n"
		"	end\n"
		/* what was pushed out by others is kept for longer; who takes most of the place pushes out its own */
		"	local function remove(e, may_keep)\n"
		"		local f, whose, has = e[2], e[2][14] or '', 0\n"
		"		if whose ~= '' then\n"
		"			has = redis.call('HINCRBY', KEYS[7], whose, -size(f) - each) + size(f) + each\n"
		"			if has <= size(f) + each then redis.call('HDEL', KEYS[7], whose) end\n"
		"		end\n"
		"		redis.call('XDEL', KEYS[5], e[1])\n"
		"		if not may_keep or has > share then return end\n"
		"		local sum = sum_of(KEYS[6]) + size(f)\n"
		"		f[12] = string.format('%.0f', sum)\n"
		"		redis.pcall('XADD', KEYS[6], 'MAXLEN', math.ceil(keep / 4), e[1], unpack(f))\n"
		"		local crossed = math.floor(sum / part) ~= math.floor((sum - size(f)) / part)\n"
		"		for i = 1, crossed and 1000 or 0 do\n" /* as below */
		"			local k = oldest(KEYS[6], '+')\n"
		"			if not k or sum - tonumber(k[2][12]) < bytes / 4 then break end\n"
		"			redis.call('XDEL', KEYS[6], k[1])\n"
		"		end\n"
		"	end\n"
		/* so that no key is missing while its slot is being moved */
		"	if redis.call('EXISTS', KEYS[6]) == 0 then redis.call('XDEL', KEYS[6], redis.call('XADD', KEYS[6], '0-1', 'x', '')) end\n"
		"	redis.call('HSETNX', KEYS[7], '', 0)\n"
		"	local sum = sum_of(KEYS[5])\n"
		"	local before = math.floor(sum / part)\n"
		"	for i = 10, 9 + 4 * audits, 4 do\n"
		"		local n = #ARGV[i] + #ARGV[i + 1] + #ARGV[i + 2]\n"
		"		sum = sum + n\n"
		"		redis.call('XADD', KEYS[5], '*', 'rev', r, 'crev', c, 'meta', ARGV[i], 'objects', ARGV[i + 1], 'changes', ARGV[i + 2],\n"
		"			'sum', string.format('%.0f', sum), 'whose', ARGV[i + 3])\n"
		"		if ARGV[i + 3] ~= '' then redis.call('HINCRBY', KEYS[7], ARGV[i + 3], n + each) end\n"
		"	end\n"
		"	local past = tonumber(redis.call('TIME')[1]) * 1000 - tonumber(ARGV[8])\n"
		"	if past > 0 then redis.call('XTRIM', KEYS[6], 'MINID', string.format('%.0f', past)) end\n"
		"	for i = 1, past > 0 and 1000 or 0 do\n"
		"		local e = oldest(KEYS[5], string.format('(%.0f', past))\n"
		"		if not e then break end\n"
		"		remove(e, false)\n"
		"	end\n"
		"	for i = 1, math.min(1000, redis.call('XLEN', KEYS[5]) - keep) do remove(oldest(KEYS[5], '+'), true) end\n"
		/* the oldest may be large: looked at once for each 64th part of what may be kept */
		"	for i = 1, math.floor(sum / part) ~= before and 1000 or 0 do\n"
		"		local e = oldest(KEYS[5], '+')\n"
		"		if not e or sum - tonumber(e[2][12]) < bytes then break end\n"
		"		remove(e, true)\n"
		"	end\n"
		"end\n"
		"for i = 1, marks do\n"
		"	redis.call('HSET', KEYS[first + i], 'crev', c, 'status', ARGV[last + 3 * i - 1])\n"
		"	redis.call('EXPIRE', KEYS[first + i], ARGV[last + 3 * i])\n"
		"end\n"
		"return { 1, rev + 1, crev }\n",
	/* One that was applied, but whose answer was lost, finds its own record when it is sent again. */
	[SCRIPT_CLAIM] =
		"local rev = tonumber(redis.call('GET', KEYS[2]) or '0')\n"
		"local crev = tonumber(redis.call('GET', KEYS[3]) or '0')\n"
		"local old = redis.call('HGET', KEYS[1], ARGV[4])\n"
		"redis.call('XLEN', KEYS[4])\n"
		"local rest = ARGV[5] == '{}' and '}' or ',' .. string.sub(ARGV[5], 2)\n"
		"local was = old and string.match(old, '^{\"rev\":(%d+)') or '0'\n"
		"if old and string.gsub(old, '^{\"rev\":%d+', '') == rest then return { 1, tonumber(was), crev } end\n"
		"if was ~= ARGV[1] then return { 0, rev, crev } end\n"
		"local r = string.format('%.0f', rev + 1)\n"
		"local json = '{\"rev\":' .. r .. rest\n"
		"redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[3], '*', 'rev', r, 'crev',\n"
		"	string.format('%.0f', crev), 'id', ARGV[2],\n"
		"	'changes', '{' .. cjson.encode(ARGV[4]) .. ':' .. json .. '}')\n"
		"redis.call('SET', KEYS[2], r)\n"
		"redis.call('HSET', KEYS[1], ARGV[4], json)\n"
		"return { 1, rev + 1, crev }\n",
	/* Few at a time where entries are large, so that what is looked through need not be in memory at once. */
	[SCRIPT_AUDIT] =
		"local out, at, count, seen, bytes, step, key = {}, ARGV[1], tonumber(ARGV[2]), 0, 0, 4, 1\n"
		"while #out < count and seen < 1000 and bytes < 4194304 do\n"
		"	local before = bytes\n"
		"	local list = redis.call('XREVRANGE', KEYS[key], at, '-', 'COUNT', step)\n"
		"	if #list == 0 then\n"
		"		if key == 2 then return { '', out } end\n"
		"		key = 2\n" /* all that is there is older */
		"	end\n"
		"	for _, e in ipairs(list) do\n"
		"		local f = e[2]\n"
		"		if #out == count then break end\n"
		"		at = '(' .. e[1]\n"
		"		seen, bytes = seen + 1, bytes + #f[8] + #f[10]\n"
		"		if (ARGV[3] == '' or string.find(f[8], ARGV[3], 1, true)) and\n"
		"		   (ARGV[4] == '' or string.find(f[6], ARGV[4], 1, true)) then\n"
		"			out[#out + 1] = { e[1], f[2], f[4], f[6], string.sub(f[8], 1, 2048) }\n"
		"		end\n"
		"	end\n"
		"	if #list > 0 then step = math.max(1, math.min(64, 2 * step, math.floor(262144 * #list / (bytes - before + 1)))) end\n"
		"end\n"
		"if #redis.call('XREVRANGE', KEYS[1], at, '-', 'COUNT', 1) + #redis.call('XREVRANGE', KEYS[2], at, '-', 'COUNT', 1) == 0 then at = '' end\n"
		"return { at, out }\n",
	[SCRIPT_AUDIT_GET] = "local e = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])\n"
			     "return #e > 0 and e or redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])\n",
	[SCRIPT_STASH] =
		"for i = 2, #ARGV, 3 do\n"
		"	local k = KEYS[tonumber(ARGV[i])]\n"
		"	if ARGV[i + 2] ~= '' then redis.call('HSET', k, ARGV[i + 1], ARGV[i + 2])\n"
		"	else redis.call('HDEL', k, ARGV[i + 1]) end\n"
		"end\n"
		"for _, k in ipairs(KEYS) do redis.call('EXPIRE', k, ARGV[1]) end\n"
		"return 1\n",
	[SCRIPT_UNSTASH] = "return redis.call('HGETALL', KEYS[1])\n",
	[SCRIPT_DROP] = "return redis.call('DEL', unpack(KEYS))\n",
	/* What is not in the set of those reserved has lapsed with it, whatever is there still.  An owner that asks again, for the answer was lost, is answered as before. */
	[SCRIPT_RESERVE] =
		"local f = redis.call('HGETALL', KEYS[1])\n"
		"if #f > 0 and redis.call('ZSCORE', KEYS[2], ARGV[1]) then\n"
		"	for i = 1, #f, 2 do if f[i] == 'owner' and f[i + 1] == ARGV[2] then return { 1 } end end\n"
		"	return { 0, f }\n"
		"end\n"
		"local now = tonumber(redis.call('TIME')[1])\n"
		"redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)\n"
		"if not redis.call('ZSCORE', KEYS[2], ARGV[1]) and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then return { 2 } end\n"
		"redis.call('DEL', KEYS[1])\n"
		"redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'print', ARGV[3])\n"
		"redis.call('EXPIRE', KEYS[1], ARGV[4])\n"
		"redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[5])), ARGV[1])\n"
		"redis.call('EXPIRE', KEYS[2], ARGV[5])\n"
		"return { 1 }\n",
	/* One whose write was done, as the write's own script says, is not free again. */
	[SCRIPT_SETTLE] =
		"if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then return 0 end\n"
		"if #ARGV > 3 then\n"
		"	redis.call('HSET', KEYS[1], unpack(ARGV, 4))\n"
		"	redis.call('EXPIRE', KEYS[1], ARGV[3])\n"
		"elseif redis.call('HEXISTS', KEYS[1], 'status') == 0 then\n"
		"	redis.call('DEL', KEYS[1])\n"
		"	redis.call('ZREM', KEYS[2], ARGV[1])\n"
		"end\n"
		"return 1\n",
	/* A write of state leaves crev as it was: whether one changed configuration is known once the one before it is seen. */
	[SCRIPT_HISTORY] =
		"local from, out, at, seen, bytes, step = tonumber(redis.call('GET', KEYS[2]) or '0'), {}, '+', 0, 0, 4\n"
		"local young\n"
		"while seen < tonumber(ARGV[1]) do\n"
		"	local size = 1\n"
		"	local list = redis.call('XREVRANGE', KEYS[4], at, '-', 'COUNT', step)\n"
		"	if #list == 0 then break end\n"
		"	for _, e in ipairs(list) do\n"
		"		local f = e[2]\n"
		"		at = '(' .. e[1]\n"
		"		seen, size = seen + 1, size + #f[8]\n"
		"		if young and young[4] ~= f[4] then\n"
		"			bytes = bytes + #young[8]\n"
		"			if bytes > tonumber(ARGV[2]) then return { from, out } end\n"
		"			out[#out + 1] = { young[2], young[8] }\n"
		"		end\n"
		"		if young then from = tonumber(f[2]) end\n"
		"		young = f\n"
		"	end\n"
		"	step = math.max(1, math.min(64, 2 * step, math.floor(262144 * #list / size)))\n"
		"end\n"
		"return { from, out }\n",
	[SCRIPT_LEASE] =
		"local o = redis.call('GET', KEYS[1])\n"
		"if o and o ~= ARGV[1] then return { 0, redis.call('PTTL', KEYS[1]), o } end\n"
		"redis.call('SADD', KEYS[2], ARGV[3])\n"
		"redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
		"return { 1, tonumber(ARGV[2]), ARGV[1] }\n",
	[SCRIPT_RELEASE] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
			   "redis.call('SREM', KEYS[2], ARGV[2])\n"
			   "return redis.call('DEL', KEYS[1])\n",
	[SCRIPT_LEASES] = "local out = {}\n"
			  "for _, n in ipairs(redis.call('SMEMBERS', KEYS[1])) do\n"
			  "	if string.sub(n, 1, #ARGV[2]) == ARGV[2] then\n"
			  "		local ms = redis.call('PTTL', ARGV[1] .. n)\n"
			  "		if ms > 0 then out[#out + 1] = n; out[#out + 1] = ms\n"
			  "		else redis.call('SREM', KEYS[1], n) end\n"
			  "	end\n"
			  "end\n"
			  "return out\n",
};

const char *script_text(enum script_id id)
{
	return scripts[id];
}
