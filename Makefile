# perch: what there is to run. CI calls `make lint` and `make test`.

CARGO ?= cargo
# The crates of the workspace that have tests.
TESTED = --package perch --package perch-percolator --package perch-sente

# Files of page tests at one time. They wait for browser and server a lot: with Node's own number,
# one less than cores, the cores are idle.
PAGE_TESTS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: test test-long lint bench bench-peers fuzz web-tools openapi-tools chromium proxies screenshots

# Every test. Installs first what only tests need and the machine lacks.
test: web-tools chromium proxies
	$(CARGO) test --locked $(TESTED)
	node --test --test-concurrency=$(PAGE_TESTS) web/tests/*.test.mjs

# The same with longer runs of the property tests, a hundred kills instead of five, for root power
# cuts on a file system of their own, and other people's tools at the interface.
test-long: web-tools chromium proxies openapi-tools
	PERCH_LONG_TESTS=1 $(CARGO) test --locked $(TESTED)
	PERCH_LONG_TESTS=1 node --test --test-concurrency=$(PAGE_TESTS) web/tests/*.test.mjs

lint: web-tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --features perch-fuzz/libfuzzer -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	npx --no-install tsc --project web/jsconfig.json

# The benchmarks; `make bench SHORT=1` takes a minute, the whole takes much longer.
bench:
	$(CARGO) bench --locked --benches -- $(if $(SHORT),--short)

# perch beside Lucene Monitor and others: 20 minutes; benches/peers/README.md says how. SHORT=1
# takes seven, and two to build it, ARGS="--mix rare" runs some of it.
bench-peers:
	$(CARGO) run --locked --release --package perch-peers -- $(if $(SHORT),--short) $(ARGS)

# Feeds each parser with broken input for a minute, on any toolchain; fuzz/README.md has more.
fuzz:
	for target in query json tweet frame bulk transit edn; do \
		$(CARGO) run --locked --package perch-fuzz -- $$target $(or $(SECONDS_EACH),60) || exit 1; done

web-tools: node_modules/.installed

node_modules/.installed: package-lock.json
	npm ci --no-audit --no-fund --silent
	touch $@

# What docs/openapi.json is checked with.
openapi-tools: target/openapi-tools/.installed

target/openapi-tools/.installed: tests/openapi/requirements.txt
	python3 -m venv target/openapi-tools
	target/openapi-tools/bin/pip install --quiet --disable-pip-version-check -r tests/openapi/requirements.txt
	touch $@

# The browser that the page is tested in. CHROMIUM=/path/to/it uses another one than Debian's.
chromium:
	@test -n "$$CHROMIUM" || command -v chromium >/dev/null || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

# The proxies whose configurations in docs/PROXIES.md are tested. Where they can't be installed
# those tests say so, and fail in CI only.
proxies:
	@{ test -x /usr/sbin/nginx && command -v caddy >/dev/null && test -x /usr/sbin/haproxy; } || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light caddy haproxy >/dev/null; } || \
	  echo "skipped: nginx, caddy or haproxy can't be installed"

# The pictures in docs/screenshots, of made-up tweets.
screenshots: web-tools chromium
	node web/tests/screenshots.mjs
