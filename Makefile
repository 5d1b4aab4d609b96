# SPDX-License-Identifier: GPL-2.0-or-later
# hagate: `make help` prints the targets. V=1 shows commands, CC=clang works,
# WERROR=1 makes warnings errors (CI), SANITIZE=1 builds with ASan and UBSan.

VERSION    := 0.1.0
BUILD      ?= build
ifeq ($(strip $(BUILD)),)
$(error BUILD is empty)
endif
prefix     ?= /usr/local
sbindir    ?= $(prefix)/sbin
bindir     ?= $(prefix)/bin
mandir     ?= $(prefix)/share/man
compdir    ?= $(prefix)/share/bash-completion/completions
unitdir    ?= $(prefix)/lib/systemd/system

CC         ?= gcc
CLANG      ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL    ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PYTHON     ?= /usr/bin/python3
PYTEST     ?= $(PYTHON) -m pytest -q -rs -p no:cacheprovider

PKGS       := libbpf libfyaml libsystemd libmnl libsodium jansson smartcols libcap libseccomp libgit2 gnutls
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS_LOAD  := $(shell pkg-config --libs libbpf libmnl libelf zlib 2>/dev/null)
LIBS_AGENT := $(shell pkg-config --libs libfyaml libsystemd libmnl libsodium jansson libcap libseccomp 2>/dev/null) -lm
LIBS_STORE := $(shell pkg-config --libs libgit2 zlib 2>/dev/null)
LIBS_WITN  := $(shell pkg-config --libs libsystemd libsodium libcap libseccomp 2>/dev/null) -lpthread
LIBS_SYNC  := $(shell pkg-config --libs libgit2 gnutls libsodium jansson libfyaml libsystemd zlib 2>/dev/null)
LIBS_TOOLS := $(shell pkg-config --libs jansson smartcols libsodium 2>/dev/null)

WARN       := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum
OPT        ?= -O2 -g
CFLAGS_ALL := -std=gnu11 $(OPT) $(WARN) -Iinclude -I. -I$(BUILD)/gen -D_GNU_SOURCE \
	      -DHG_VERSION='"$(VERSION)"' -fstack-protector-strong $(PKG_CFLAGS) $(CFLAGS)
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Iinclude -I. \
	      -I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
ifeq ($(WERROR),1)
CFLAGS_ALL += -Werror
BPF_CFLAGS += -Werror
endif
ifeq ($(SANITIZE),1)
CFLAGS_ALL += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS    += -fsanitize=address,undefined
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# What several rules do: link what they name with these libraries, compile one BPF object.
define link
$(call say,LINK,$@)
@mkdir -p $(@D)
$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(1)
endef
define compile-bpf
$(call say,BPF,$<)
@mkdir -p $(@D)
$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
endef

obj        = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE_OBJ  := $(call obj,$(wildcard agent/core/*.c))
WIRING_OBJ := $(call obj,$(wildcard wiring/*.c))
LOAD_OBJ  := $(call obj,$(filter-out loader/hagate-load.c,$(wildcard loader/*.c)))
AGENT_SRC := $(filter-out agent/main.c,$(wildcard agent/*.c agent/filter/*.c))
AGENT_OBJ := $(call obj,$(AGENT_SRC))
RULE_OBJ  := $(call obj,$(filter-out $(addprefix agent/filter/,build.c list.c lockout.c source.c),\
	     $(wildcard agent/filter/*.c)) agent/config_value.c agent/diag.c)
STORE_OBJ := $(call obj,$(addprefix sync/,apply.c command.c files.c generation.c history.c hooks.c import.c \
	     journal.c load.c make.c manifest.c measure.c pack.c paths.c plan.c relate.c scan.c stage.c steps.c \
	     trial.c types.c view.c))
TOOLS_OBJ := $(call obj,$(wildcard tools/*.c))
WITN_OBJ  := $(call obj,$(filter-out witness/main.c,$(wildcard witness/*.c)))
WITN_BASE := $(call obj,agent/keys.c agent/keyfile.c agent/log.c agent/core/session.c agent/core/witness.c)
TEACH_SRC := $(addprefix sync/,teach.c serve.c publish.c daemon.c listen.c requests.c children.c diff.c look.c main_sync.c)
SYNC_OBJ  := $(call obj,$(filter-out sync/main_learn.c,$(wildcard sync/*.c)))
LEARN_OBJ := $(call obj,$(filter-out $(TEACH_SRC),$(wildcard sync/*.c)))
SKELS     := $(patsubst bpf/%.bpf.c,$(BUILD)/gen/%.skel.h,$(wildcard bpf/*.bpf.c))
PROGRAMS  := $(addprefix $(BUILD)/bin/,hagated hagate hagate-load hagate-witness hagate-sync hagate-learn)
UNIT      := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_HELP := $(call obj,$(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))
SYNCTESTS := $(patsubst tests/sync/%.c,$(BUILD)/tests/sync/%,$(wildcard tests/sync/test_*.c))
SYNCT_HELP := $(call obj,$(filter-out $(wildcard tests/sync/test_*.c),$(wildcard tests/sync/*.c)))
BPFTESTS  := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
BPFT_HELP := $(call obj,$(filter-out $(wildcard tests/bpf/test_*.c),$(filter-out %.bpf.c,$(wildcard tests/bpf/*.c))))
ORACLE    := $(addprefix $(BUILD)/tests/oracle/,native kernel gate apply bench)
ORACLE_HELP := $(call obj,$(addprefix tests/oracle/,oracle.c generate.c rig.c frame.c) $(wildcard agent/filter/compile*.c))
SIM       := $(addprefix $(BUILD)/sim/,sim sim-bugs replay)
SIM_SRC   := $(wildcard tests/sim/*.c)
SIM_AGENT := agent/keys.c agent/store.c agent/recorder.c agent/recorder_json.c
BENCH_RUN := $(BUILD)/tests/bench/filter_run
BENCH_OBJ := $(call obj,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
LAB_BIN   := $(patsubst tests/lab/%.c,$(BUILD)/lab/%,$(filter-out %.bpf.c,$(wildcard tests/lab/*.c)))
LAB_BPF   := $(patsubst tests/lab/%.bpf.c,$(BUILD)/lab/%.bpf.o,$(wildcard tests/lab/*.bpf.c))
SOAK_BIN  := $(patsubst tests/soak/%.c,$(BUILD)/soak/%,$(filter-out %.bpf.c,$(wildcard tests/soak/*.c)))
SOAK_BIN  += $(patsubst tests/soak/preload/%.c,$(BUILD)/soak/%.so,$(wildcard tests/soak/preload/*.c))
SOAK_BPF  := $(patsubst tests/soak/%.bpf.c,$(BUILD)/soak/%.bpf.o,$(wildcard tests/soak/*.bpf.c))
JOBS      := -j$(shell nproc)
FUZZERS   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
MAN       := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.scd))
FORMATTED  = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h' 2>/dev/null)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help deps check built unit check-store sync-random sync-size sync-times check-bpf check-netns check-vm check-units check-arch check-format wiring-long sync-long fuzz format \
	analyze asan bench model model-slice oracle sim check-sim filter-soak soak soak-run accident starve forged demo lab lab-down install uninstall clean man verifier

all: $(PROGRAMS) $(MAN) $(LAB_BIN) $(LAB_BPF) $(SOAK_BIN) $(SOAK_BPF) ## build everything; the programs are in build/bin

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

deps: ## install what building and testing needs (root; Debian 12)
	$(Q)packaging/deps.sh

# --- programs ---------------------------------------------------------------
$(BUILD)/obj/%.o: %.c | $(SKELS)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/bin/hagated: $(call obj,agent/main.c) $(AGENT_OBJ) $(WIRING_OBJ) $(LOAD_OBJ) $(CORE_OBJ)
$(BUILD)/bin/hagated: LIBS = $(LIBS_LOAD) $(LIBS_AGENT)
$(BUILD)/bin/hagate-load: $(call obj,loader/hagate-load.c) $(LOAD_OBJ)
$(BUILD)/bin/hagate-load: LIBS = $(LIBS_LOAD)
$(BUILD)/bin/hagate-witness: $(call obj,witness/main.c) $(WITN_OBJ) $(WITN_BASE)
$(BUILD)/bin/hagate-witness: LIBS = $(LIBS_WITN)
$(BUILD)/bin/hagate: $(TOOLS_OBJ) $(WIRING_OBJ) $(call obj,agent/keys.c agent/keyfile.c)
$(BUILD)/bin/hagate: LIBS = $(LIBS_TOOLS)
# The configuration's readers, out of an archive: only what is called is linked.
$(BUILD)/lib/agent.a: $(AGENT_OBJ) $(CORE_OBJ) $(LOAD_OBJ)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/bin/hagate-sync: $(SYNC_OBJ) $(BUILD)/lib/agent.a
$(BUILD)/bin/hagate-learn: $(LEARN_OBJ) $(BUILD)/lib/agent.a
$(BUILD)/bin/hagate-sync $(BUILD)/bin/hagate-learn: LIBS = -Wl,--gc-sections $(LIBS_SYNC)
$(BUILD)/obj/sync/%.o: CFLAGS_ALL += -ffunction-sections -fdata-sections
$(PROGRAMS):
	$(call link,$(LIBS))

# --- BPF ----------------------------------------------------------------------
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(compile-bpf)
	$(Q)$(LLVM_STRIP) -g $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(BUILD)/lab/%.bpf.o: tests/lab/%.bpf.c
	$(compile-bpf)

$(BUILD)/soak/%.bpf.o: tests/soak/%.bpf.c
	$(compile-bpf)

verifier: all ## verifier instruction counts against docs/verifier.txt (root)
	$(Q)tests/bpf/verifier.sh

# --- tests --------------------------------------------------------------------
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_HELP) $(AGENT_OBJ) $(WIRING_OBJ) $(WITN_OBJ) $(LOAD_OBJ) $(CORE_OBJ)
	$(call link,$(LIBS_LOAD) $(LIBS_AGENT) -lcmocka)

$(BUILD)/tests/sync/%: $(BUILD)/obj/tests/sync/%.o $(SYNCT_HELP) $(STORE_OBJ)
	$(call link,$(LIBS_STORE) $(LIBS_MORE) -lcmocka)

$(BUILD)/tests/sync/test_talk: $(call obj,$(addprefix sync/,talk.c message.c fetch.c node.c)) $(BUILD)/lib/agent.a
$(BUILD)/tests/sync/test_talk: LIBS_MORE = $(LIBS_SYNC)

$(BUILD)/tests/bpf/%: $(BUILD)/obj/tests/bpf/%.o $(BPFT_HELP) $(RULE_OBJ) $(LOAD_OBJ)
	$(call link,$(LIBS_LOAD) -lsodium -lcmocka)

$(BUILD)/sim/sim: $(call obj,$(SIM_SRC) $(SIM_AGENT)) $(CORE_OBJ)
	$(call link,-lsodium -ljansson)

$(BUILD)/sim/replay: $(call obj,tests/sim/replay/replay.c agent/recorder.c agent/recorder_json.c) $(CORE_OBJ)
	$(call link,-ljansson)

$(BUILD)/sim/sim-bugs: tests/sim/bugs/plant $(SIM_SRC) $(wildcard tests/sim/*.h agent/core/* bpf/*.h include/hagate/*)
	$(call say,BUGS,$@)
	@mkdir -p $(@D)
	$(Q)tests/sim/bugs/plant $(@D)/bugs
	$(Q)$(CC) -I$(@D)/bugs/include -I$(@D)/bugs $(CFLAGS_ALL) $(LDFLAGS) -DSIM_BUGS -o $@ $(SIM_SRC) \
		$(SIM_AGENT) $(patsubst %,$(@D)/bugs/%,$(wildcard agent/core/*.c)) -lsodium -ljansson

$(BUILD)/tests/oracle/%.bpf.o: tests/oracle/%.bpf.c
	$(compile-bpf)

$(BUILD)/tests/oracle/%: $(BUILD)/obj/tests/oracle/%.o $(ORACLE_HELP) $(LOAD_OBJ) | $(BUILD)/tests/oracle/classify.bpf.o
	$(call link,$(LIBS_LOAD) -lcmocka)

$(BENCH_RUN): $(BENCH_OBJ) $(BPFT_HELP) $(RULE_OBJ) $(LOAD_OBJ) | $(BENCH_RUN).vary.bpf.o
	$(call link,$(LIBS_LOAD) -lsodium -lcmocka)

$(BENCH_RUN).vary.bpf.o: tests/bench/vary.bpf.c
	$(compile-bpf)

$(BUILD)/lab/%: tests/lab/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -o $@ $< -lpthread

$(BUILD)/soak/%.so: tests/soak/preload/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(OPT) $(WARN) -D_GNU_SOURCE -shared -fPIC -o $@ $< -ldl

$(BUILD)/soak/%: tests/soak/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -o $@ $< -lpthread

$(BUILD)/fuzz/%: tests/fuzz/%.c $(AGENT_SRC) $(wildcard agent/core/*.c loader/*.c wiring/*.c witness/*.c) | $(SKELS)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CFLAGS_ALL) -fsanitize=fuzzer,address,undefined -o $@ $< \
		$(AGENT_SRC) $(wildcard agent/core/*.c wiring/*.c) $(filter-out witness/main.c,$(wildcard witness/*.c)) \
		$(filter-out loader/hagate-load.c,$(wildcard loader/*.c)) $(FUZZ_MORE) $(LIBS_LOAD) $(LIBS_AGENT)

$(BUILD)/fuzz/fuzz_message: FUZZ_MORE = $(addprefix sync/,message.c discover.c talk.c types.c) $(LIBS_SYNC)
$(BUILD)/fuzz/fuzz_message: $(wildcard sync/*.[ch])

unit: $(addprefix $(BUILD)/bin/,hagate hagate-sync hagated) $(UNIT) ## unit tests (core, config, frames); no root
	$(Q)set -e; for t in $(UNIT); do echo "== $$t"; $$t; done

check-store: $(SYNCTESTS) ## the configuration's history, staging and apply: crashes, full disks, random (root)
	$(Q)set -e; for t in $(filter-out %/test_size,$(SYNCTESTS)); do echo "== $$t"; $$t; done

sync-size: $(BUILD)/tests/sync/test_size ## time and memory of 10,000 files and of 1 MiB; SYNC_ON_DISK=1 (root)
	$(Q)$<

sync-times: all ## how long joining and committing take: 1 MB, 10,000 files (root)
	$(Q)$(PYTHON) tests/bench/sync_times.py

sync-random: $(SYNCTESTS) ## 10,000 random schedules of two stores, every crash; SYNC_SEED, SYNC_RUNS (root)
	$(Q)SYNC_RUNS=$${SYNC_RUNS:-10000} $(BUILD)/tests/sync/test_random
	$(Q)set -e; for t in crash import; do SYNC_FULL=1 $(BUILD)/tests/sync/test_$$t; done

asan: ## the unit tests under ASan and UBSan; no root
	$(Q)ASAN_OPTIONS=print_legend=0 \
		$(MAKE) $(JOBS) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=1 unit

check-sim: $(SIM) ## the simulator: a slice of its seeds, planted bugs found; no root
	$(Q)tests/sim/replay/test "$(BUILD)"
	$(Q)tests/sim/run "$(BUILD)" slice
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=1 $(BUILD)/asan/sim/sim
	$(Q)tests/sim/run "$(BUILD)/asan" asan

sim: $(SIM) ## 1,000,000 simulated schedules, every place of two deviations; SIM_SEEDS, SIM_FIRST
	$(Q)tests/sim/run "$(BUILD)" full

check-bpf: all $(BPFTESTS) $(ORACLE) ## every stage of the data path through BPF_PROG_TEST_RUN (root)
	$(Q)set -e; for t in $(BPFTESTS); do echo "== $$t"; $$t; done; tests/bpf/verifier.sh
	$(Q)tests/oracle/run "$(BUILD)" slice

oracle: all $(ORACLE) ## the filter against its oracle: 1,000 rulesets x 10,000 packets (root)
	$(Q)tests/oracle/run "$(BUILD)" full

check-netns: all $(BUILD)/sim/replay ## whole gateways in network namespaces (root)
	$(Q)$(PYTEST) tests/netns

check-vm: all check-units ## two gateways as virtual machines with Debian's kernel, emulated: minutes (root)
	$(Q)packaging/deps.sh --vm
	$(Q)$(PYTEST) tests/vm

check-units: all ## the units under systemd, in virtual machines as well: install to uninstall (root)
	$(Q)packaging/deps.sh --vm
	$(Q)$(PYTEST) tests/systemd

check-witness: all ## the witness at length: lost memory, full disk, partitions at random; WITNESS_SECONDS (root)
	$(Q)$(PYTEST) -s tests/netns/long_witness.py

wiring-long: all ## faults of wiring and the test of MACs, the longer cases too (root)
	$(Q)LONG=1 $(PYTEST) tests/netns/test_wiring.py tests/netns/test_mac_auto.py tests/netns/test_discover.py

sync-long: all ## joining and one configuration on two nodes, every case (root)
	$(Q)LONG=1 $(PYTEST) tests/netns/test_join.py tests/netns/test_sync.py tests/netns/test_sync_port.py

check-arch: all ## floors: include allow-lists, symbols of the core
	$(Q)tests/arch/check-arch.sh
	$(Q)$(PYTEST) tests/arch

check-format: ## fails when a file is not as `make format` leaves it
	$(Q)clang-format --dry-run --Werror $(FORMATTED)

model-slice: ## the Spin models: small bounds, and every planted mistake is found; no root
	$(Q)$(PYTHON) -B tests/model/run.py "$(BUILD)" slice

model: ## the Spin models in full: states, depth, memory, time of each; no root
	$(Q)nice $(PYTHON) -B tests/model/run.py "$(BUILD)" full

fuzz: $(FUZZERS) ## fuzz frames, YAML and the control socket; FUZZ_SECONDS=60 each
	$(Q)tests/fuzz/run.sh $(FUZZERS)

built: all $(UNIT) $(SYNCTESTS) $(BPFTESTS) $(ORACLE) $(SIM) $(FUZZERS) ## what the tests of `make check` run

check: ## every test (root); installs dependencies that are missing
	$(Q)packaging/deps.sh --quiet
	$(Q)$(MAKE) $(JOBS) --no-print-directory built
	$(Q)$(MAKE) --no-print-directory all check-format check-arch unit asan check-sim model-slice check-store check-bpf check-netns
	$(Q)FUZZ_SECONDS=$${FUZZ_SECONDS:-10} $(MAKE) --no-print-directory fuzz

format: ## lay the C files out
	$(Q)clang-format -i $(FORMATTED)

analyze: all ## clang-tidy, cppcheck and shellcheck
	$(Q)tests/analyze.sh

bench: all $(BENCH_RUN) ## hagate and keepalived through the same faults, ns per packet, idle cost (root)
	$(Q)$(PYTHON) tests/bench/bench.py

filter-soak: all ## 10,000 rules swapped 1,000 times under full traffic; SOAK_SWAPS, SOAK_SECONDS (root)
	$(Q)$(PYTHON) tests/bench/filter_soak.py

soak: ## random faults, SOAK_FAULTS=10000 SOAK_SEED=n, one log line each; SANITIZE=1 (root)
	$(Q)$(MAKE) --no-print-directory $(if $(filter 1,$(SANITIZE)),BUILD=$(BUILD)/asan) soak-run

soak-run: all
	$(Q)$(PYTHON) tests/soak/soak.py

accident: all ## a fresh node joins a gateway in service, 1,000 wrong ways; ACCIDENT_RUNS, _SEED (root)
	$(Q)$(PYTHON) tests/soak/accident.py

starve: all ## real-time threads on all processors for 60 s; hagate and keepalived (root)
	$(Q)$(PYTHON) tests/soak/starve.py

forged: all ## 500,000 forged heartbeats a second for 60 s at the node in service (root)
	$(Q)$(PYTHON) tests/soak/forged.py

demo: ## two gateways, two hypervisors, real faults, the measured outage (root)
	$(Q)packaging/deps.sh --quiet
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON) tests/lab/demo.py

lab: all ## the demo's topology, left standing to play with (root); `make lab-down` removes it
	$(Q)$(PYTHON) tests/lab/lab.py up

lab-down: ## remove the lab (root)
	$(Q)$(PYTHON) tests/lab/lab.py down

# --- documents, installation ----------------------------------------------------
man: $(MAN) ## manual pages

$(BUILD)/man/%: docs/man/%.scd
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

install: all ## install below DESTDIR and prefix (/usr/local)
	$(Q)packaging/install.sh install "$(BUILD)" "$(DESTDIR)" "$(sbindir)" "$(bindir)" "$(mandir)" "$(compdir)" "$(unitdir)"

uninstall: ## remove what install put there
	$(Q)packaging/install.sh uninstall "$(BUILD)" "$(DESTDIR)" "$(sbindir)" "$(bindir)" "$(mandir)" "$(compdir)" "$(unitdir)"

clean: ## remove build/
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
