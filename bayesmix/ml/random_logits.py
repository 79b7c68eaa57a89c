"""Random class logits of clusters: whether they are all that varies between clusters."""

from __future__ import annotations

from bayesmix.spec import LatentClass, Model
from bayesmix.spec.parameters import Parameter


def alone(model: Model) -> tuple[LatentClass, Parameter] | None:
    """The class variable and the loadings of its logits on effects of clusters, where nothing else varies there."""
    of_clusters = {e.name for e in model.effects_at("cluster")}
    for c in model.classes_at("individual"):
        for t in c.predictor:
            if t.parameter.domain.is_triangular and t.effects and {*t.effects} == of_clusters:
                return c, t.parameter
    return None


def random_logits(model: Model) -> tuple[LatentClass, Parameter]:
    """The same, for a model that must have them.

    Raises
    ------
    ValueError
        No random logits of clusters; others beside them, or of several occasions.
    """
    if found := alone(model):
        return found
    of_clusters = {e.name for e in model.effects_at("cluster")}
    loaded = {e for c in model.classes_at("individual") for t in c.terms for e in t.effects} & of_clusters
    if not loaded:
        raise ValueError(
            "The model has no classes of individuals with random logits of clusters: declare it with "
            "bm.models.lca(items, classes, cluster='the column of cluster labels')."
        )
    beside = ", ".join(sorted(of_clusters - loaded))
    what = f"stand beside other effects of clusters ({beside})" if beside else "have parameters of their own"
    raise ValueError(
        f"The random logits of the classes ({', '.join(sorted(loaded))}) {what}, and bm.class_status compares those of "
        "bm.models.lca: fit the model without them (effects='none'), and with classes of clusters where it takes "
        "cluster_classes=, and compare the fits, bm.likelihood_ratio(restricted, larger)."
    )
