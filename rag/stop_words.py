"""Words that say nothing about a subject: left out of queries, never out of an index.

English: the list that Snowball publishes beside its stemmer (snowballstem.org), with `can`, `will`
and `may` and with its contractions as the tokenizer splits them. Arabic: the words that make a
question; they are rare in texts, and a rare word counts for much. All as `terms.fold` leaves them.
"""

_ENGLISH = """
i me my myself we us our ours ourselves you your yours yourself yourselves he him his himself she
her hers herself it its itself they them their theirs themselves what which who whom this that
these those am is are was were be been being have has had having do does did doing would should
could ought can will may a an the and but if or because as until while of at by for with about
against between into through during before after above below to from up down in out on off over
under again further then once here there when where why how all any both each few more most other
some such no nor not only own same so than too very
s t d ll re ve m don doesn didn isn aren wasn weren hasn haven hadn won wouldn shan shouldn couldn
"""
_ARABIC = """
ما ماذا متى اين كيف كم هل لماذا لمن بماذا من اي اية هو هي ماهو ماهي الذي التي
"""

STOP_WORDS = frozenset((_ENGLISH + _ARABIC).split())
