"""What was done with the design of a survey, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayesmix.layout import Section, number, pairs
from bayesmix.results import Fit

PSEUDO = (
    "The log-likelihood is a weighted (pseudo) one: information criteria compare models of the same\n"
    "weights, and twice a difference is no chi-square (bm.likelihood_ratio corrects it)."
)
SCALINGS = {
    "sample": "scaled to sum to the number of rows (each by {factor:.6g})",
    "unscaled": "as they are",
    "cluster": "within clusters, scaled to sum to the number of the cluster's rows",
    "effective": "within clusters, scaled to sum to the cluster's effective size",
}


def errors_of_design(said: Mapping[str, Any]) -> str:
    """The kind of the standard errors."""
    if said.get("replicates"):
        return f"replicate-weight ({said['method']})"
    return "linearised (design)" if said.get("df") is not None else "robust (sandwich, weighted)"


def survey(fit: Fit) -> Section | None:
    """The section of the design; None without one."""
    said = fit.info.get("survey")
    if not said:
        return None
    rows = {**_weights(said), **_units(said), **_replicates(said)}
    notes = []
    if said.get("df") is not None:
        notes.append(
            f"p values and intervals in this listing are those of t with the {said['df']} degrees of freedom of the\n"
            "design; bm.test takes them too (adjusted F)."
        )
    notes.append("Counts and shares of classes are weighted; tables of single rows are not.")
    return Section("Design of the survey", [pairs(rows.items()), *notes])


def _weights(said: Mapping[str, Any]) -> dict[str, Any]:
    if not said.get("weights") and not said.get("cluster_weights"):
        return {}
    low, high = said["range"]
    within = said.get("within")
    words = SCALINGS.get(str(said.get("scaling")), "").format(factor=said.get("factor", 1.0))
    product = " * ".join(c for c in (said.get("weights"), None if within else said.get("cluster_weights")) if c)
    out: dict[str, Any] = {}
    if product:
        out["Weights of rows within clusters" if within else "Weights"] = f"{product}: {number(low)} to {number(high)}"
        out["Taken"] = words
        out["Weights of zero (outside of the subpopulation)"] = said["zero"] or None
        out["Design effect of the weights alone (Kish)"] = number(said["effect"])
    if within and said.get("cluster_weights"):
        low, high = said["cluster_range"]
        out["Weights of clusters"] = f"{said['cluster_weights']}: {number(low)} to {number(high)}"
        as_they_are = said["cluster_scaling"] == "unscaled"
        scaled = f"scaled so that products of both sum to the number of rows (each by {said['cluster_factor']:.6g})"
        out["Taken for clusters"] = "as they are" if as_they_are else scaled
    return out


def _units(said: Mapping[str, Any]) -> dict[str, Any]:
    if said.get("replicates"):
        return {"Degrees of freedom of the design": said["df"]}
    unit = f"'{said['psu']}'" if said.get("psu") else "rows"
    if labels := said.get("psu_labels"):
        unit += f": {labels} labels, which are read within strata"
    out: dict[str, Any] = {"Primary sampling units": f"{said['n_psu']} ({unit})"}
    if said.get("strata"):
        out["Strata"] = f"{said['n_strata']} ('{said['strata']}')"
    if lonely := said.get("lonely"):
        out["Strata with one primary sampling unit"] = f"{lonely['strata']}, taken as '{lonely['taken']}'"
    if share := said.get("fractions"):
        out["Finite population correction"] = f"{number(share[0])} to {number(share[1])} of the units were drawn"
    out["Degrees of freedom of the design"] = said.get("df")
    return out


def _replicates(said: Mapping[str, Any]) -> dict[str, Any]:
    if not said.get("replicates"):
        return {}
    lost = said.get("failed", 0) + said.get("missing", 0)
    out: dict[str, Any] = {"Replicate weights": f"{said['replicates']}, {said['method']}"}
    out["Scale"] = f"{said['scale']:.6g}" + (", by replicate too" if said.get("rscales") else "")
    out["Replicates without an estimate"] = f"{lost}: the others stand for all" if lost else None
    return out
