"""Three classes of six binary items as `data/three_steps.py` draws them, in the conditions of Bakk and Kuha (2018)."""

import sys
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"
sys.path.insert(0, str(DATA))
import three_steps  # noqa: E402

sys.path.remove(str(DATA))

ITEMS, LOGITS, MEANS = three_steps.ITEMS, three_steps.LOGITS, three_steps.MEANS
drawn, fitted = three_steps.drawn, three_steps.fitted
