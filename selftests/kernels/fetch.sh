# SPDX-License-Identifier: Apache-2.0
# For ./run and ../systemd/run: Debian's kernels and, where the machine's own QEMU is too old, its QEMU, unpacked below $dir.  The machine's lists of packages and
# its installed packages stay as they are: apt works on a configuration and lists of its own.  shellcheck shell=bash

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
qemu_min=10 # 7.2 lets one in five boots of 6.12 panic

apt_own() { # COMMAND...: apt with bookworm, its security updates and its backports only
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$dir/apt/lists" \
		-o Dir::Cache="$dir/apt/cache" -o APT::Sandbox::User=root "$@"
}

apt_sources() { # 'SUITE ADDRESS' a line: where this machine has Debian's own packages from
	apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' | awk '$3 == "main" && $2 ~ /debian(-security)?\/?$/ { print $1, $2 }'
}

apt_setup() { # lists that are a day old will do; without network, so will older ones
	[ "$(dpkg --print-architecture)" = amd64 ] || { echo "$me: only for amd64, this is $(dpkg --print-architecture)" >&2; return 1; }
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/debs"
	[ -n "$(find "$dir/apt/updated" -mtime -1 2>/dev/null)" ] && return
	local main security
	main=$(apt_sources | awk '$1 !~ /-/ { print $2; exit }')
	security=$(apt_sources | awk '$1 ~ /-security$/ { print $2; exit }')
	[ -n "$main" ] && [ -n "$security" ] ||
		{ echo "$me: the sources of this machine's apt have no ${main:+security updates of }Debian: where are its packages?" >&2; return 1; }
	for suite in "$main bookworm" "$main bookworm-backports" "$security bookworm-security"; do
		echo "deb [signed-by=$keyring] $suite main"
	done >"$dir/apt/sources.list"
	if apt_own apt-get -o APT::Update::Error-Mode=any update >"$dir/apt/log" 2>&1; then
		touch "$dir/apt/updated"
	elif [ ! -e "$dir/apt/updated" ]; then
		cat "$dir/apt/log" >&2
		return 1
	fi
}

unpack() { # PACKAGE[/SUITE] FOLDER: adds it to the folder
	(cd "$dir/debs" && rm -f -- "${1%%/*}"_*.deb && apt_own apt-get download "$1" >"$dir/apt/log" 2>&1) && dpkg-deb -x "$dir/debs/${1%%/*}"_*.deb "$2" ||
		{ cat "$dir/apt/log" >&2; echo "$me: cannot get '$1'" >&2; return 1; }
	rm -f -- "$dir/debs/${1%%/*}"_*.deb
}

kernels_there() { # 'SERIES PACKAGE' a line: the oldest series and the newest, the latest package of each
	apt_own apt-cache pkgnames linux-image- | grep -E '^linux-image-[0-9].*-cloud-amd64$' | sort -V |
		sed -E 's/^linux-image-([0-9]+\.[0-9]+).*/\1 &/' | awk '{ last[$1] = $0; if (!n || $1 != s[n]) s[++n] = $1 } END { print last[s[1]]; if (n > 1) print last[s[n]] }'
}

kernel_get() { # PACKAGE: its folder is $dir/PACKAGE, with the package's version in the file 'version'
	[ -s "$dir/$1/version" ] && return
	rm -rf "${dir:?}/$1.new" "${dir:?}/$1"
	echo "  GET      $1"
	unpack "$1" "$dir/$1.new" || return
	apt_own apt-cache show "$1" | sed -n 's/^Version: //p' | head -n 1 >"$dir/$1.new/version"
	mv "$dir/$1.new" "$dir/$1"
}

qemu_get() { # sets 'qemu', a command
	local version=0
	qemu=(qemu-system-x86_64)
	version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
	[ "${version:-0}" -ge $qemu_min ] && return
	if [ ! -x "$dir/qemu/usr/bin/qemu-system-x86_64" ]; then
		rm -rf "$dir/qemu.new" "$dir/qemu"
		echo "  GET      qemu of Debian's backports: $(qemu-system-x86_64 --version 2>/dev/null | head -n 1) is too old"
		local p
		for p in qemu-system-x86 qemu-system-data seabios; do
			unpack "$p/bookworm-backports" "$dir/qemu.new" || return
		done
		mv "$dir/qemu.new" "$dir/qemu"
	fi
	qemu=("$dir/qemu/usr/bin/qemu-system-x86_64" -L "$dir/qemu/usr/share/qemu" -L "$dir/qemu/usr/share/seabios")
}
