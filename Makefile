# `make test` installs what it needs, builds, and proves everything.
# The stages can be run alone: build, lint, unit, race, conformance, lockorder,
# hostile, programs.

VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO        ?= go
PLATFORMS ?= ptrace,trap
TESTLOG   := $(GO) run ./tools/testlog

# The tree may be another user's, of which git then refuses to tell.
export GOFLAGS            := -buildvcs=false
export SENTINEL_PLATFORMS := $(PLATFORMS)
export SENTINEL           := $(CURDIR)/bin/sentinel

.DEFAULT_GOAL := build

# The linker leaves its file in the page cache page by page. A copy is there in
# larger pieces, as an installed program is, and starts faster.
build: ## bin/sentinel: static, without cgo, reproducible
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/sentinel ./cmd/sentinel
	cp bin/sentinel bin/copy
	mv bin/copy bin/sentinel

setup: ## what the tests and the benchmark run, from Debian
	tools/setup-debian

lint: ## gofmt, vet, staticcheck, and the rules of internal/lint
	$(GO) vet ./...
	GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./internal/abi/...
	$(GO) tool -modfile=tools/lint.mod staticcheck ./...
	$(TESTLOG) $(GO) test ./internal/lint

unit: ## tests beside the code
	$(TESTLOG) $(GO) test ./internal/... ./cmd/... ./tools/...

race: ## the same under the race detector
	$(TESTLOG) $(GO) test -race ./internal/... ./cmd/...

conformance: build setup ## guest programs: on the host, then on each platform
	$(TESTLOG) $(GO) test -count=1 -parallel 3 -timeout 20m ./test/conformance/...

# The go command leaves out folders that begin with _.
lockorder: setup ## unit tests and guest programs with each lock's order checked
	$(GO) run ./tools/lockorder -o bin/_lockorder
	CGO_ENABLED=0 $(GO) build -overlay bin/_lockorder/overlay.json -o bin/_lockorder/sentinel ./cmd/sentinel
	$(TESTLOG) $(GO) test -overlay $(CURDIR)/bin/_lockorder/overlay.json ./internal/...
	SENTINEL=$(CURDIR)/bin/_lockorder/sentinel SENTINEL_PLATFORMS=trap \
		$(TESTLOG) $(GO) test -count=1 -parallel 3 -timeout 20m ./test/conformance/...

hostile: build setup ## guests that attack the platform
	$(TESTLOG) $(GO) test -count=1 -timeout 20m ./test/hostile

programs: build setup ## real programs: natively, then on each platform
	$(TESTLOG) $(GO) test -count=1 -timeout 40m ./test/programs/...

test: setup build lint unit race conformance lockorder hostile programs

bench: build setup ## side by side with chroot, runc, crun and runsc
	$(GO) run ./test/bench -platforms $(PLATFORMS) $(BENCHFLAGS)

clean:
	rm -rf bin

help:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

.PHONY: build setup lint unit race conformance lockorder hostile programs test bench clean help
