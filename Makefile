# Two commands do all set-up: `make run` serves the app, `make test` checks everything. `make test-plain` runs what
# compares numbers once more by the plainest kernels, as on a processor without AVX.
PYTHON ?= python3
VENV_OPTIONS ?=
VENV := .venv
BIN := $(VENV)/bin

PLAIN := NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR" ATEN_CPU_CAPABILITY=default \
	ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-plain check clean

run: $(VENV)/.runtime
	$(BIN)/python -m streamlit run app.py

test: check
	$(PYTEST)

test-plain: $(VENV)/.dev
	$(PLAIN) $(PYTEST) -m numbers

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.runtime: requirements.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV_OPTIONS) $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.runtime pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .cache
