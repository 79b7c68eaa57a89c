# `make help` lists what there is. Every target but clean builds .venv first, where it has to.
.DEFAULT_GOAL := help
.PHONY: help env demo test slow studies bench published check floors wheel site pages clean rebuild

BIN := .venv/bin
STAMP := .venv/stamp
export PYTHON
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# An environment that was moved or copied, or whose interpreter is gone, is made again.
ifneq "$(shell cat .venv/made-in 2>/dev/null && $(BIN)/python -c '' 2>/dev/null && echo runs)" "$(CURDIR) runs"
$(STAMP): rebuild
endif

help:
	@sed -n 's/^\([a-z]*\):.*## */make \1: /p' Makefile

env: $(STAMP)  ## build .venv: needs only some Python 3.12 or newer, and a package index

$(STAMP): pyproject.toml
	@sh tools/make-env
	@touch $(STAMP)

FALL := stubborn_fall-defies_authority_fall
SPRING := stubborn_spring-defies_authority_spring

demo: env  ## generated classrooms: a two-level latent transition model by ML and by NUTS, beside what was published
	@$(BIN)/bayesmix enumerate lca data/toca.csv --items $(FALL) --classes 1-3 --out demo/how_many --quiet
	@$(BIN)/bayesmix fit lta data/toca.csv --waves $(FALL) --waves $(SPRING) --classes 2 --cluster classroom \
		--id student --sample --sample-effects --draws 500 --tune 500 --plots --out demo --quiet
	@echo "1200 generated pupils of 100 classrooms; published: Asparouhov & Muthen (2006)"
	@$(BIN)/bayesmix compare demo --published data/toca_published.csv --plots --brief
	@echo "Listings, pictures, tables, fit and posterior: demo/; 1, 2, 3 classes: demo/how_many/"

test: env  ## the tests, but for the slow ones, on two cores
	@$(BIN)/python -m pytest -n 2 --dist loadfile

slow: env  ## the slow tests
	@$(BIN)/python -m pytest -m slow

studies: env  ## the papers' simulation studies, 100 replications each: hours; goes on where it stopped
	@$(BIN)/python data/studies.py

published: env  ## published log-likelihoods beside ours, of the data sets in the folder BAYESMIX_REAL_DATA
	@$(BIN)/python benchmarks/published.py

check: env floors pages  ## style, types, rooms, and the pages of the site
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

# import-linter and pyright want to see the package as it is installed: models/ inside bayesmix/.
floors: env
	@rm -rf build/floors && mkdir -p build/floors
	@cp -R bayesmix build/floors/ && cp -R models build/floors/bayesmix/models
	cd build/floors && ../../$(BIN)/lint-imports --config ../../pyproject.toml --no-cache --no-logo

site: env  ## the documentation in build/site; notebooks run that have not run yet
	@$(BIN)/python tools/make_site.py

# Pages of the site without a warning, and without a link that leads nowhere; no notebook runs.
pages: env
	$(BIN)/python tools/make_site.py --check

bench: env  ## timings against peers
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@for script in $(filter-out benchmarks/published.py benchmarks/mplus_outputs.py,$(wildcard benchmarks/*.py)); do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

wheel: env  ## both distributions in dist/, and the wheel tried in a new environment; PYTHON=... names interpreters
	@$(BIN)/python tools/try-wheel $(or $(PYTHON),$(shell sh tools/find-python))

clean:  ## remove everything that make made, .venv too
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
