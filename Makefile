# make demo   the whole platform on the miniature world, from prompts to the leaderboard page
# make test   every test; make lint: formatting, types and the layers; make arena: vote on the demo's pictures
# make rehearsal     a study of eight models with two questions, held by simulated raters
# make screenshots   the README's pictures, from the results of both; make messages: the page's words for translators
.PHONY: demo rehearsal test lint arena screenshots messages setup clean
.DEFAULT_GOAL := demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

RUN := results/runs/demo
DATABASE := results/demo.sqlite
REPORT := results/leaderboards/demo
# The teacher, its students by the paper's recipe and by two rivals', and drawings of known truth.
MODELS := mini-sd3 mini-flash-4 mini-flash-2 mini-dmd2-4 mini-lightning-4 sketch-exact sketch-faulty-40

EIGHT := mini-sd3 mini-sd3-4 mini-flash-4 mini-flash-2 mini-dmd2-4 mini-lightning-4 mini-tg-4 mini-tg-1
LOCALE := arena/locale

# Files of tests run at once: each process may hold models and servers of its own.
AT_ONCE ?= 2

export HF_HUB_OFFLINE ?= 1
# Threads that spin while they wait make a busy machine ten times slower, and a free one a third faster.
export OMP_WAIT_POLICY ?= PASSIVE

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	touch $@

demo: $(READY)
	$(BIN)/evalkit generate --run $(RUN) --suite miniature --seeds 2 --batch 16 $(MODELS:%=--model %)
	$(BIN)/evalkit score --run $(RUN) --scorer geneval=miniature --scorer image-reward=miniature --scorer clip-score=miniature
	$(BIN)/arena load --database $(DATABASE) --study demo --run $(RUN) --seed 1
	$(BIN)/arena simulate --database $(DATABASE) --study demo --run $(RUN) --raters 24 --votes 1800 --seed 1 \
		--by geneval-miniature --by image-reward-miniature
	$(BIN)/arena rate --database $(DATABASE) --study demo
	$(BIN)/arena report --database $(DATABASE) --study demo --run $(RUN) --out $(REPORT)
	@echo
	@echo "The leaderboard is $(REPORT)/leaderboard.html"
	@echo "Vote yourself: make arena, then open http://127.0.0.1:7860"

# Raters who are asked of quality follow one score, those asked of alignment another.
rehearsal: $(READY)
	$(BIN)/evalkit generate --run results/runs/rehearsal --suite miniature --batch 16 $(EIGHT:%=--model %)
	$(BIN)/evalkit score --run results/runs/rehearsal --scorer geneval=miniature --scorer image-reward=miniature \
		--scorer clip-score=miniature
	$(BIN)/arena load --database results/rehearsal.sqlite --study docs/rehearsal/study.toml --run results/runs/rehearsal --seed 1
	$(BIN)/arena simulate --database results/rehearsal.sqlite --study rehearsal --run results/runs/rehearsal --raters 60 \
		--votes 7200 --seed 1 --by quality=image-reward-miniature --by alignment=geneval-miniature
	$(BIN)/arena report --database results/rehearsal.sqlite --study rehearsal --run results/runs/rehearsal \
		--out results/leaderboards/rehearsal
	@echo "The leaderboard is results/leaderboards/rehearsal/leaderboard.html"

arena: $(READY)
	$(BIN)/arena serve --database $(DATABASE) --study demo

screenshots: $(READY)
	$(BIN)/python docs/screenshots.py $(REPORT) results/leaderboards/rehearsal $(DATABASE) demo $(RUN)

messages: $(READY)
	$(BIN)/pybabel -q extract -F pyproject.toml -k message --add-location=file --no-wrap --sort-by-file -o $(LOCALE)/arena.pot .
	$(BIN)/pybabel -q update -i $(LOCALE)/arena.pot -d $(LOCALE) -D arena --no-fuzzy-matching --ignore-obsolete --no-wrap \
		--ignore-pot-creation-date

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf results/runs results/images results/leaderboards results/demo.sqlite* results/rehearsal.sqlite*
