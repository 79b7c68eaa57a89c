"""Several occasions: the same items in other columns, transitions between their classes, random logits of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from bayesmix.checks import is_whole, one_of, whole
from bayesmix.spec.blocks.classes import COVARIANCES, class_logits
from bayesmix.spec.blocks.effects import random_class_logits_at_occasion
from bayesmix.spec.blocks.measurement import Families, item_responses, listed
from bayesmix.spec.model import Effect, LatentClass, Predictor, Response, Term
from bayesmix.spec.parameters import at

REGRESSIONS = ("first-order", "all", "none")


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
        items = list(names) if names is not None else _common(columns)
        if len(items) != len(columns[0]) or len(set(items)) < len(items):
            raise ValueError(
                f"names came as {items!r}: give one name for each of the {len(columns[0])} items, none twice."
            )
        return cls(columns, items, _free(items, measurement), sizes)

    def responses(self, family: Families, variance: str) -> tuple[Response, ...]:
        """The items of each occasion, those that are free over time apart: (6), (11)."""
        out, family = [], _by_name(family, self.items, self.waves)
        for free in (False, True):
            items = [i for i in self.items if (i in self.free) == free]
            own = {i: f for i, f in family.items() if i in items} if isinstance(family, Mapping) else family
            declared = item_responses(items, own, ("C",), variance) if items else ()
            for r in map(_apart, declared) if free and len(items) < len(self.items) else declared:
                for t, wave in enumerate(self.waves, start=1):
                    columns, classes = [wave[self.items.index(i)] for i in r.items], {"C": f"C{t}"}
                    out.append(response_at_occasion(r, t, columns, {} if free else classes, classes if free else {}))
        return tuple(sorted(out, key=lambda r: int(r.name.rpartition("_")[2])))

    def transitions(
        self,
        covariates: str | Sequence[str | None] | None,
        order: int,
        stationary: bool,
        by_origin: bool,
    ) -> list[Predictor]:
        """Logits of the classes of every occasion but the first, given those before: (9), (13).

        Raises
        ------
        ValueError
            An order below 1; stationary transitions of a higher order, with several formulas, or between other numbers
            of classes; another number of formulas than of transitions.
        """
        whole("order", order, more=", the classes that one depends on")
        formulas = self._formulas(covariates, order, stationary)
        return [
            self._transition(t, formulas[t - 2], order, stationary, by_origin) for t in range(2, len(self.sizes) + 1)
        ]

    def _formulas(self, covariates: Any, order: int, stationary: bool) -> list[str | None]:
        each = [] if covariates is None or isinstance(covariates, str) else list(covariates)
        if stationary and (order > 1 or each):
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

    def _transition(self, t: int, formula: str | None, order: int, stationary: bool, by_origin: bool) -> Predictor:
        before = [f"C{s}" for s in range(max(1, t - order), t)]
        if not stationary:
            by = before[-1:] if by_origin else []
            return class_logits(f"C{t}", f"C{t}", before, slopes_by=by, individual=formula)
        names = (("from", before[-1]), ("to", f"C{t}"))
        return tuple(
            replace(term, rename=tuple(n for n in names if n[0] in term.parameter.dims))
            for term in class_logits("to", "transition", ["from"], slopes_by=["from"] * by_origin, individual=formula)
        )

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
        self, first: Predictor, later: Sequence[Predictor], loadings: Sequence[Predictor]
    ) -> tuple[LatentClass, ...]:
        """The class variables: logits of the first, transitions to the later ones, and what each loads on."""
        parts = zip(self.sizes, (first, *later), loadings, strict=True)
        return tuple(
            LatentClass(f"C{t}", size, "individual", (*logits, *more))
            for t, (size, logits, more) in enumerate(parts, start=1)
        )


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
        p = term.parameter
        if own:
            dims = tuple(own.get(d, d) for d in p.dims)
            return replace(term, parameter=replace(p, name=f"{p.name}_{t}", dims=dims))
        return replace(term, rename=tuple((k, v) for k, v in shared.items() if k in p.dims))

    predictor, auxiliary = (tuple(here(x) for x in some) for some in (r.predictor, r.auxiliary))
    return replace(
        r, name=f"{r.name}_{t}", items=tuple(items), labels=r.items, predictor=predictor, auxiliary=auxiliary
    )


def _apart(r: Response) -> Response:
    """Dims and parameters of free items beside invariant ones have names of their own."""
    dims = {d: f"{d}_free" for d in (r.item_dim, r.category_dim, r.threshold_dim)}

    def here(term: Term) -> Term:
        p = term.parameter
        fixed = tuple(at(f.value, **{dims.get(d, d): k for d, k in f.positions}) for f in p.fixed)
        return replace(
            term, parameter=replace(p, name=f"free_{p.name}", dims=tuple(dims.get(d, d) for d in p.dims), fixed=fixed)
        )

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


def _common(waves: list[list[str]]) -> list[str]:
    """What the columns of an item have in common: ``stubborn`` of stubborn_fall, stubborn_spring."""
    out = []
    for columns in zip(*waves, strict=True):
        ahead, behind = _beginning(columns), _beginning([c[::-1] for c in columns])[::-1]
        out.append(max(ahead, behind, key=len).strip("_.- ") if len(waves) > 1 else columns[0])
    return out if all(out) and len(set(out)) == len(out) else list(waves[0])


def _beginning(texts: Sequence[str]) -> str:
    """The letters with which all texts begin."""
    return "".join(k[0] for k in takewhile(lambda k: len(set(k)) == 1, zip(*texts, strict=False)))
