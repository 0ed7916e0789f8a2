# The recipes of the project. CI runs the same ones.

SHELL := /bin/bash

# RocksDB takes minutes to compile. Where this folder exists, every recipe and every checkout shares it.
SHARED_TARGET := $(HOME)/.cache/daicho/target
ifndef CARGO_TARGET_DIR
ifneq ($(wildcard $(SHARED_TARGET)),)
CARGO_TARGET_DIR := $(SHARED_TARGET)
else
CARGO_TARGET_DIR := $(CURDIR)/target
endif
endif
export CARGO_TARGET_DIR

# One profile and one set of packages for everything, so that RocksDB is compiled once.
CARGO_FLAGS := --release --workspace --locked
BIN := $(CARGO_TARGET_DIR)/release
# Language of the demonstration: ja or en.
DEMO_LANG ?= ja

.PHONY: help setup build demo test torture load fuzz lint fmt bench pdfa release deny sbom clean

help: ## Shows the recipes
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: ## Installs what the build needs, when it is missing
	@bash deploy/setup.sh

build: setup ## Builds every program
	cargo build $(CARGO_FLAGS)
	@echo "programs: $(BIN)/daicho, daichod, daicho-witness"

demo: build ## Plays the five schemes, audits, tampers, reports; writes demo/
	$(BIN)/demo --folder demo --lang $(DEMO_LANG)

test: build ## Runs every test
	cargo test $(CARGO_FLAGS) --no-fail-fast

torture: build ## Breaks a ledger in every way for some twenty minutes; prints one table
	@command -v strace >/dev/null || bash deploy/setup.sh strace
	$(BIN)/torture

load: build ## Measures the server under load: a flood, followers, a reader of everything, 20 minutes of writing
	$(BIN)/torture --load

fuzz: build ## Fuzzes every parser for FUZZ_SECONDS (60), or TARGETS alone; needs cargo-fuzz
	bash tests/fuzz/fuzz.sh $(TARGETS)

lint: setup ## Checks form and lints
	cargo fmt --all -- --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings

fmt: ## Formats
	cargo fmt --all

bench: build ## Measures side by side; writes bench.json into the target folder
	$(BIN)/bench --out $(CARGO_TARGET_DIR)/bench.json

pdfa: ## Holds the demo's reports to PDF/A-3a and PDF/UA-1 with veraPDF; needs the demo's folder
	@command -v mvn >/dev/null || bash deploy/setup.sh maven default-jdk-headless
	@mkdir -p $(CARGO_TARGET_DIR)
	mvn -q -B -f tests/pdfa/pom.xml dependency:build-classpath -Dmdep.outputFile=$(CARGO_TARGET_DIR)/pdfa.classpath
	java -cp "$$(cat $(CARGO_TARGET_DIR)/pdfa.classpath)" tests/pdfa/Validate.java demo/reports/*.pdf

release: setup ## Builds the programs so that others get the same bytes; prints their SHA-256
	bash deploy/reproducible.sh

deny: ## Checks licences, sources and advisories; needs cargo-deny
	cargo deny check

sbom: ## Lists what each program is made of (CycloneDX), in the target folder; needs cargo-cyclonedx
	cargo cyclonedx --format json --describe binaries --spec-version 1.5 --target x86_64-unknown-linux-gnu
	@mkdir -p $(CARGO_TARGET_DIR)/sbom
	mv services/*/*.cdx.json clients/cli/*.cdx.json $(CARGO_TARGET_DIR)/sbom/
	@rm -f tests/*.cdx.json tests/fuzz/*.cdx.json

clean: ## Removes what the demo wrote
	rm -rf demo
