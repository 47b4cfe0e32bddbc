# SPDX-License-Identifier: Apache-2.0
# For ./run: the table of kernels of README.md, from the results.  What is supported (the first four columns) is compared; versions and counts
# change with every update, so they are only written.  shellcheck shell=bash

table_begin="<!-- kernels: written by 'make kernels-table' -->"
table_end='<!-- end of kernels -->'

table_of() { # RESULTS: lines 'series compiler loads tests version insns program'
	echo '| kernel | BPF compiler | programs load | their tests pass | last run on | most verified instructions (limit 100 000) |'
	echo '|---|---|---|---|---|---|'
	local series compiler loads tests version insns program
	while read -r series compiler loads tests version insns program; do
		echo "| $series | ${compiler//-/ } | $loads | $tests | $version | $(((insns + 999) / 1000)) 000, \`$program\` |"
	done <"$1"
}

table_now() { # of README.md
	awk -v b="$table_begin" -v e="$table_end" '$0 == e { on = 0 } on; $0 == b { on = 1 }' README.md
}

table_write() { # RESULTS
	grep -qxF "$table_begin" README.md && grep -qxF "$table_end" README.md || { echo 'check-kernels: README.md has no place for the table' >&2; return 1; }
	table_of "$1" >"$1.md"
	awk -v b="$table_begin" -v e="$table_end" -v f="$1.md" '$0 == e { on = 0 } !on; $0 == b { on = 1; while ((getline l < f) > 0) print l }' README.md >"$1.readme" &&
		cat "$1.readme" >README.md
}

table_differs() { # RESULTS: what is supported is not what README.md says; prints how
	! diff <(table_now | cut -d'|' -f2-5) <(table_of "$1" | cut -d'|' -f2-5)
}
