"""Every parameter of a model, as Mplus has it: the one table."""

from __future__ import annotations

from bayesmix.mplus.class_places import of_class
from bayesmix.mplus.effect_places import of_effect, of_growth
from bayesmix.mplus.item_places import of_response
from bayesmix.mplus.places import Place, Words, check
from bayesmix.spec import Model


def places(model: Model, words: Words) -> list[Place]:
    """Every parameter of `model`, as Mplus has it.

    Raises
    ------
    ValueError
        A part that Mplus cannot be told.
    """
    check(model)
    out = [p for r in model.responses for p in of_response(model, r, words)]
    out += [p for c in model.classes for p in of_class(model, c, words)]
    out += [p for e in model.effects for p in of_effect(model, e, words)]
    return [*out, *of_growth(model, words)]
