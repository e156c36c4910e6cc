# Aurochs. `make help` lists what there is.
ADDRESS ?= 127.0.0.1:9500
DATA    ?= $(CURDIR)/data
NODES   ?= 3
ARGS    ?=

TARGET  := $(or $(CARGO_TARGET_DIR),target)

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: build ## build what is missing and run: three nodes on this machine, dashboard at ADDRESS, all in DATA
	@exec $(TARGET)/release/aurochs serve --data $(DATA) --nodes $(NODES) --address $(ADDRESS) $(ARGS)

stop: ## stop everything that runs in DATA: engines cleanly, then the rest
	@$(TARGET)/release/aurochs stop --data $(DATA)

build: ui ## install what is missing and build the programs
	cargo build --release -p aurochs-engine -p aurochs-server

ui: ## build the dashboard (cached)
	@scripts/install.sh run
	cargo run -q -p aurochs-ui-pack

test: ## everything that has to pass
	@scripts/test.sh

bench: build ## speed of a volume beside the raw file, in one run
	@scripts/install.sh test
	@AUROCHS_BIN_DIR=$(TARGET)/release scripts/bench.sh

clean: ## remove what was built
	cargo clean
	rm -rf ui/dist e2e/browser/node_modules e2e/browser/test-results e2e/browser/shots

.PHONY: help run stop build ui test bench clean
