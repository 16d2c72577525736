# The commands of this repository. make alone lists them.
MAKEFLAGS += --no-print-directory
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
export GORACE := suppressions='$(CURDIR)/tests/race.suppressions'
BUILD := go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

GENERATED := gen sdk/python/src sdk/typescript/src/gen
PYTHON := --config pyproject.toml . ../../tests/sdk
EXPLORER := server/explorer/assets/web-components.min.js.gz

.PHONY: help dev build explorer gen check test race fuzz fire bench dist dist-linux dist-darwin clean
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

dev: build ## serve on http://localhost:8777 with the state in ./.aod
	@AOD_DATA_DIR=$${AOD_DATA_DIR:-.aod} exec bin/aod serve

build: ## build bin/aod; with npm also the API explorer in it
	@$(MAKE) -s explorer || echo 'bin/aod will have no API explorer at /docs, since npm is missing or failed' >&2
	$(BUILD) -o bin/aod ./server/cmd/aod

explorer: $(EXPLORER) ## fetch the API explorer from npm

$(EXPLORER): server/explorer/package-lock.json
	@rm -rf tests/.cache/explorer && mkdir -p tests/.cache/explorer && cp server/explorer/package*.json tests/.cache/explorer
	npm ci --prefix tests/.cache/explorer --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@for file in web-components.min.js.LICENSE.txt styles.min.css web-components.min.js; do \
		gzip -9nc tests/.cache/explorer/node_modules/@stoplight/elements/$$file > tests/.cache/explorer/$$file.gz && \
		mv tests/.cache/explorer/$$file.gz server/explorer/assets || exit 1; \
	done

gen: ## generate gen/ and what the SDKs have of the API document, and Python's sync client
	go tool oapi-codegen -config oapi-codegen.yaml api/openapi.yaml
	sdk/python/tool python3 generate.py
	sdk/typescript/tool npm run --silent gen

check: ## formatting, vet, tidy modules, fresh generated code, the SDKs, the API document
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run: gofmt -w' >&2; exit 1; }
	go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./sprite/...
	GOOS=darwin CGO_ENABLED=0 go vet ./server/cmd/aod/... ./sdk/go/...
	GOOS=windows CGO_ENABLED=0 go vet ./sdk/go/...
	go mod tidy -diff
	@$(MAKE) gen
	@git diff --exit-code -- $(GENERATED) || { echo 'generated code is stale: run make gen and commit' >&2; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))" || { git ls-files --others --exclude-standard -- $(GENERATED); echo 'generated files are not committed' >&2; exit 1; }
	sdk/python/tool ruff check --quiet $(PYTHON)
	sdk/python/tool ruff format --check --quiet $(PYTHON)
	sdk/python/tool mypy --no-error-summary
	sdk/python/tool python3 -m pytest tests/test_document.py
	sdk/typescript/tool npm run --silent check
	tests/document/lint.sh
	tests/document/breaking.sh
	tests/document/generators.sh

test: explorer ## every test, with the race detector (the real CLIs come from npm)
	go test -race -count=1 -timeout 15m ./...

race: ## the tests of what runs side by side, five times, shuffled
	go test -race -count=5 -shuffle=on -timeout 30m ./server/... ./store/... ./sprite/turn/... ./sprite/local/...

FUZZ ?= 1m
fuzz: ## make up input of every kind, FUZZ=1m for each
	@for file in $$(git grep -l '^func Fuzz' -- '*_test.go'); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$file); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ) ./$$(dirname $$file) || exit 1; \
		done; \
	done

KILLS ?= 300
SESSIONS ?= 300
fire: ## kill the server KILLS=300 times; SESSIONS=300 sessions over a bad network
	KILLS=$(KILLS) SESSIONS=$(SESSIONS) go test -race -count=1 -timeout 6h -v -run UnderFire ./tests

bench: ## benchmarks, to be compared within one run
	go test -run '^$$' -bench . -benchmem ./...

# A release does not depend on where or when it is built, nor on a library of the machine
# that it runs on. For arm64 Debian has gcc-aarch64-linux-gnu and libc6-dev-arm64-cross.
RELEASE := go build -trimpath -buildvcs=auto
NAMED := -s -w -buildid= -X main.version=$(VERSION)
STATIC := -tags netgo,osusergo,sqlite_omit_load_extension -ldflags "$(NAMED) -linkmode=external -extldflags '-static -Wl,--build-id=none'"
ARCHES ?= amd64 arm64
DIST ?= dist
CC_amd64 := x86_64-linux-gnu-gcc
CC_arm64 := aarch64-linux-gnu-gcc

dist: dist-linux dist-darwin ## static binaries for Linux, clients for macOS, and checksums, in dist/
	cd $(DIST) && sha256sum aod-* >SHA256SUMS

dist-linux: explorer
	@mkdir -p $(DIST)
	@set -e; for arch in $(ARCHES); do \
		case $$arch in amd64) cc=$(CC_amd64) ;; arm64) cc=$(CC_arm64) ;; esac; \
		echo "$(DIST)/aod-linux-$$arch"; \
		CGO_ENABLED=1 GOOS=linux GOARCH=$$arch CC=$$cc $(RELEASE) $(STATIC) -o $(DIST)/aod-linux-$$arch ./server/cmd/aod; \
	done

# The commands of a client only: a server needs Linux.
dist-darwin:
	@mkdir -p $(DIST)
	@set -e; for arch in amd64 arm64; do \
		echo "$(DIST)/aod-darwin-$$arch"; \
		CGO_ENABLED=0 GOOS=darwin GOARCH=$$arch $(RELEASE) -ldflags "$(NAMED)" -o $(DIST)/aod-darwin-$$arch ./server/cmd/aod; \
	done

clean: ## remove what was built; ./.aod stays
	rm -rf bin dist tests/.cache server/explorer/assets/*.gz sdk/typescript/build sdk/typescript/dist sdk/typescript/node_modules
