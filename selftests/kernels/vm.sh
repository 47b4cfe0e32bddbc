# SPDX-License-Identifier: Apache-2.0
# For ./run, and in parts for ../systemd/run: the initramfs of a virtual machine (busybox, iproute2, modules, the tests, their libraries) and the machine.  shellcheck shell=bash

modules='veth udp_tunnel ip6_udp_tunnel vxlan tun sch_ingress cls_bpf'

copy_libs() { # PROGRAM ROOT: the shared libraries that it needs
	local f
	for f in $(ldd "$1" | grep -oE '/[^ ]+'); do
		[ -e "$2$f" ] || install -D "$f" "$2$f"
	done
}

copy_modules() { # KERNEL-FOLDER ROOT
	local tree to m f
	tree=$(echo "$1"/lib/modules/*)
	to=$2/lib/modules/${tree##*/}
	mkdir -p "$to"
	for m in $modules; do
		f=$(find "$tree/kernel" -name "$m.ko" -o -name "$m.ko.xz")
		case $f in
		*.xz) xz -dc "$f" >"$to/$m.ko" ;;
		*.ko) cp "$f" "$to/" ;;
		*) echo "$me: ${tree##*/} has no module '$m'" >&2; return 1 ;;
		esac
	done
	busybox depmod -b "$2" "${tree##*/}"
}

initramfs() { # KERNEL-FOLDER BUILD-FOLDER FILE < TESTS, paths in both the build folder and the machine
	local root=$3.root p t
	rm -rf "$root"
	mkdir -p "$root"/{bin,proc,sys,dev,tmp,skep/selftests}
	copy_modules "$1" "$root" || return
	for p in $(busybox --list) ip tc bpftool ethtool; do
		ln -sf busybox "$root/bin/$p"
	done
	for p in busybox ip tc bpftool ethtool; do
		cp -L --remove-destination "$(command -v $p)" "$root/bin/$p"
		copy_libs "$root/bin/$p" "$root"
	done
	cp -r selftests/sim "$root/skep/selftests/" # scenarios are read at run time
	while read -r t; do
		install -D -s "$2/$t" "$root/skep/$t"
		copy_libs "$2/$t" "$root"
		echo "$t" >>"$root/skep/tests"
	done
	echo "$modules" >"$root/skep/modules"
	install "$here/init" "$root/init"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$3"
	rm -rf "$root"
}

# Sets 'vm', a command: one machine with its console on stdin and stdout.  By TCG, not KVM: that runs everywhere, also where this is a virtual machine itself.
# What the kernel does not know of MORE is in the environment of init.
machine() { # KERNEL-FOLDER INITRAMFS MORE...
	local folder=$1 initrd=$2
	shift 2
	vm=("${qemu[@]}" -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -no-user-config -display none -no-reboot
		-serial "${serial:-stdio}" -kernel "$(echo "$folder"/boot/vmlinuz-*)" -initrd "$initrd" -append "console=ttyS0 quiet panic=-1 $*")
}
