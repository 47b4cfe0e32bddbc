# SPDX-License-Identifier: Apache-2.0
# Sourced by tests that use packages of npm (package.json, by its lock file): installs them below $O, once for each lock file.  Nothing of them is part of
# skep, and nothing is installed into the tree.  shellcheck shell=bash

modules= # the directory node_modules
npm_install() { # 0, or 1 after it has said why
	local sum dir
	command -v node >/dev/null && command -v npm >/dev/null || { echo "# node and npm are needed (Node.js 18 or newer)"; return 1; }
	sum=$(cat selftests/api/package.json selftests/api/package-lock.json | cksum | cut -d' ' -f1)
	dir=$O/npm-api/$sum
	modules=$dir/node_modules
	[ -e "$dir/done" ] && return 0
	mkdir -p "$dir" && cp selftests/api/package.json selftests/api/package-lock.json "$dir" || return 1
	(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 && touch done) && return 0
	echo '# npm ci failed:'
	tail -n 20 "$dir/npm.log" | note
	return 1
}
run_node() { NODE_PATH=$modules node "$@"; }
