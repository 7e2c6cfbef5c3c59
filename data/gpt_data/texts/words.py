"""The corpus ``words``: English words of one to four letters in random order, to be completed letter by letter.

The alphabet is ten letters and the blank. The words that begin with ``ca`` determine what may follow ``ca``; anything
may follow a blank, because the words are drawn independently. So ``gpt_data.floors.loss_floor`` can compute the lowest
possible loss exactly.
"""

from __future__ import annotations

from random import Random

WORDS = tuple(
    """
    a i
    an as at in is it no on or so to
    ace act air ale all ant arc are art ate can car cat cot ear eat eel era ice ill inn ion ire its let lie lit lot net
    nil nor not oar oat oil one ore ran rat roe rot sat sea see set sir sit son tan tar tea ten tie tin toe ton too
    aces acre also area arts call cane care cart case cast cell cent clan coal coat coin cone cool core corn cost earl
    earn ease east else icon into iris iron isle lace lane last late lean lens less line lion list loan lone lose loss
    lost nail near neat nest nice nine none noon nose note oils once onto oral race rail rain rare rate real rent rest
    rice riot rise roar role roll root rose sail salt sane scar seal seat seen sell sent silo site slot soil sole solo
    soon sore sort star stir tail tale tall tear tell tent test tile till toil tone tool torn tree trio
    """.split()
)
DRAWS = 6000
SEED = 42


def words_text() -> str:
    """Return 6,000 words drawn uniformly and independently, each followed by one blank; the same on every machine."""
    # Only random() is guaranteed to give the same numbers in every release of Python.
    generator = Random(SEED)
    return "".join(f"{WORDS[int(generator.random() * len(WORDS))]} " for _ in range(DRAWS))
