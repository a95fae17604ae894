.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The package a missing tool comes in.
IN_cc := a C compiler (package gcc)
IN_c++ := a C++ compiler (package g++)
IN_python3 := python3 with pip (package python3-pip)
IN_cargo := the Rust toolchain, 1.89 or newer
IN_go := the Go toolchain

need-%:
	@: $(if $(shell command -v $*),,$(error $* is missing: install $(IN_$*)))

# libtorch is looked for, or fetched, once for each recipe line that uses it.
TORCH = LIBTORCH="$$(.ci/libtorch)" && export LIBTORCH LD_LIBRARY_PATH="$$LIBTORCH/lib$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" &&

# One profile for all that links libtorch, so that its C++ binding is compiled once.
RELEASE := --release --workspace
BUILT := $(or $(CARGO_TARGET_DIR),target)/release
PDIFF := $(BUILT)/pdiff
ZOO := $(BUILT)/zoo
SMALL := $(or $(CARGO_TARGET_DIR),target)/small
DEBUG := $(abspath $(or $(CARGO_TARGET_DIR),target)/debug)
DEMO := build/demo

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build: need-cc need-c++ need-python3 need-cargo ## target/release/pdiff, the libraries beside it and the example programs
	$(TORCH) cargo build $(RELEASE)

# Cargo decides whether these change, and what comes from them is made again only then.
$(PDIFF) $(ZOO): build ;

test: need-cc need-c++ need-python3 need-cargo lint go-test ## every test, with libtorch and without
	$(TORCH) cargo test $(RELEASE) --no-fail-fast
	cargo test --no-default-features --no-fail-fast
	$(MAKE) portable

# Against the library without libtorch, as the tests build it.
go-test: need-cc need-cargo need-go ## the Go module: vet, race detector, cgo's pointer checks
	cargo build --no-default-features --lib
	cd bindings/go && export GODEBUG=cgocheck=1 CGO_LDFLAGS="-L$(DEBUG) -Wl,-rpath,$(DEBUG)" && \
	    go vet -tags pdiff_tree ./... && go test -tags pdiff_tree -race ./...

lint: need-c++ need-python3 need-cargo ## format and clippy, warnings as errors
	cargo fmt --all --check
	$(TORCH) cargo clippy $(RELEASE) --all-targets -- -D warnings

header: need-cc need-c++ need-cargo ## include/pdiff.h from src/ffi
	PDIFF_BLESS=1 cargo test --no-default-features --test header

small: need-cargo ## target/small/libpdiff.so: the library without libtorch, for hosts that only sample
	cargo build --profile small --no-default-features --lib

bench: need-cc need-c++ need-python3 need-cargo small ## times of training and sampling, and docs/results/sampling.json
	$(TORCH) cargo bench --bench engine
	$(TORCH) cargo bench --bench sampling -- -o $(CURDIR)/docs/results/sampling.json
	$(MAKE) first

# Each finished cell is a file under build/quality that is not made again.
bench-quality: build ## zoos, generators and baselines by every measure, into docs; RIG=s-mlp for one rig alone
	python3 benches/quality --programs $(BUILT) $(RIG)

bench-quality-short: build ## the same stages at reduced size, in about a minute
	rm -rf build/quality-short
	python3 benches/quality --short --programs $(BUILT) --build build/quality-short

# Made by the demo, so that it has a real network's size.
first: small $(DEMO)/net.pdiff ## what opening and the first network cost without libtorch
	$(CC) -std=c99 -D_POSIX_C_SOURCE=199309L -O2 -Wall -Wextra -Werror -Iinclude -o build/first benches/first.c \
	    -L$(SMALL) -lpdiff -Wl,-rpath,$(abspath $(SMALL))
	@ls -l $(SMALL)/libpdiff.so $(DEMO)/net.pdiff | awk '{ print $$5, "bytes:", $$9 }'
	@build/first $(DEMO)/net.pdiff

portable: need-cargo ## the core's tests on a CPU without AVX, where qemu-user is installed
	@program="$$(cargo test --no-default-features --lib --no-run --message-format short 2>&1 \
	    | sed -n 's/.*(\(.*deps.pdiff-[0-9a-f]*\)).*/\1/p')" && \
	if [ "$$(uname -m)" = x86_64 ] && command -v qemu-x86_64 >/dev/null; \
	then qemu-x86_64 -cpu Nehalem "$$program" --skip command; \
	else echo "portable: skipped, as it needs qemu-x86_64 (package qemu-user)"; fi

# The demo: 300 steps of a small CNN, a generator of its weights, 200 generated networks, and their table and report.
# Each file is made once and made again only after what it comes from.
demo: $(DEMO)/report.html ## the main job on real images: its table, and build/demo/report.html
	@cat $(DEMO)/table.txt
	@echo "The report is $(DEMO)/report.html"

$(DEMO)/zoo.done: $(ZOO) $(PDIFF)
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	$(ZOO) train --collect $(DEMO)/zoo
	touch $@

$(DEMO)/net.pdiff: $(DEMO)/zoo.done $(PDIFF)
	$(PDIFF) train $(DEMO)/zoo -o $@

$(DEMO)/samples.done: $(DEMO)/net.pdiff
	rm -rf $(DEMO)/samples
	$(PDIFF) sample $< -n 200 --seed 1 -o $(DEMO)/samples
	touch $@

$(DEMO)/table.txt: $(DEMO)/samples.done
	$(PDIFF) evaluate $(DEMO)/net.pdiff --score '$(ZOO) score {files}' --baseline-count 40 >$@

$(DEMO)/report.html: $(DEMO)/table.txt
	$(PDIFF) report $(DEMO)/net.pdiff -o $@

# The demo's case again, over collections and generators of other seeds, none of which the method was chosen on.
SEEDS := build/seeds
seeds: build ## means and standard errors over three collections by three generators
	mkdir -p $(SEEDS)
	for z in 4 5 6; do \
	    [ -d $(SEEDS)/$$z ] || { $(ZOO) train --seed $$z --collect $(SEEDS)/part && mv $(SEEDS)/part $(SEEDS)/$$z; } || exit; \
	    for g in 1 2 3; do \
	        $(PDIFF) train $(SEEDS)/$$z --seed $$g -o $(SEEDS)/$$z-$$g.pdiff && \
	        $(PDIFF) evaluate $(SEEDS)/$$z-$$g.pdiff --seed $$g --score '$(ZOO) score {files}' --baseline noise \
	            --baseline 'Gaussian, all' --baseline 'soup of' --baseline interpolation >/dev/null || exit; \
	    done; \
	done
	python3 benches/seeds.py $(SEEDS)/*.evaluation.json

# The two cases that users of the published code report as broken: generated networks beside their originals.
lenet5: build ## LeNet-5 on MNIST: generated networks beside 300 originals and baselines
cifar10: build ## a CNN of 39,882 parameters on CIFAR-10, likewise
lenet5: NET := lenet5
lenet5: IMAGES := --data mnist --images 4000
cifar10: NET := cifar-cnn
cifar10: IMAGES := --data cifar10 --images 2000
lenet5 cifar10:
	[ -d examples/zoo/data/full/$(if $(filter lenet5,$@),mnist,cifar10) ] || examples/zoo/data/fetch $(if $(filter lenet5,$@),mnist,cifar10)
	mkdir -p build/$@
	[ -d build/$@/zoo ] || { $(ZOO) train --net $(NET) --collect build/$@/part && mv build/$@/part build/$@/zoo; }
	$(PDIFF) train build/$@/zoo -o build/$@/net.pdiff
	$(PDIFF) evaluate build/$@/net.pdiff --score '$(ZOO) score --net $(NET) $(IMAGES) {files}' --baseline-count 30 \
		--baseline 'Gaussian, all' --baseline 'soup of 16' --baseline interpolation
	$(PDIFF) report build/$@/net.pdiff -o build/$@/report.html

clean: ## removes what was built; libtorch and fetched data stay
	rm -rf build target

.PHONY: help build small test go-test portable lint header bench bench-quality bench-quality-short first demo seeds lenet5 cifar10 clean
