# SPDX-License-Identifier: Apache-2.0
# For the checks beside it: the project's own files, and TAP.  Sourced, from any directory.  shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
O=${O:-$PWD/build/san} O_FAST=${O_FAST:-$PWD/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 bad=0

# files GLOB...: paths from the root, of tracked files and of new ones that are not ignored; one a line
files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done
	else
		local g args=()
		for g in "$@"; do args+=(-o -path "./$g"); done
		find . -path './build*' -prune -o -type f \( "${args[@]:1}" \) -print | sed 's|^\./||'
	fi | sort
}

# result FILE-WITH-COMPLAINTS TEXT: one TAP line; each complaint becomes a comment
result() {
	n=$((n + 1))
	if [ -s "$1" ]; then
		echo "not ok $n - $2"
		sed 's/^/# /' "$1"
		bad=1
	else
		echo "ok $n - $2"
	fi
}

skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }

finish() {
	echo "1..$n"
	exit $bad
}
