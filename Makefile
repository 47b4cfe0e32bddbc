# SPDX-License-Identifier: Apache-2.0
# One graph for all folders.  'make help' says what there is.  Never uses the network, but for 'make deps' (and demo, check*, bench).

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION := 0.1.0
O       ?= build
V       ?= 0
SAN     ?= 0
WERROR  ?= 0

CC       ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
LLVM_STRIP ?= llvm-strip
CFLAGS   ?= -O2 -g
BPF_CFLAGS ?= -O2 -g

ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)';
else
Q :=
say =
endif

LIBS_PKG := libbpf hiredis libmnl jansson yaml-0.1 libmicrohttpd gnutls
LDLIBS    = -Wl,--as-needed $(shell pkg-config --libs $(LIBS_PKG)) -lelf -lz
CLI_LDLIBS = $(LDLIBS) $(shell pkg-config --libs libcurl gnutls)
API_LDLIBS = $(LDLIBS) $(shell pkg-config --libs libmicrohttpd gnutls libcurl)
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARN) -D_GNU_SOURCE -DSKEP_VERSION='"$(VERSION)"' -I. -I$(O) -include util/banned.h \
	     -fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. -MMD -MP
ALL_BPF_CFLAGS = $(BPF_CFLAGS) -target bpf -mcpu=v3 -std=gnu17 -DSKEP_VERSION='"$(VERSION)"' -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -I. \
	     -I/usr/include/$(shell $(CC) -print-multiarch) -ffile-prefix-map=$(CURDIR)=. -MMD -MP
ifeq ($(SAN),1)
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS    += -fsanitize=address,undefined
endif
ifeq ($(WERROR),1)
ALL_CFLAGS += -Werror
endif

# --- what is made of what ---

MODULES  := util maps packet topology simulator statedb
src_of    = $(sort $(wildcard $(1)/*.c))
objs      = $(patsubst %.c,$(O)/%.o,$(1))
LIBS     := $(foreach m,$(MODULES),$(O)/$(m)/lib$(m).a)
LINK_LIBS = $(O)/statedb/libstatedb.a $(O)/simulator/libsimulator.a $(O)/topology/libtopology.a $(O)/packet/libpacket.a \
	    $(O)/maps/libmaps.a $(O)/util/libutil.a

SKEPD_SRC := $(call src_of,loader)
SKEP_SRC  := $(call src_of,cli) loader/control_client.c api/token.c api/role.c api/quota.c api/audit_read.c
API_SRC   := $(call src_of,api)
BPF_SRC   := $(sort $(wildcard bpf/*.bpf.c))
BPF_OBJ   := $(patsubst %.c,$(O)/%.o,$(BPF_SRC))
SKEL      := $(O)/bpf/skep.skel.h

UNIT_SRC  := $(sort $(wildcard selftests/unit/*/*_test.c))
UNIT      := $(patsubst %.c,$(O)/%,$(UNIT_SRC))
BPFTEST_SRC := $(sort $(wildcard selftests/bpf/*_test.c selftests/diff/*_test.c))
BPFTEST   := $(patsubst %.c,$(O)/%,$(BPFTEST_SRC))
FUZZ_SRC  := $(sort $(wildcard selftests/fuzz/*_fuzz.c))
FUZZ      := $(patsubst %.c,$(O)/%,$(FUZZ_SRC))
LOADER_LIB := $(O)/loader/libloader.a
CLI_LIB   := $(O)/cli/libcli.a
API_LIB   := $(O)/api/libapi.a
TESTLIB_SRC := $(sort $(wildcard selftests/lib/*.c))
TESTLIB   := $(O)/selftests/lib/libtest.a
TOOL_SRC  := $(sort $(wildcard selftests/net/*.c))
TOOL      := $(patsubst %.c,$(O)/%,$(TOOL_SRC))
OVN_SRC   := $(sort $(wildcard selftests/ovn/*.c))
OVN       := $(O)/selftests/ovn/ovn_compare
BENCH_SRC := $(filter-out %.bpf.c,$(sort $(wildcard bench/*.c)))
BENCH     := $(patsubst %.c,$(O)/%,$(BENCH_SRC))
BENCH_BPF := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard bench/*.bpf.c)))

PROGRAMS := $(O)/skepd $(O)/skep $(O)/skep-api

.PHONY: all
all: $(PROGRAMS) panel ## build skepd, skep, skep-api and the web panel, into build/

$(O)/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c $< -o $@

define module_rule
$(O)/$(1)/lib$(1).a: $(call objs,$(call src_of,$(1)))
	$$(call say,AR,$$@)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

.PHONY: $(addprefix lib-,$(MODULES))
$(foreach m,$(MODULES),$(eval lib-$(m): $(O)/$(m)/lib$(m).a))

# --- BPF: every program in one object, so that they share their maps, and one skeleton ---

$(O)/%.bpf.o: %.bpf.c
	$(call say,BPF,$<)mkdir -p $(@D) && $(CLANG) $(ALL_BPF_CFLAGS) -c $< -o $@

$(O)/bpf/skep.linked.o: $(BPF_OBJ)
	$(call say,BPFLINK,$@)$(BPFTOOL) gen object $@ $^

$(SKEL): $(O)/bpf/skep.linked.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name skep_bpf > $@

.PHONY: bpf
bpf: $(SKEL) ## build the BPF programs only

$(call objs,$(SKEPD_SRC)) $(patsubst %.c,$(O)/%.o,$(BPFTEST_SRC) $(TESTLIB_SRC) $(BENCH_SRC)): | $(SKEL)

# --- the OpenAPI document's fixed part, and what fields mean, as C strings ---

$(O)/api/openapi_text.inc: api/openapi.yaml api/text.sed
	$(call say,TEXT,$<)mkdir -p $(@D) && sed -f api/text.sed $< > $@

$(O)/api/meanings.inc: docs/topology.md api/meanings.awk api/text.sed
	$(call say,TEXT,$<)mkdir -p $(@D) && awk -f api/meanings.awk $< | sed -f api/text.sed > $@

$(O)/api/openapi.o: $(O)/api/openapi_text.inc
$(O)/api/openapi_shape.o: $(O)/api/meanings.inc

# --- programs ---

$(O)/skepd: $(call objs,$(SKEPD_SRC)) $(LIBS)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_LIBS) $(LDLIBS)

$(O)/skep: $(call objs,$(SKEP_SRC)) $(LIBS)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_LIBS) $(CLI_LDLIBS)

$(O)/skep-api: $(call objs,$(API_SRC)) $(LIBS)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_LIBS) $(API_LDLIBS)

# --- the web panel: our files, and three of two packages that 'make deps' got with npm (web/package-lock.json) ---

NPM       := build/npm
NPM_DONE  := $(NPM)/done
PANEL     := $(O)/panel
PANEL_SRC := $(sort $(wildcard web/*.js web/*.css web/*.html web/*.svg))

.PHONY: panel npm
panel: ## the web panel, into build/panel; 'make deps' gets its libraries
	$(Q)if [ -e $(NPM_DONE) ] && cmp -s web/package-lock.json $(NPM)/package-lock.json; then \
		$(MAKE) $(if $(filter 0,$(V)),-s) --no-print-directory O=$(O) $(PANEL)/done.txt; \
	else \
		echo "  NOTE     the web panel is not built: $$(command -v npm >/dev/null && echo 'its libraries are not here yet' || echo 'npm is missing'); 'make deps' gets that"; \
	fi

# A bare name is no address for a browser: the hooks' own import is made one.
$(PANEL)/done.txt: $(PANEL_SRC) web/LICENSES.md $(wildcard $(NPM)/package-lock.json)
	$(call say,PANEL,$(PANEL))rm -rf $(PANEL) && mkdir -p $(PANEL) && cp $(PANEL_SRC) $(PANEL)/ && cp web/LICENSES.md $(PANEL)/licenses.txt && \
		for p in preact htm; do printf '\n--- %s ---\n' $$p && cat $(NPM)/node_modules/$$p/LICENSE || exit 1; done >> $(PANEL)/licenses.txt && \
		sed '/^\/\/# sourceMappingURL/d' $(NPM)/node_modules/preact/dist/preact.module.js > $(PANEL)/preact.js && \
		sed -e 's|from"preact"|from"./preact.js"|g' -e '/^\/\/# sourceMappingURL/d' $(NPM)/node_modules/preact/hooks/dist/hooks.module.js > $(PANEL)/hooks.js && \
		cp $(NPM)/node_modules/htm/dist/htm.module.js $(PANEL)/htm.js && touch $@

# What the lock file says, no more, and nothing of it is run.
npm: $(NPM_DONE)
$(NPM_DONE): web/package.json web/package-lock.json web/.npmrc
	$(call say,NPM,$(NPM))mkdir -p $(NPM) && cp web/package.json web/package-lock.json web/.npmrc $(NPM)/ && cd $(NPM) && npm ci --silent && touch done

# --- tests ---

$(TESTLIB): $(call objs,$(TESTLIB_SRC))
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

# skepd without its main(), for tests of the loader
$(LOADER_LIB): $(filter-out $(O)/loader/main.o,$(call objs,$(SKEPD_SRC)))
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^
$(filter $(O)/selftests/unit/loader/%,$(UNIT)) $(BPFTEST): $(LOADER_LIB)

# skep likewise
$(CLI_LIB): $(filter-out $(O)/cli/main.o,$(call objs,$(SKEP_SRC)))
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^
$(filter $(O)/selftests/unit/cli/%,$(UNIT)): $(CLI_LIB)

# skep-api likewise
$(API_LIB): $(filter-out $(O)/api/main.o,$(call objs,$(API_SRC)))
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^
$(filter $(O)/selftests/unit/api/%,$(UNIT)): $(API_LIB)

$(UNIT) $(BPFTEST): %: %.o $(TESTLIB) $(LIBS)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $< $(filter $(LOADER_LIB) $(CLI_LIB) $(API_LIB),$^) $(TESTLIB) $(LINK_LIBS) \
		$(if $(filter $(API_LIB),$^),$(API_LDLIBS),$(if $(filter $(CLI_LIB),$^),$(CLI_LDLIBS),$(LDLIBS))) -lcmocka

$(TOOL): %: %.o
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $<

$(O)/bench/resident_bench: $(LOADER_LIB)
$(BENCH): %: %.o $(TESTLIB) $(LIBS)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $< $(filter $(LOADER_LIB),$^) $(TESTLIB) $(LINK_LIBS) $(LDLIBS) -lpthread

$(OVN): $(call objs,$(OVN_SRC)) $(TESTLIB) $(LIBS)
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(TESTLIB) $(LINK_LIBS) $(LDLIBS)

FUZZ_CFLAGS = $(filter-out -MMD -MP -O2,$(ALL_CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	      -Wno-unknown-warning-option
FUZZ_PURE = loader/peers.c api/parse.c api/problem.c api/patch.c api/cursor.c api/jwt.c api/quota.c api/role.c api/token.c # functions of bytes
$(FUZZ): $(O)/%: %.c $(foreach m,util maps packet topology simulator,$(call src_of,$(m))) $(FUZZ_PURE) $(wildcard selftests/lib/*.h */*.h)
	$(call say,FUZZ,$<)mkdir -p $(@D) && $(CLANG) $(FUZZ_CFLAGS) -o $@ $< \
		$(foreach m,util maps packet topology simulator,$(call src_of,$(m))) $(FUZZ_PURE) $(shell pkg-config --libs jansson yaml-0.1 gnutls)

# Another version of skepd, to swap with this one under traffic (selftests/fault/upgrade.sh)
.PHONY: other-version
other-version:
	$(Q)MAKE='$(MAKE)' CC='$(CC)' CLANG='$(CLANG)' selftests/fault/other-version $(abspath $(O)/other)

.PHONY: tests
tests: $(UNIT) $(BPFTEST) $(TOOL) ## build all tests, run none

.PHONY: deps
deps: ## check this machine, install what is missing with apt (packaging/packages); './configure' only checks
	$(Q)./configure --install
	$(Q)$(MAKE) --no-print-directory npm

# What is built for tests is built on all processors, unless -j says on how many.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# The tests run on a sanitizer build; speed is measured on the ordinary one.
.PHONY: check
check: deps ## install what is missing, build, run every test; NAME='nat*' selects, SKIP=fail makes skips fail
	$(Q)$(MAKE) --no-print-directory $(JOBS) O=$(O)/san SAN=1 all tests
	$(Q)$(MAKE) --no-print-directory $(JOBS) O=$(O) all other-version
	$(Q)$(MAKE) --no-print-directory $(JOBS) O=$(O)/fuzz fuzz-build
	$(Q)O=$(abspath $(O)/san) O_FAST=$(abspath $(O)) O_FUZZ=$(abspath $(O)/fuzz) NAME='$(NAME)' SKIP='$(SKIP)' selftests/run

.PHONY: check-ovn
check-ovn: ## the same packets through ovn-trace and skep's simulator; installs ovn-central (packaging/packages.ovn)
	$(Q)./configure --install packaging/packages.ovn
	$(Q)$(MAKE) --no-print-directory O=$(O)/san SAN=1 $(O)/san/selftests/ovn/ovn_compare
	$(Q)O=$(abspath $(O)/san) selftests/ovn/run

# One build for each compiler of the BPF programs, without sanitizers: machines are emulated.
KERNEL_CLANGS := $(or $(CLANGS),clang-14 clang-19)
.PHONY: kernel-tests
kernel-tests: $(sort $(BPFTEST) $(filter %/dp_life_test %/dp_rewrite_test,$(UNIT)))
	$(Q)printf '%s\n' $(^:$(O)/%=%) > $(O)/kernel-tests

.PHONY: check-kernels
check-kernels: ## BPF programs of clang 14 and 19 on Debian's oldest and newest kernel, in QEMU (packaging/packages.kernels)
	$(Q)./configure --install packaging/packages.kernels
	$(Q)for c in $(KERNEL_CLANGS); do \
		$(MAKE) --no-print-directory O=$(O)/kernels/$$c CLANG=$$c kernel-tests || exit 1; \
	done
	$(Q)O=$(abspath $(O)) KERNELS='$(KERNELS)' CLANGS='$(CLANGS)' NAME='$(NAME)' VM='$(VM)' TABLE='$(TABLE)' selftests/kernels/run

.PHONY: check-systemd
check-systemd: deps ## what 'make install' puts there under a booted systemd, in QEMU (packaging/packages.systemd)
	$(Q)./configure --install packaging/packages.systemd
	$(Q)$(MAKE) --no-print-directory $(JOBS) O=$(O) all
	$(Q)O=$(abspath $(O)) VM='$(VM)' selftests/systemd/run

.PHONY: kernels-table
kernels-table: ## check-kernels, and write what it found into README.md
	$(Q)$(MAKE) --no-print-directory check-kernels TABLE=write

.PHONY: fuzz-build
fuzz-build: $(FUZZ)

.PHONY: fuzz
fuzz: deps ## fuzz every parser and the simulator, SECONDS=60 each; NAME= selects
	$(Q)$(MAKE) --no-print-directory O=$(O)/fuzz fuzz-build
	$(Q)O_FUZZ=$(abspath $(O)/fuzz) NAME='$(NAME)' selftests/fuzz/run $(or $(SECONDS),60)

.PHONY: bench
bench: deps ## measure; JSON lines on stdout; NAME='tcp*' selects
	$(Q)$(MAKE) --no-print-directory O=$(O) all bench-build
	$(Q)O=$(abspath $(O)) NAME='$(NAME)' bench/run

.PHONY: bench-build
bench-build: $(BENCH) $(BENCH_BPF)

.PHONY: demo
demo: deps ## two hosts, four machines, a router and a firewall, in one minute; KEEP=1 leaves it running
	$(Q)$(MAKE) --no-print-directory O=$(O) all
	$(Q)O=$(abspath $(O)) KEEP='$(KEEP)' packaging/demo/run

# --- upkeep ---

.PHONY: compile_commands.json
compile_commands.json: ## for clangd and clang-tidy
	$(Q)$(MAKE) --no-print-directory -B -n V=1 O=$(O) SAN=0 $(PROGRAMS) 2>/dev/null | \
		sed -n 's|.*&& \($(CC) .* -c \([^ ]*\.c\) .*\)|{"directory":"$(CURDIR)","command":"\1","file":"\2"},|p' | \
		sed -e 's|\\|\\\\|g' -e "s|'\"|'\\\\\"|g" -e "s|\"'|\\\\\"'|g" | \
		(echo '['; sed '$$ s/,$$//'; echo ']') > $@

.PHONY: format
format: ## run clang-format over the tree
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: install
PREFIX ?= /usr
install: all ## install programs, manual pages, systemd units, their user below DESTDIR and PREFIX (/usr)
	install -D -m 755 $(O)/skepd $(DESTDIR)$(PREFIX)/sbin/skepd
	install -D -m 755 $(O)/skep $(DESTDIR)$(PREFIX)/bin/skep
	install -D -m 755 $(O)/skep-api $(DESTDIR)$(PREFIX)/sbin/skep-api
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(O)/skep completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/skep
	for page in docs/man/*.[158]; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	install -D -m 644 packaging/prometheus/skep.rules.yaml $(DESTDIR)$(PREFIX)/share/skep/prometheus/skep.rules.yaml
	install -D -m 644 packaging/prometheus/skep.scrape.yaml $(DESTDIR)$(PREFIX)/share/skep/prometheus/skep.scrape.yaml
	install -D -m 644 packaging/grafana/skep.json $(DESTDIR)$(PREFIX)/share/skep/grafana/skep.json
	if [ -e $(PANEL)/done.txt ]; then \
		install -d $(DESTDIR)$(PREFIX)/share/skep/panel && install -m 644 $(PANEL)/* $(DESTDIR)$(PREFIX)/share/skep/panel; \
	fi
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in skepd skep-api; do \
		sed 's|/usr/sbin|$(PREFIX)/sbin|' packaging/systemd/$$unit.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit 1; \
	done
	install -m 644 packaging/systemd/skep-api.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/skep-api.socket
	install -D -m 644 packaging/sysusers/skep.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/skep.conf
	if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
		systemd-sysusers $(PREFIX)/lib/sysusers.d/skep.conf && systemctl daemon-reload; \
	fi

.PHONY: clean
clean: ## remove what was built
	rm -rf $(O) compile_commands.json

.PHONY: help
help: ## this text
	@echo 'skep: network virtualization for Linux hosts, on eBPF'
	@echo
	@sed -n 's/^\([a-z_.-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-28s %s\n", $$1, $$2 }'
	@echo
	@echo 'Variables: O=dir (build), V=1 (show commands), SAN=1 (sanitizers), WERROR=1, CC, CLANG, CFLAGS, BPF_CFLAGS'

-include $(shell find $(O) -name '*.d' 2>/dev/null)
