"""Words that say nothing about a subject: left out of queries, never out of an index.

English: the list that Snowball publishes beside its stemmer (snowballstem.org), with `can`, `will`
and `may` and with its contractions as the tokenizer splits them. Arabic: the commonest
prepositions, pronouns, particles and question words. All as `terms.fold` leaves them.
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
في من الى على عن مع ان هذا هذه ذلك تلك هو هي هم التي الذي الذين ما ماذا متى اين كيف كم هل لماذا اي
او ثم لا لم لن قد كان كانت يكون تكون بين بعد قبل عند كل بعض غير حتى اذا كما لكن انه انها منذ الي علي
وهو وهي وفي ومن وعلى بها به له لها فيها فيه منها منه
"""

STOP_WORDS = frozenset((_ENGLISH + _ARABIC).split())
