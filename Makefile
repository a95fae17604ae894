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

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build: need-cc need-c++ need-python3 need-cargo ## target/release/pdiff, the libraries beside it and the example programs
	$(TORCH) cargo build $(RELEASE)

# Cargo decides whether these change, and what comes from them is made again only then.
$(PDIFF) $(ZOO): build ;

test: need-cc need-c++ need-python3 need-cargo lint ## every test, with libtorch and without
	$(TORCH) cargo test $(RELEASE) --no-fail-fast
	cargo test --no-default-features --no-fail-fast

lint: need-c++ need-python3 need-cargo ## format and clippy, warnings as errors
	cargo fmt --all --check
	$(TORCH) cargo clippy $(RELEASE) --all-targets -- -D warnings

header: need-cc need-c++ need-cargo ## include/pdiff.h from src/ffi
	PDIFF_BLESS=1 cargo test --no-default-features --test header

bench: need-c++ need-python3 need-cargo ## times of training and sampling
	$(TORCH) cargo bench

# The demo: 300 steps of a small CNN, a generator of its weights, 200 generated networks, and their table and report.
# Each file is made once and made again only after what it comes from.
DEMO := build/demo

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

.PHONY: help build test lint header bench demo lenet5 cifar10 clean
