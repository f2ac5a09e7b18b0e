# Evently. Needs Go, make, and for `make test` a C compiler, which it installs when missing.
# `make help` lists what there is.

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0

# Tools carry their version in their name: another version is another file, and is installed.
TOOLS       := $(CURDIR)/.bin
GOLANGCI    := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)

# What `evently version` tells. The date is the commit's, so that the same commit builds the same
# binary, and a second `make run` has nothing to link. All three work without git, too.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo unknown)
# Both leave out a corner of a library that nobody here uses, and that calls methods by name. With one
# such call in it the linker keeps every method of every type, and the binary is a third larger.
TAGS    := grpcnotrace,validator_novalidatefn
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

TEST_FLAGS ?=
PACKAGES   ?= ./...

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Serve on :3000 with a private PostgreSQL and Redis and demo data; Ctrl-C ends all of it
	@exec bin/evently dev

.PHONY: build
build: ## Build bin/evently, static, with version, commit and date
	@CGO_ENABLED=0 go build -buildvcs=false -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/evently ./cmd/evently

.PHONY: test
test: ## Run all tests with the race detector, against real stores that they start themselves
	@.ci/ensure-cc
	@.ci/ensure-chromium
	@.ci/ensure-promtool
	CGO_ENABLED=1 go test -race -count=1 -timeout 10m $(TEST_FLAGS) $(PACKAGES)

.PHONY: test-compat
test-compat: ## Test behind PgBouncer, on a Redis Cluster and with TLS to both stores
	@.ci/ensure-compat
	PATH="$$PATH:/usr/sbin" go test -count=1 -tags compat -run '^(TestBehindPgBouncerInTransactionMode|TestOnARedisCluster|TestTLSToBothStores)$$' ./internal/app

DURATION ?= 60s
SEED     ?= 0

.PHONY: chaos
chaos: ## Break everything while people book, for DURATION=60s, and check what they were told
	go test -count=1 -timeout 0 -v -run '^TestChaos_' ./internal/chaos \
		-chaos.duration=$(DURATION) -chaos.seed=$(SEED) -chaos.journal=$(CURDIR)/artifacts/chaos.jsonl

.PHONY: chaos-proof
chaos-proof: ## Build faults into the service, one at a time, and see the checker find each
	go test -count=1 -timeout 0 -v -tags proof -run '^TestChecker_' ./internal/chaos -chaos.duration=$(DURATION)

.PHONY: degrade
degrade: ## Take the stores away from people who book, and tell how long they wait for what
	go test -count=1 -timeout 10m -v -tags proof -run '^TestDegrading_' ./internal/chaos

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME=30s
	@.ci/fuzz $(FUZZTIME)

.PHONY: browser
browser: ## Try the documentation page in a real browser; screenshots go to artifacts/
	@.ci/ensure-cc
	@.ci/ensure-chromium
	CGO_ENABLED=1 go test -race -count=1 -timeout 3m -run Browser $(TEST_FLAGS) ./internal/app

BENCH_METRICS ?= 127.0.0.1:9091
BENCH_FLAGS   ?= -report docs/benchmarks.md -env METRICS_ADDR=$(BENCH_METRICS)

.PHONY: bench
bench: build ## Measure against pgbench and net/http in turns; writes docs/benchmarks.md. Metrics on 127.0.0.1:9091
	@go build -buildvcs=false -trimpath -o bin/evently-bench ./cmd/evently-bench
	@bin/evently-bench $(BENCH_FLAGS)

# Without the two that are a run of minutes each, and say so.
.PHONY: microbench
microbench: ## Benchmark the inner pieces, the scripts of Redis among them
	go test -run '^$$' -bench . -skip '^(BenchmarkRush|BenchmarkIdleStreams)$$' -benchmem $(PACKAGES)

.PHONY: lint
lint: $(GOLANGCI) $(GOVULNCHECK) ## Check style, correctness and known vulnerabilities
	$(GOLANGCI) run
	@.ci/vulncheck $(GOVULNCHECK)

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code
	$(GOLANGCI) fmt

.PHONY: clean
clean: ## Delete what was built; tools, and the data of `make run`, stay
	rm -rf bin artifacts
	go clean -testcache

$(GOLANGCI):
	@echo "Installing golangci-lint $(GOLANGCI_VERSION); this takes some minutes, once"
	@GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/golangci-lint $@

$(GOVULNCHECK):
	@echo "Installing govulncheck $(GOVULNCHECK_VERSION)"
	@GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	@mv $(TOOLS)/govulncheck $@
