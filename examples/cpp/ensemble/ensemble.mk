# A host that links this libtorch itself; its headers are system headers, which the warnings leave out.
ENSEMBLE := build/ensemble
$(ENSEMBLE)/ensemble: $(wildcard examples/cpp/ensemble/*pp) include/pdiff.h include/pdiff.hpp | build
	mkdir -p $(ENSEMBLE)
	$(TORCH) $(CXX) -std=c++17 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -isystem "$$LIBTORCH/include" \
	    -o $@ examples/cpp/ensemble/main.cpp -L$(BUILT) -lpdiff -L"$$LIBTORCH/lib" -ltorch_cpu -lc10 \
	    -Wl,-rpath,$(abspath $(BUILT)),-rpath,"$$LIBTORCH/lib"

$(ENSEMBLE)/test-%-ubyte: examples/zoo/data/test-%-ubyte.gz
	mkdir -p $(ENSEMBLE)
	gzip -dc $< >$@

ENSEMBLE_NEEDS := $(ENSEMBLE)/ensemble $(ENSEMBLE)/test-images-idx3-ubyte $(ENSEMBLE)/test-labels-idx1-ubyte $(DEMO)/net.pdiff

ensemble: need-c++ $(ENSEMBLE_NEEDS) ## ensembles of generated networks in a C++ host with its own libtorch: docs/results/ensemble.json
	$(ENSEMBLE)/ensemble $(DEMO)/net.pdiff $(DEMO)/zoo $(ENSEMBLE) 20 2000 docs/results/ensemble.json

ensemble-test: need-c++ need-python3 $(ENSEMBLE_NEEDS) ## the same at reduced size, and a check of what it prints
	$(ENSEMBLE)/ensemble $(DEMO)/net.pdiff $(DEMO)/zoo $(ENSEMBLE) 2 500 $(ENSEMBLE)/test.json
	python3 examples/cpp/ensemble/check.py $(ENSEMBLE)/test.json
