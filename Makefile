# Evently. Needs Go and make, and for `make test` a C compiler, which is installed if missing.

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0

# The version is part of a tool's file name, so that a new version is installed.
TOOLS       := $(CURDIR)/.bin
GOLANGCI    := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)

# Printed by `evently version`. The date is the commit's, so that builds are reproducible.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

# Vet is part of `make lint`. bcrypt is not ours, and takes twenty times as long with the race detector in it.
RACE := -race -gcflags=golang.org/x/crypto/blowfish=-race=false -ldflags='-s -w'

TEST_FLAGS ?=
PACKAGES   ?= ./...

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Serve on :3000 with a private PostgreSQL and Redis and demo data, until Ctrl-C
	@exec bin/evently dev

.PHONY: build
build: ## Build bin/evently, static, with version, commit and date
	@CGO_ENABLED=0 .ci/build bin/evently -buildvcs=false -trimpath -ldflags '$(LDFLAGS)' ./cmd/evently

.PHONY: test
test: ## Run all tests with the race detector, against real stores that they start
	@.ci/ensure-cc
	@.ci/ensure-promtool
	@.ci/ensure-stores
	@.ci/test $(RACE) -vet=off -p 3 -parallel 4 -count=1 -timeout 10m $(TEST_FLAGS) $(PACKAGES)

.PHONY: test-long
test-long: ## Test what takes longer: in a browser, under faults, the image, the stores of `make run`
	@.ci/ensure-cc
	@.ci/ensure-chromium
	@.ci/ensure-stores
	@.ci/test $(RACE) -count=1 -timeout 20m -tags long $(TEST_FLAGS) ./internal/app ./internal/chaos ./internal/devstack ./internal/opstest ./internal/waitingroom ./cmd/evently

.PHONY: test-compat
test-compat: ## Test behind nginx and PgBouncer, on a Redis Cluster and with TLS to both stores
	@.ci/ensure-compat
	@PATH="$$PATH:/usr/sbin" .ci/test -count=1 -tags compat -run '^(TestBehindPgBouncerInTransactionMode|TestOnARedisCluster|TestTLSToBothStores|TestNginx_.*)$$' ./internal/app

DURATION ?= 60s
SEED     ?= 0

.PHONY: chaos
chaos: ## Book under faults for DURATION=60s, and check the history of responses
	go test -count=1 -timeout 0 -v -tags long -run '^TestChaos_' ./internal/chaos \
		-chaos.duration=$(DURATION) -chaos.seed=$(SEED) -chaos.journal=$(CURDIR)/artifacts/chaos.jsonl

.PHONY: chaos-proof
chaos-proof: ## Check that the checker finds bugs that are built into the service one by one
	go test -count=1 -timeout 0 -v -tags proof -run '^TestChecker_' ./internal/chaos -chaos.duration=$(DURATION)

.PHONY: degrade
degrade: ## Measure latencies while the stores are unavailable
	go test -count=1 -timeout 10m -v -tags proof -run '^TestDegrading_' ./internal/chaos

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME=30s
	@.ci/fuzz $(FUZZTIME)

.PHONY: browser
browser: ## Test the documentation page in a browser; screenshots go to artifacts/
	@.ci/ensure-cc
	@.ci/ensure-chromium
	@.ci/test $(RACE) -count=1 -timeout 3m -tags long -run Browser $(TEST_FLAGS) ./internal/app

BENCH_FLAGS ?= -report docs/benchmarks.md

.PHONY: bench
bench: build ## Benchmark in production settings; updates docs/benchmarks.md
	@go build -buildvcs=false -trimpath -o bin/evently-bench ./cmd/evently-bench
	@bin/evently-bench $(BENCH_FLAGS)

# Without the two benchmarks that take minutes.
.PHONY: microbench
microbench: ## Run the Go benchmarks
	go test -run '^$$' -bench . -skip '^(BenchmarkRush|BenchmarkIdleStreams)$$' -benchmem $(PACKAGES)

.PHONY: lint
lint: lint-api $(GOLANGCI) $(GOVULNCHECK) ## Check style, correctness and known vulnerabilities; RELEASE=1 as on a tag
	$(GOLANGCI) run
	@.ci/vulncheck $(GOVULNCHECK)

.PHONY: lint-api
lint-api: ## Lint the OpenAPI document, and compile clients of the types that generators make of it
	@.ci/ensure-node
	@npm run --silent --prefix api/typescript check

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code
	$(GOLANGCI) fmt

.PHONY: clean-data
clean-data: build ## Delete the data of `make run`, which starts anew next time
	@bin/evently dev --clean

.PHONY: clean
clean: ## Delete build results; tools and the data of `make run` stay
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
