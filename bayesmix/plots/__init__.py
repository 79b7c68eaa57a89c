"""Pictures of solutions: class profiles, curves, diagrams, forests, memberships, transitions, studies.

Every function takes a :class:`~bayesmix.Fit` or the DataTree of a posterior, draws with
Matplotlib's pyplot and returns Axes or a Figure.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
