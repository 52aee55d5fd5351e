"""Studies beside the product: small experiments that train their own models and measure one question each.

They are run from a checkout of the repository, ``python -m research STUDY --out DIR``, and are no part of the
installed package: nothing in ``saccade`` imports them. A study writes its numbers as JSON and, where it has one, its
curve as SVG. What a run with the recipe as it stands has measured is stored in ``docs/``: ``docs/exits.json`` is the
``exits.json`` of ``python -m research exits``. ``research/README.md`` lists the studies with their questions, results
and tests.
"""
