"""Contexts (P, C, T) and class names -> text features (K, P, D), through a frozen text tower.

Every prompt is what the tokenizer puts before a text (CLIP: [SOS]), then the context, the name's tokens, what it puts
behind (CLIP: [EOT]), and padding (paper, section 2). Where the feature is read is the tower's own affair.

* Causal and read at EOT, as CLIP: ``causal`` computes the same numbers from what is needed alone.
* All others (MobileCLIP, SigLIP, CLIPA, CoCa): ``plain`` runs the tower as it is, padding included, since each token
  may see every other and the feature may be read behind them all.
"""

from gallop.backbones.text.choice import text_tower
from gallop.backbones.text.packing import NameTokens
from gallop.backbones.text.tower import MEMORY_BUDGET, TextTower, memory_budget

__all__ = ["MEMORY_BUDGET", "NameTokens", "TextTower", "memory_budget", "text_tower"]
