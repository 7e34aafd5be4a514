# Everything a learner types. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup train evaluate predict flops gradcheck data lesson lessons check mine progress book docs dream explain explorer test fuzz crash lint bench clean

help:        ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: $(VENV)/ready        ## make the environment in .venv (every other target does it when needed)

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than 3.10: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV), once ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

train: setup        ## train a reduced GoogLeNet: CIFAR-10, or Shapes-10 without it   (options: ARGS="--epochs 3")
	@$(RUN) -m minigooglenet train $(ARGS)

evaluate: setup        ## test accuracy of the latest run
	@$(RUN) -m minigooglenet evaluate $(ARGS)

predict: setup        ## classify a photo: make predict ARGS="photo.jpg"
	@$(RUN) -m minigooglenet predict $(ARGS)

flops: setup        ## count the parameters and operations of GoogLeNet, and check Table 1 of the paper
	@$(RUN) -m minigooglenet flops $(ARGS)

gradcheck: setup        ## check every backward pass against finite differences
	@$(RUN) -m minigooglenet gradcheck $(ARGS)

data: setup        ## fetch CIFAR-10, or draw Shapes-10: make data ARGS="shapes10"
	@$(RUN) -m minigooglenet data $(ARGS)

lesson: setup        ## run a lesson of the course: make lesson N=7; without N, the list of them
	@$(RUN) -m lessons $(N) $(ARGS)

lessons: setup        ## run all lessons, in order, against their time budgets   (options: ARGS="--quick")
	@$(RUN) -m lessons all $(ARGS)

check: setup        ## check your answers to a lesson's exercises: make check N=7; a hint: make check N=7 HINT=1
	@test -n "$(N)" || { echo "which lesson? make check N=7"; exit 2; }
	@$(RUN) -m lessons check $(N) $(if $(HINT),--hint $(HINT)) $(ARGS)

mine: setup        ## a network of your own answers: checked, trained, and run with the weights of 2014
	@$(RUN) -m lessons mine $(ARGS)

progress: setup        ## which lessons ran, which exercises pass, what is next
	@$(RUN) -m lessons progress

book: $(VENV)/book        ## all lessons as a web site and notebooks, in build/book   (options: ARGS="1 7 --quick")
	@$(RUN) -m lessons book $(ARGS)

$(VENV)/book: $(VENV)/ready
	@echo "Setting up Jupyter's tools for the book, once ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test,book]'
	@touch $@

docs: $(VENV)/docs        ## the API pages and the book, linked: build/docs, build/book   (options: ARGS="1 7 --quick")
	@$(RUN) docs/api/build.py build/docs
	@$(RUN) -m lessons book $(ARGS)

$(VENV)/docs: $(VENV)/book
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test,book,docs]'
	@touch $@

dream: setup        ## DeepDream on a photo: make dream ARGS="photo.jpg"; from noise without one
	@$(RUN) -m minigooglenet dream $(ARGS)

explain: setup        ## why a photo is classified as it is: make explain ARGS="photo.jpg"
	@$(RUN) -m minigooglenet explain $(ARGS)

explorer: setup        ## a page to explore a network: make explorer ARGS="--weights FILE --photos cat.jpg dog.jpg"
	@$(RUN) -m minigooglenet explorer $(ARGS)

test: setup        ## all tests
	@$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: setup        ## read 100,000 mutated files with every reader (options: ARGS="--inputs 1000 --reader onnx")
	@PYTHONPATH=tests $(RUN) -m fuzz $(ARGS)

crash: setup        ## kill training runs 300 times and inject file errors; resume and compare (options: ARGS=--help)
	@PYTHONPATH=tests $(RUN) -m crash $(ARGS)

lint: setup        ## style, unused names and types
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy minigooglenet

bench: setup        ## compare speed with PyTorch and other engines, if installed (options: ARGS="--all", ARGS=--help)
	@$(RUN) -m benchmarks $(ARGS)

clean:        ## remove the environment, caches and built files; runs/ and datasets/ stay
	@rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
