"""``train --by_hand``: what one training step computes, as a readable page or with every number."""
