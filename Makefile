# Everything that people type. `make` alone explains it.
ADDRESS ?= 127.0.0.1:9500
HISTORIES ?= 20000
KILLS ?= 1000
DATA ?= ./data
NODES ?= 3

TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET_DIR)/release

# Only where rust-toolchain.toml cannot be followed (see the script) is another toolchain named. Recipes pass it on
# instead of the environment of make, so that `make help` stays instant.
USE_RUST = t=$$(scripts/rust-toolchain.sh); [ -z "$$t" ] || export RUSTUP_TOOLCHAIN=$$t

# `make bench JOBS='rw4k*' TARGETS=raw,ours-nbd-3 ROUNDS=5 SECONDS=3`; what is not said is measured in full.
BENCH_SETTINGS = $(if $(JOBS),--jobs '$(JOBS)') $(if $(TARGETS),--targets '$(TARGETS)') $(if $(PARTS),--parts $(PARTS)) \
	$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SIZE),--size $(SIZE)) $(if $(QUICK),--quick)

.DEFAULT_GOAL := help
.PHONY: help run stop build ui test test-kernel test-k8s crash-k8s bench-k8s soak crash bench bench-backup bench-large bench-ui shots load install-deps clean

help: ## this text
	@echo "Aurochs: distributed block storage with a dashboard. Targets:"
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16
	@echo "Settings: ADDRESS=$(ADDRESS) DATA=$(DATA) NODES=$(NODES)"

run: build ## install what is missing, build, and start three nodes on this machine (Ctrl-C ends the manager only)
	@exec $(RELEASE)/aurochs serve --nodes $(NODES) --data $(DATA) --address $(ADDRESS)

stop: ## stop the manager, all engines and all nodes
	@$(RELEASE)/aurochs stop --data $(DATA)

build: ui ## build the manager, the engine and the CSI driver, optimised
	@$(USE_RUST); cargo build --locked --release -p aurochs-engine -p aurochs-server -p aurochs-csi --bins

ui: ## build the dashboard into ui/dist
	@scripts/install.sh run
	@$(USE_RUST); cargo run --locked --quiet -p aurochs-ui-pack

test: ## formatting, lints, all tests; process and browser tests included (WITH=kubernetes: and test-k8s)
	@scripts/install.sh test
	@$(USE_RUST); scripts/test.sh $(WITH)

test-kernel: ## block devices on kernels that have the drivers, in an emulated machine (PART=nbd|iscsi|ublk|fuse_loop|nfs|cifs|encryption, KERNELS=)
	@scripts/install.sh test
	@$(USE_RUST); scripts/test-kernel.sh $(PART)

test-k8s: ## chart, store, CSI driver on a real Kubernetes, which is built first (ten minutes and 5 GB the first time); as root
	@scripts/install.sh k8s
	@$(USE_RUST); scripts/test-k8s.sh

crash-k8s: ## kill manager, CSI plugin and sidecars K8S_KILLS=100 times on a real Kubernetes while volumes live (AUROCHS_SEED=)
	@scripts/install.sh k8s
	@scripts/k8s-tools.sh $(TARGET_DIR)/k8s-tools
	@$(USE_RUST); cargo build --workspace --locked --bins && \
	AUROCHS_KILLS=$(or $(K8S_KILLS),100) e2e/k8s/cluster.sh cargo test --workspace --locked --test k8s_crashes -- --ignored --nocapture

bench-k8s: ## VOLUMES claims on a real Kubernetes: rate, requests to the API server, memory of the manager
	@scripts/install.sh k8s
	@scripts/k8s-tools.sh $(TARGET_DIR)/k8s-tools
	@$(USE_RUST); cargo build --locked --release -p aurochs-engine -p aurochs-server -p aurochs-csi --bins && \
	VOLUMES=$(or $(VOLUMES),1000) AUROCHS_BIN_DIR=$(abspath $(RELEASE)) e2e/k8s/cluster.sh \
	cargo test --workspace --locked --test k8s_bench -- --ignored --nocapture

soak: ## tens of thousands of random histories (HISTORIES=n); hours
	@$(USE_RUST); AUROCHS_HISTORIES=$(HISTORIES) cargo test --locked -p aurochs-engine --test histories && \
	AUROCHS_LAZY_SEEDS=$$(($(HISTORIES) / 100)) cargo test --locked -p aurochs-engine --test instant_restore model

crash: ## kill the manager KILLS times at random moments of every operation, with real engines beneath it (AUROCHS_SEED=)
	@$(USE_RUST); cargo build --locked -p aurochs-engine --bins && AUROCHS_KILLS=$(KILLS) cargo test --locked -p aurochs-server --test crashes -- --nocapture

bench: ## speed beside the bare file and other servers, memory, rebuilds (JOBS= TARGETS= PARTS= ROUNDS= SECONDS= SIZE= QUICK=1)
	@scripts/bench-tools.sh $(TARGET_DIR)/bench-tools
	@$(USE_RUST); cargo bench --locked --quiet -p aurochs-engine --bench volume_speed -- --tools $(abspath $(TARGET_DIR))/bench-tools --json $(abspath $(TARGET_DIR))/bench.json $(BENCH_SETTINGS)

bench-backup: ## backups and restores beside the limits of hashing and compressing (SIZE= ROUNDS= SECONDS= PARTS= QUICK=1)
	@scripts/bench-tools.sh $(TARGET_DIR)/bench-tools
	@$(USE_RUST); cargo bench --locked --quiet -p aurochs-engine --bench backup_speed -- --tools $(abspath $(TARGET_DIR))/bench-tools --json $(abspath $(TARGET_DIR))/bench-backup.json $(BENCH_SETTINGS)

bench-large: ## time and memory to open a replica of 1 TiB with a hundred snapshots, and its reads
	@$(USE_RUST); cargo bench --locked --quiet -p aurochs-engine --bench large_replica

load: ## five thousand volumes in the store: time of the list, fifty followers, memory
	@$(USE_RUST); AUROCHS_LOAD_LIMITS=1 cargo test --locked --release -p aurochs-server --test load -- --nocapture

shots: ## pictures of all pages, in both themes and both widths, into e2e/browser/shots
	@scripts/install.sh test
	@$(USE_RUST); cargo run --locked --quiet -p aurochs-ui-pack && cargo build --locked --workspace --bins
	@cd e2e/browser && { [ node_modules -nt package-lock.json ] || npm ci --no-progress --silent; } && \
	AUROCHS_BIN_DIR=$(abspath $(TARGET_DIR))/debug npx --no-install playwright test --config shots.config.js

bench-ui: ## the dashboard with ten thousand volumes in a browser: first view, scrolling, filtering, memory (VOLUMES= MINUTES=)
	@scripts/install.sh test
	@$(USE_RUST); VOLUMES=$(or $(VOLUMES),10000) MINUTES=$(or $(MINUTES),3) scripts/bench-ui.sh

install-deps: ## install what running and testing need (Debian 12)
	@scripts/install.sh test

clean: ## remove what was built; data stays
	rm -rf ui/dist e2e/browser/node_modules e2e/browser/test-results e2e/browser/shots
	cargo clean
