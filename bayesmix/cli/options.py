"""Options that commands share, each declared once: the text beneath an option is its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from bayesmix.cli.arguments import nodes_of

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""An option without a value, and without an opposite."""
Texts = Annotated[list[str], Parameter(negative=(), allow_leading_hyphen=True, show_default=False)]
"""An option that may be repeated; its value may begin with a hyphen, as the missing-value code -9 does."""
MODEL, SEARCH, SAMPLING, STEPS, OUTPUT = map(Group.create_ordered, ("Model", "Search", "Sampling", "Steps", "Output"))


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Arguments of a template, by the names that templates give them, and the missing-value codes of the data."""

    items: str | None = None
    """Columns: A,B,C, ranges A-G in the order of the file, or all."""
    waves: Texts = field(default_factory=list)
    """Columns of one occasion, as --items; repeated for each occasion of an lta."""
    formula: str | None = None
    """Of a regression: 'math ~ female + ses'; of several outcomes 'y1 + y2 ~ x', 'y1 ~ x; y2 ~ x + z'."""
    covariates: str | None = None
    """Formula of the class logits: 'age + sex'."""
    family: Texts = field(default_factory=list)
    """nominal, bernoulli, ordinal, partial_credit, normal, censored_normal:LOWER:UPPER, poisson, negative_binomial,
    zero_inflated_poisson, zero_inflated_negative_binomial, binomial:TRIALS (a number or a column), or A-C=normal."""
    freq: str | None = None
    """Column of frequency weights."""
    cluster: str | None = None
    """Column of cluster labels, for models that take it."""
    weights: str | None = None
    """Column of sampling weights of a survey; of rows within clusters, where something is latent in these."""
    strata: str | None = None
    """Column of its strata."""
    psu: str | None = None
    """Column of its primary sampling units."""
    fpc: str | None = None
    """Column of the share of these that was drawn, or of their number in the population."""
    cluster_weights: str | None = None
    """Column of weights of clusters."""
    weight_scaling: str | None = None
    """sample, cluster, effective, unscaled."""
    lonely: str | None = None
    """Strata with one primary sampling unit: refuse, certainty, average, adjust."""
    replicate_weights: str | None = None
    """Columns of replicate weights, as --items, or what their names begin with."""
    replicate_method: str | None = None
    """BRR, Fay:0.5, JK1, JK2, bootstrap."""
    fix: Texts = field(default_factory=list)
    """An entry and its value, 'item_logit[1, A, 2] = 0.5' (may be repeated)."""
    equal: Texts = field(default_factory=list)
    """Equations: 'coefficient[1, x] = coefficient[2, x]', 'a[1] = 2 * a[2] + 0.5' (may be repeated)."""
    missing: Texts = field(default_factory=list)
    """A missing-value code, e.g. 9999 (may be repeated)."""
    missing_covariates: Literal["normal"] | None = None
    """Covariates that rows miss: normal makes them variables of the model; left out, they are refused."""
    set: Texts = field(default_factory=list)
    """Any other argument of the model: key=value."""


@Parameter(name="*", group=SEARCH)
@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Settings of :func:`bayesmix.fit`."""

    starts: int = 20
    """Random starts a round."""
    finals: int = 5
    """Starts of a round that go on to convergence."""
    rounds: int = 4
    """Rounds to run, whatever their time, while one start alone reached the best; 1: one."""
    seed: int = 0
    """Everything random follows from it."""
    nodes: str | None = None
    """adaptive:7, trapezoid:15, gauss_hermite:21, monte_carlo:2000, exact."""
    se: str = "robust"
    """Standard errors: robust or hessian."""
    mode: str | None = None
    """A PyTensor mode: NUMPY, NUMBA, C, JAX."""
    budget: float = 10.0
    """Seconds a search may go on beyond that for what it has not seen; 0: none, inf: all."""
    smallest_sd: float = 0.01
    """Floor of a residual SD by class, as a share of the item's SD; below it a start collapsed."""
    no_simpler: Flag = False
    """No starts from solutions of simpler models."""

    def settings(self) -> dict[str, Any]:
        """Name the options as :func:`bayesmix.fit` does.

        Raises
        ------
        ValueError
            The nodes are none.
        """
        same = {k: v for k, v in vars(self).items() if k not in ("nodes", "se", "no_simpler")}
        other = {"nodes": nodes_of(self.nodes), "standard_errors": self.se, "simpler": not self.no_simpler}
        return same | other


@Parameter(name="*", group=SAMPLING)
@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Settings of :func:`bayesmix.sample`."""

    sample: Flag = False
    """Sample the posterior as well."""
    method: Literal["nuts", "importance"] = "nuts"
    """How: NUTS, or importance sampling, which gives the marginal likelihood too."""
    draws: int = 1000
    """Draws of each chain."""
    tune: int | None = None
    """Tuning steps of each chain: 300 if left out, and 1000 where effects are sampled."""
    chains: int = 4
    """Chains."""
    sample_effects: Flag = False
    """Sample random effects with the parameters, not integrate them."""

    def settings(self) -> dict[str, Any]:
        """Name the options as :func:`bayesmix.sample` does."""
        effects = "sample" if self.sample_effects else "integrate"
        numbers = {"draws": self.draws, "tune": self.tune, "chains": self.chains}
        return {"method": self.method, **numbers, "effects": effects}


@Parameter(name="*", group=STEPS)
@dataclass(frozen=True, kw_only=True)
class StepsOptions:
    """Settings of :func:`bayesmix.three_step`."""

    covariates: str | None = None
    """Formula of the class logits: 'age + sex'."""
    outcomes: Texts = field(default_factory=list)
    """Outcomes: score, or with a family: job=nominal,visits=poisson."""
    outcome_covariates: str | None = None
    """Formula of covariates of the outcomes beside the class."""
    method: Literal["ml", "bch", "two-step"] = "ml"
    """Maximum likelihood with known errors of assignment, BCH weights, or measurement held."""
    assignment: Literal["modal", "proportional"] = "modal"
    """To the most likely class, or to all by their probabilities."""
    slopes: Literal["common", "class"] = "common"
    """Slopes of the outcomes' covariates: the same in all classes, or by class."""
    variance: Literal["class", "equal"] = "class"
    """Variances of normal outcomes: by class, or equal."""
    correlated: Flag = False
    """Residual covariances of normal outcomes."""
    at: Literal["means", "zero"] = "means"
    """Where the outcomes' covariates stand in means and tests."""
    no_uncertainty: Flag = False
    """Standard errors without the uncertainty of step one."""
    cluster: str | None = None
    """Column of clusters that standard errors are robust against."""
    variable: str | None = None
    """The class variable, where the fit has several."""
    occasion: int | None = None
    """The occasion whose classes outcomes follow from; the last one if left out."""
    sizes: Literal["free", "held"] = "free"
    """Class sizes: estimated in the last step, or those of step one."""
    level: float = 0.95
    """Coverage of intervals."""
    draws: int = 50
    """Draws of a posterior that are pooled."""
    seed: int = 0
    """For the classes that are drawn in them."""

    def settings(self) -> dict[str, Any]:
        """Name the options as :func:`bayesmix.three_step` does, but the outcomes."""
        same = {k: v for k, v in vars(self).items() if k not in ("outcomes", "no_uncertainty")}
        return same | {"uncertainty": not self.no_uncertainty}


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What a command shows besides its result."""

    plots: Flag = False
    """Pictures as well, into the folder of the other files."""
    level: float = 0.95
    """Of the intervals."""
    debug: Flag = False
    """Show the whole traceback of an error."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class OutputOptions(PictureOptions):
    """Where the files of a command go."""

    out: Path | None = None
    """Folder for the files; existing ones of the same name are replaced."""
    quiet: Flag = False
    """Print no listing: it is in the folder, as listing.txt."""


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class HandoutOptions(OutputOptions):
    """Files to hand on."""

    html: Path | None = None
    """One file to read and print: report.html. With --out, a name without a folder lies there."""
    tables: Path | None = None
    """Tables for a manuscript: tables.docx, .tex or .md, or a folder for csv. With --out, likewise."""
