"""Several occasions: the same items in other columns, transitions between their classes, random logits of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayesmix.checks import is_whole, one_of, whole
from bayesmix.spec.blocks.classes import COVARIANCES, class_logits
from bayesmix.spec.blocks.effects import random_class_logits_at_occasion
from bayesmix.spec.blocks.measurement import BETWEEN, Families, item_responses, listed, loading_on, with_offset
from bayesmix.spec.blocks.priors import CLASS_LOGIT
from bayesmix.spec.model import Effect, LatentClass, Model, Predictor, Response, Term
from bayesmix.spec.names import in_common
from bayesmix.spec.parameters import Parameter, at

REGRESSIONS = ("first-order", "all", "none")
CHAIN = "G"
"""The class variable above the chain."""


@dataclass(frozen=True)
class Chain:
    """Classes of individuals at all occasions, by whom the chains differ.

    Attributes
    ----------
    classes : tuple of LatentClass
        The class variable; none of one class.
    movers : tuple of str
        What the logits of transitions depend on: its name, but for movers and stayers alone.
    stayers : str, optional
        Its name, where the members of its last class never move.
    """

    classes: tuple[LatentClass, ...]
    movers: tuple[str, ...]
    stayers: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """What initial classes and items may depend on."""
        return tuple(c.name for c in self.classes)

    def of_movers(self, terms: Predictor) -> Predictor:
        """The logits of transitions, those of stayers no parameters: they are never used."""
        if not self.stayers or not self.movers:
            return terms
        none = at(0.0, **{self.stayers: -1})
        return tuple(
            replace(t, parameter=replace(t.parameter, fixed=(*t.parameter.fixed, none)))
            if self.stayers in t.parameter.dims
            else t
            for t in terms
        )


@dataclass(frozen=True)
class Occasions:
    """The same items at several occasions, each with a class variable ``C1``, ``C2``, ...

    Attributes
    ----------
    waves : list of list of str
        Columns of the items at each occasion.
    items : list of str
        Their names in results.
    free : list of str
        Those whose parameters are free over time.
    sizes : list of int
        Numbers of classes.
    """

    waves: list[list[str]]
    items: list[str]
    free: list[str]
    sizes: list[int]

    @classmethod
    def of(
        cls,
        waves: Sequence[Sequence[str]],
        classes: int | Sequence[int],
        names: Sequence[str] | None,
        measurement: str | Sequence[str],
    ) -> Occasions:
        """Take occasions as :func:`bayesmix.models.lta` has them.

        Raises
        ------
        ValueError
            No occasion, occasions with other numbers of items, numbers of classes that do not fit the occasions or
            the measurement, an item of another name.
        """
        columns = _waves(waves)
        sizes = _sizes(classes, len(columns), measurement)
        items = list(names) if names is not None else in_common(columns)
        if len(items) != len(columns[0]) or len(set(items)) < len(items):
            raise ValueError(
                f"names came as {items!r}: give one name for each of the {len(columns[0])} items, none twice."
            )
        return cls(columns, items, _free(items, measurement), sizes)

    def responses(
        self,
        family: Families,
        variance: str,
        by: Sequence[str] = (),
        covariates: Mapping[str, str | Sequence[str]] | None = None,
        random_intercept: str | None = None,
        offset: Any = None,
    ) -> tuple[Response, ...]:
        """The items of each occasion, those that are free over time apart: (6), (11).

        Parameters
        ----------
        family : Family or mapping of item to Family, optional
        variance : {"equal", "class"}
        by : sequence of str
            Class variables of the individual at all occasions that the items depend on too.
        covariates : mapping of item to formula or formulas, optional
            Direct effects on an item: one formula, or one for each occasion.
        random_intercept : {"item", "one"}, optional
            Loadings of the items, the same at all occasions, on a factor `f` of the individual.
        offset : str, sequence of str or mapping of item to these, optional
            Of all items, or of each: one for all occasions, or one for each.

        Raises
        ------
        ValueError
            What :func:`item_responses` and :func:`with_offset` refuse; formulas for no item, or for another number of
            occasions; one loading for all items of which some have several categories in no order.
        """
        out, family = [], _by_name(family, self.items, self.waves)
        formulas = self._item_formulas(covariates)
        offsets = self._item_formulas(self._offsets(offset), "offset")
        for free in (False, True):
            items = [i for i in self.items if (i in self.free) == free]
            own = {i: f for i, f in family.items() if i in items} if isinstance(family, Mapping) else family
            effects, added = ({i: _in_one(f) for i, f in some.items() if i in items} for some in (formulas, offsets))
            declared = item_responses(items, own, (*by, "C"), variance, effects) if items else ()
            declared = with_offset(declared, added or None)
            if random_intercept:
                declared = tuple(loading_on(r, {"f": items}, (), random_intercept == "one") for r in declared)
            for r in map(_apart, declared) if free and len(items) < len(self.items) else declared:
                for t, wave in enumerate(self.waves, start=1):
                    columns, classes = [wave[self.items.index(i)] for i in r.items], {"C": f"C{t}"}
                    out.append(response_at_occasion(r, t, columns, {} if free else classes, classes if free else {}))
        return tuple(sorted(out, key=lambda r: int(r.name.rpartition("_")[2])))

    def _offsets(self, offset: Any) -> Any:
        """The offset of each item, where one or one for each occasion came for all of them."""
        return offset if offset is None or isinstance(offset, Mapping) else dict.fromkeys(self.items, offset)

    def _item_formulas(self, covariates: Any, what: str = "item_covariates") -> dict[str, list[str]]:
        """A formula of each item for each occasion."""
        if covariates is not None and not isinstance(covariates, Mapping):
            raise ValueError(
                f"{what} came as {covariates!r}: give a formula, or one for each occasion, by item, such as "
                "{'a': ['stress1', 'stress2']}."
            )
        out: dict[str, list[str]] = {}
        for item, given in (covariates or {}).items():
            if item not in self.items:
                raise ValueError(f"{what} came for '{item}', which is not among the items: {', '.join(self.items)}.")
            each = [given] * len(self.waves) if isinstance(given, str) or not isinstance(given, Iterable) else [*given]
            if len(each) != len(self.waves) or not all(isinstance(f, str) for f in each):
                raise ValueError(
                    f"{what} came with {given!r} for '{item}': give one formula, or one for each of the "
                    f"{len(self.waves)} occasions."
                )
            out[item] = each
        return out

    def transitions(
        self,
        covariates: str | Sequence[str | None] | None,
        order: int,
        stationary: bool,
        by_origin: bool,
        additive: bool = False,
        by: Sequence[str] = (),
    ) -> list[Predictor]:
        """Logits of the classes of every occasion but the first, given those before: (9), (13).

        Parameters
        ----------
        covariates, order, stationary, by_origin, additive
            As :func:`bayesmix.models.lta` has them.
        by : sequence of str
            Class variables of the individual at all occasions that the logits depend on too.

        Raises
        ------
        ValueError
            An order that is no whole number; stationary transitions of another order than 1, with several formulas, or
            between other numbers of classes; main effects alone, or slopes by the class left, without what they are of;
            another number of formulas than of transitions.
        """
        whole("order", order, 0, ", the classes that one depends on")
        if order > max(1, len(self.sizes) - 1):
            raise ValueError(
                f"order came as {order} for {len(self.sizes)} occasions: a class depends on "
                f"{max(1, len(self.sizes) - 1)} before it at most."
            )
        if additive and order < 2:
            raise ValueError(
                f"additive=True came with order={order}: main effects of earlier classes are those of two at least; "
                "give order=2, or leave additive= out."
            )
        if by_origin and not order:
            raise ValueError("covariates_by_origin=True came with order=0, where no class is left: leave one out.")
        formulas = self._formulas(covariates, order, stationary)
        return [
            self._transition(t, formulas[t - 2], order, stationary, by_origin, additive, by)
            for t in range(2, len(self.sizes) + 1)
        ]

    def _formulas(self, covariates: Any, order: int, stationary: bool) -> list[str | None]:
        each = [] if covariates is None or isinstance(covariates, str) else list(covariates)
        if stationary and (order != 1 or each):
            raise ValueError(
                "Stationary transitions are of order 1 and have one formula: give order=1, one formula or none."
            )
        if stationary and len(set(self.sizes)) > 1:
            raise ValueError(_unequal(self.sizes, "free", stationary))
        n = len(self.sizes) - 1
        out = each or [covariates] * n
        if len(out) != n:
            raise ValueError(
                f"transition_covariates came with {len(out)} formulas for {n} transitions: give one for all, or one "
                "each."
            )
        return out

    def _transition(
        self,
        t: int,
        formula: str | None,
        order: int,
        stationary: bool,
        by_origin: bool,
        additive: bool,
        by: Sequence[str],
    ) -> Predictor:
        before = [f"C{s}" for s in range(max(1, t - order), t)]
        if not stationary:
            last = before[-1:] if additive else before
            logits = class_logits(f"C{t}", f"C{t}", [*by, *last], slopes_by=before[-1:] * by_origin, individual=formula)
            return (*logits, *(self._main_effect(t, lag, by) for lag in range(2, len(before) + 1) if additive))
        names = (("from", before[-1]), ("to", f"C{t}"))
        return tuple(
            replace(term, rename=tuple(n for n in names if n[0] in term.parameter.dims))
            for term in class_logits(
                "to", "transition", [*by, "from"], slopes_by=["from"] * by_origin, individual=formula
            )
        )

    def _main_effect(self, t: int, lag: int, by: Sequence[str]) -> Term:
        """The main effect of the class `lag` occasions ago on the logits of C_t; its last class is the reference."""
        before, own = f"C{t - lag}", f"C{t}"
        reference = (at(0.0, **{own: -1}), at(0.0, **{before: -1}))
        return Term(Parameter(f"{own}_lag{lag}_logit", (*by, before, own), prior=CLASS_LOGIT, fixed=reference))

    def random_class_logits(
        self, effects: str, regressions: str, covariates: str | None
    ) -> tuple[tuple[Effect, ...], list[Predictor]]:
        """Effects of each occasion, and the terms by which its class logits load on them: (10), (15).

        Raises
        ------
        ValueError
            Unknown `effects` or `regressions`; covariates of effects that there are not.
        """
        one_of("effects", effects, COVARIANCES)
        one_of("regressions", regressions, REGRESSIONS)
        if covariates is not None and effects == "none":
            raise ValueError(f"cluster_covariates={covariates!r} came without effects of clusters: they predict these.")
        alphas: list[Effect] = []
        loadings: list[Predictor] = []
        before: list[list[str]] = []
        for t, size in enumerate(self.sizes, start=1):
            if effects == "none" or size < 2:
                loadings.append(())
                continue
            n = 1 if effects == "factor" else size - 1
            names = [f"alpha{t}"] if n == 1 else [f"alpha{t}_{k}" for k in range(1, n + 1)]
            earlier = {"first-order": before[-1:], "all": before, "none": []}[regressions]
            new, loading = random_class_logits_at_occasion(
                f"C{t}", names, [e for occasion in earlier for e in occasion], covariates
            )
            alphas += new
            loadings.append((loading,))
            before.append(names)
        return tuple(alphas), loadings

    def classes(
        self,
        first: Predictor,
        later: Sequence[Predictor],
        loadings: Sequence[Predictor],
        stayers: str | None = None,
    ) -> tuple[LatentClass, ...]:
        """The class variables: logits of the first, transitions to the later ones, and what each loads on.

        Parameters
        ----------
        first, later, loadings
            As the methods above made them.
        stayers : str, optional
            The class variable in whose last class nobody moves.
        """
        parts = zip(self.sizes, (first, *later), loadings, strict=True)
        return tuple(
            LatentClass(
                f"C{t}", size, "individual", (*logits, *more), (f"C{t - 1}", stayers) if stayers and t > 1 else ()
            )
            for t, (size, logits, more) in enumerate(parts, start=1)
        )

    def random_intercept(self, loadings: str | None) -> tuple[Effect, ...]:
        """The factor `f` of the individual at all occasions; none where there are no `loadings`.

        Raises
        ------
        ValueError
            Unknown loadings, one occasion.
        """
        if loadings is None:
            return ()
        one_of("random_intercept", loadings, ("item", "one"), more=", or leave it out")
        if len(self.waves) < 2:
            raise ValueError(
                "A random intercept came with one occasion: it is what the answers of a person have in common at "
                "several; bm.models.fma has factors of one."
            )
        return (Effect("f", "individual"),)

    def chain_class(self, classes: int | None, stayers: bool, covariates: str | None, **asked: object) -> Chain:
        """The class variable of the individual above the chain; none of one class.

        Parameters
        ----------
        classes : int, optional
            Their number, stayers included; 1 if left out, with stayers 2.
        stayers : bool
            Whether the members of the last one never move.
        covariates : str, optional
            Formula of their logits.
        **asked
            Further settings by name that there must be such a class for.

        Raises
        ------
        ValueError
            No whole number of at least 1, with stayers 2; one occasion, or other numbers of classes at some; settings
            of classes that there are not.
        """
        n = (2 if stayers else 1) if classes is None else classes
        whole("chain_classes", n, 2 if stayers else 1, ", of which the last stays" if stayers else "")
        if n == 1:
            asked = {"chain_covariates": covariates, **asked}
            if came := [f"{k}={v!r}" for k, v in asked.items() if v]:
                raise ValueError(f"{came[0]} came without classes of chains: give chain_classes=2 or more, or stayers.")
            return Chain((), (), None)
        if len(self.sizes) < 2:
            raise ValueError(
                f"chain_classes={n} came with one occasion, where nobody moves: give two or more, or bm.models.lca."
            )
        if stayers and len(set(self.sizes)) > 1:
            raise ValueError(
                f"stayers=True came with {', '.join(map(str, self.sizes))} classes at the occasions: who stays is in "
                "one of the same classes at each; give one number."
            )
        logits = class_logits(CHAIN, "chain", individual=covariates)
        g = (LatentClass(CHAIN, n, "individual", logits, lasting=True),)
        return Chain(g, () if stayers and n == 2 else (CHAIN,), CHAIN if stayers else None)


def check_chain_identified(model: Model) -> None:
    """Refuse classes of chains that have more parameters than the classes of the occasions have cells.

    With covariates, random effects, or items that depend on them, they may be told apart by more than these cells.

    Raises
    ------
    ValueError
        The numbers, and what to do.
    """
    latent = model.classes_at("individual")
    above = {c.name for c in latent if c.lasting}
    of_items = {d for r in model.responses for t in r.terms for d in t.dims}
    used = {t.parameter.name: t for c in latent for t in c.predictor}
    if not above or above & of_items or model.effects_at("cluster") or any(t.covariates for t in used.values()):
        return
    sizes = {c.name: c.size for c in latent}
    free = sum(_free_entries(t, sizes) for t in used.values())
    cells = math.prod(c.size for c in model.occasions) - 1
    if free > cells:
        raise ValueError(
            f"Classes of chains came with {free} parameters of the classes of {len(model.occasions)} occasions, whose "
            f"{cells + 1} paths have {cells} probabilities: they are not identified; give more occasions, "
            "stationary=True, initial_by_chain=False, a lower order, or fewer classes."
        )


def _free_entries(t: Term, sizes: Mapping[str, int]) -> int:
    """How many entries of the logits of classes are free."""
    here = {shared: d for shared, d in t.rename}
    held = np.zeros([sizes[here.get(d, d)] for d in t.parameter.dims], dtype=bool)
    for f in t.parameter.fixed:
        where = dict(f.positions)
        held[tuple(where.get(d, slice(None)) for d in t.parameter.dims)] = True
    return int((~held).sum())


def response_at_occasion(
    r: Response, t: int, items: Sequence[str], shared: Mapping[str, str], own: Mapping[str, str]
) -> Response:
    """A response at occasion `t`: the same items in other columns.

    Parameters
    ----------
    r : Response
        Declared with the classes' common names.
    t : int
        The number of the occasion, which ends the response's name.
    items : sequence of str
        The columns there, in the order of the response's items.
    shared : mapping of str to str
        The classes' names there, for parameters that all occasions share.
    own : mapping of str to str
        The classes' names there, for parameters of this occasion alone; one of the two is empty.
    """

    def here(term: Term) -> Term:
        term = _at_occasion(term, t)
        p = term.parameter
        if term.effects:  # loadings are the same at all occasions
            return term
        if own:
            dims = tuple(own.get(d, d) for d in p.dims)
            return replace(term, parameter=replace(p, name=f"{p.name}_{t}", dims=dims))
        return replace(term, rename=tuple((k, v) for k, v in shared.items() if k in p.dims))

    predictor, auxiliary = (tuple(here(x) for x in some) for some in (r.predictor, r.auxiliary))
    return replace(
        r, name=f"{r.name}_{t}", items=tuple(items), labels=r.items, predictor=predictor, auxiliary=auxiliary
    )


def _in_one(formulas: Sequence[str]) -> str:
    """The formulas of all occasions as one, where they differ: `_at_occasion` takes it apart."""
    return formulas[0] if len({*formulas}) == 1 else BETWEEN.join(formulas)


def _at_occasion(term: Term, t: int) -> Term:
    """A term with the covariates of occasion `t`, in columns that all occasions share."""
    c = term.covariates
    if c is None or BETWEEN not in c.formula:
        return term
    return replace(term, covariates=replace(c, formula=c.formula.split(BETWEEN)[t - 1], occasion=str(t)))


def _apart(r: Response) -> Response:
    """Dims, columns and parameters of free items beside invariant ones are named apart; one loading is of all."""
    dims = {d: f"{d}_free" for d in (r.item_dim, r.category_dim, r.threshold_dim)}
    own = {t.covariates.name: f"{t.covariates.name}_free" for t in r.terms if t.covariates}

    def here(term: Term) -> Term:
        p, c, names = term.parameter, term.covariates, dims | own
        if term.effects and r.item_dim not in p.dims:
            return term
        fixed = tuple(at(f.value, **{names.get(d, d): k for d, k in f.positions}) for f in p.fixed)
        p = replace(p, name=f"free_{p.name}", dims=tuple(names.get(d, d) for d in p.dims), fixed=fixed)
        return replace(term, parameter=p, covariates=replace(c, name=own[c.name]) if c else None)

    predictor, auxiliary = (tuple(map(here, some)) for some in (r.predictor, r.auxiliary))
    item, category, threshold = dims.values()
    return replace(
        r,
        name=f"free_{r.name}",
        predictor=predictor,
        auxiliary=auxiliary,
        item_dim=item,
        category_dim=category,
        threshold_dim=threshold,
    )


def _waves(waves: Any) -> list[list[str]]:
    """Take the columns of each occasion, as many of each."""
    several = [] if isinstance(waves, str) else list(waves)
    if not several or any(isinstance(w, str) for w in several):
        raise ValueError(f"The waves came as {waves!r}: give a list of columns for each occasion, [[...], [...]].")
    out = [list(listed(w)) for w in several]
    if len({len(w) for w in out}) > 1 or not out[0]:
        raise ValueError(
            f"The occasions came with {', '.join(str(len(w)) for w in out)} items: each has the same items in the same "
            "order, at least one."
        )
    return out


def _sizes(classes: Any, n: int, measurement: Any) -> list[int]:
    """Take the number of classes of each of `n` occasions."""
    several = list(classes) if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes] * n
    if len(several) != n or not all(is_whole(k, 1) for k in several):
        raise ValueError(f"The numbers of classes came as {classes!r}: give one, or one for each of the {n} occasions.")
    out = [int(k) for k in several]
    if len(set(out)) > 1 and measurement != "free":
        raise ValueError(_unequal(out, measurement, False))
    return out


def _unequal(sizes: Sequence[int], measurement: Any, stationary: bool) -> str:
    return (
        f"The occasions have {', '.join(map(str, sizes))} classes, but measurement={measurement!r} and "
        f"stationary={stationary}: with other numbers of classes measurement must be 'free' and transitions must vary."
    )


def _free(items: list[str], measurement: Any) -> list[str]:
    """The items that are free over time."""
    if isinstance(measurement, str):
        if measurement not in ("invariant", "free"):
            raise ValueError(
                f"measurement came as {measurement!r}: give 'invariant', 'free' or the items that are free."
            )
        return items if measurement == "free" else []
    if unknown := [i for i in measurement if i not in items]:
        raise ValueError(f"measurement came with '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    return list(measurement)


def _by_name(family, items: list[str], waves):
    """Families by the items' names, given by names or columns."""
    if not isinstance(family, Mapping):
        return family
    names = {column: item for wave in waves for column, item in zip(wave, items, strict=True)}
    if unknown := [k for k in family if k not in items and k not in names]:
        raise ValueError(f"A family came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    return {names.get(k, k) if k not in items else k: f for k, f in family.items()}
