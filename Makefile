# What a developer and CI run. `make` alone lists the targets and the variables.

GO ?= go
## FUZZTIME: how long each fuzz target runs
FUZZTIME ?= 30s
## BENCH: regexp of the benchmarks that bench and benchcmp run
BENCH ?= .
## COUNT: how often each benchmark runs
COUNT ?= 10
## BASE: git ref that benchcmp compares the working tree with
BASE ?= main
## PKGS: packages that test, race, fuzz, bench and benchcmp cover
PKGS ?= ./...
## RACEFLAGS: more flags for the race run, such as -short
RACEFLAGS ?=
## E2EFLAGS: more flags for the end-to-end run, such as -short or -run TestDrain
E2EFLAGS ?=
## BENCHFLAGS: more flags for bench-peers and bench-loop, such as -rounds 20 -each 3s
BENCHFLAGS ?=
## SOAK: how long soak takes
SOAK ?= 30m
## VERSION: what the binary says of itself
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
## IMAGE: name of the image that docker builds
IMAGE ?= switchback:$(VERSION)
## ARGS: what run gives to the binary
ARGS ?= demo

BIN      := dist/switchback
TOOL     := $(GO) tool -modfile=tools/go.mod
EXAMPLES := $(wildcard examples/*/switchback.yaml)

.DEFAULT_GOAL := help
.PHONY: help check docs fmt format vet lint lint-main lint-e2e lint-bench lint-fix test race floors examples tidy \
	tidy-check e2e nginx haproxy prometheus sdks checkers man speed simulate fuzz bench bench-peers \
	bench-peers-quick bench-loop benchcmp crowd transfers kills soak vuln build docker run clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-17s %s\n", $$1, $$2}' Makefile
	@echo; echo "variables, given as make NAME=value:"
	@awk -F ': ' '/^## [A-Z0-9]+: /{sub("## ", "", $$1); printf "  %-17s %s\n", $$1, $$2}' Makefile

check: fmt vet lint test race ## everything to run before a push

fmt: ## fail when a Go file is not formatted (format mends it)
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "not formatted, run make format:"; echo "$$bad"; exit 1; }

format: ## format every Go file
	$(TOOL) golangci-lint fmt
	gofmt -w e2e bench

vet: ## go vet, the modules e2e and bench included
	$(GO) vet ./...
	cd e2e && $(GO) vet -tags e2e ./...
	cd bench && $(GO) vet -tags e2e ./...

lint: lint-main lint-e2e lint-bench lint-fix ## golangci-lint and go fix, the modules e2e and bench included

lint-main:
	$(TOOL) golangci-lint run

lint-e2e:
	cd e2e && $(GO) tool -modfile=../tools/go.mod golangci-lint run --build-tags e2e

lint-bench:
	cd bench && $(GO) tool -modfile=../tools/go.mod golangci-lint run --build-tags e2e

# Two of the fixers make short code longer.
lint-fix:
	$(GO) fix -diff -stringsbuilder=false -stringscut=false ./...

test: ## go test
	$(GO) test $(PKGS)

race: ## go test with the race detector
	$(GO) test -race $(RACEFLAGS) $(PKGS)

floors: ## check which package may import which
	$(GO) test -count=1 -run Floors .

examples: build ## switchback check on every example
	@set -e; for f in $(EXAMPLES); do echo "$(BIN) check -c $$f"; $(BIN) check -c "$$f"; done

tidy: ## go mod tidy in every module
	$(GO) mod tidy
	cd tools && $(GO) mod tidy
	cd e2e && $(GO) mod tidy
	cd examples/canary-metrics && $(GO) mod tidy
	cd bench && $(GO) mod tidy

tidy-check: ## fail when make tidy would change something
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff
	cd e2e && $(GO) mod tidy -diff
	cd examples/canary-metrics && $(GO) mod tidy -diff
	cd bench && $(GO) mod tidy -diff

nginx: ## install nginx from Debian when it is missing
	@sh tools/need-nginx.sh

prometheus: ## install Prometheus from Debian when it is missing
	@sh tools/need-prometheus.sh

haproxy: ## install HAProxy from Debian when it is missing
	@sh tools/need-haproxy.sh

sdks: ## install Node, Chromium and the OpenFeature SDKs of JavaScript when they are missing
	@sh tools/need-node.sh
	@sh tools/need-chromium.sh
	@sh tools/need-sdks.sh

checkers: ## install what judges completions, manual pages and the unit, from Debian when it is missing
	@sh tools/need-checkers.sh

e2e: nginx haproxy prometheus sdks checkers ## the real binary between real servers, a real Prometheus and real OpenFeature SDKs
	cd e2e && $(GO) test -tags e2e -count=1 -timeout 25m $(E2EFLAGS) ./...
	cd bench && $(GO) test -tags e2e -count=1 -timeout 5m $(E2EFLAGS) ./...

crowd: nginx ## 10,000 idle and 5,000 dripping clients (needs 16,000 descriptors)
	cd e2e && IDLE=10000 DRIPPING=5000 $(GO) test -tags e2e -count=1 -timeout 5m -run '^TestCrowd$$' -v .

transfers: ## a gigabyte down and a gigabyte up beside small requests
	cd e2e && TRANSFER=1024 $(GO) test -tags e2e -count=1 -timeout 5m -run '^TestTransfers$$' -v .

kills: nginx ## one of two targets killed 100 times (2 minutes)
	cd e2e && KILLS=100 $(GO) test -tags e2e -count=1 -timeout 15m -run '^TestKillTargets$$' -v .

soak: ## everything at once for SOAK, and nothing may be left of it
	cd e2e && SOAK=$(SOAK) $(GO) test -tags e2e -count=1 -timeout 25h -run '^TestSoak$$' -v .

docs: ## write what is generated anew: the schema, the tables of docs, openapi.json
	$(GO) test ./config ./admin ./metrics -run '^(TestSchemaFile|TestReference|TestOpenAPI|TestAPIDocument|TestMetricsDocument)$$' -update

simulate: ## what the judge is held to, result in docs/judge.md (15 minutes)
	$(GO) test ./simulate -run '^TestTargets$$' -count=1 -timeout 3h -v -full -report ../docs/judge.md

speed: ## evaluations of flags beside flagd's, result in docs/performance.md
	cd e2e && $(GO) test -tags e2e -count=1 -timeout 15m -run '^TestSpeed$$' -v . -speed-report ../docs/performance.md

fuzz: ## run every fuzz target for FUZZTIME
	@GO="$(GO)" sh tools/fuzz.sh $(FUZZTIME) $(PKGS)

bench: ## run the benchmarks, result in new.out
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKGS) | tee new.out

bench-peers: nginx haproxy build ## beside nginx and HAProxy (and CADDY, TRAEFIK, ENVOY=path), result in docs/performance.md (30 minutes)
	mkdir -p dist && cd bench && $(GO) build -o ../dist/bench . && ../dist/bench -report ../docs/performance.md $(BENCHFLAGS)

bench-peers-quick: nginx haproxy build ## the same for a minute, to see that it works; result on the terminal
	mkdir -p dist && cd bench && $(GO) build -o ../dist/bench . && ../dist/bench -rounds 1 -each 300ms -idle 500 $(BENCHFLAGS)

bench-loop: build ## event loops beside net/http for one change, three minutes; result on the terminal
	mkdir -p dist && cd bench && $(GO) build -o ../dist/bench . && ../dist/bench -loop -rounds 5 -each 800ms -idle 2000 $(BENCHFLAGS)

benchcmp: ## compare the benchmarks of BASE with those of the working tree
	@GO="$(GO)" sh tools/benchcmp.sh '$(BASE)' '$(BENCH)' '$(COUNT)' '$(PKGS)'

vuln: ## known vulnerabilities in what is built (needs the vulnerability database)
	$(TOOL) govulncheck ./...

build: ## the static binary, in dist/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/switchback

man: build ## the manual pages, in dist/man
	$(BIN) man --dir dist/man

docker: ## the container image
	docker build --build-arg VERSION=$(VERSION) -t $(IMAGE) .

run: build ## build and run with ARGS
	$(BIN) $(ARGS)

clean: ## remove what the targets made
	rm -rf dist new.out base.out
