"""Blocks of declarations that templates share, each with the equations that it stands for."""

from bayesmix.spec.blocks.classes import (
    class_logits,
    class_number,
    class_on_factors,
    cluster_class,
    random_class_logits,
)
from bayesmix.spec.blocks.covariances import Covariance, with_covariances
from bayesmix.spec.blocks.effects import (
    factor_effects,
    named_factors,
    parts_by_class,
    parts_by_response_class,
    random_coefficients,
)
from bayesmix.spec.blocks.groups import ByGroup, KnownColumn, Measurement, known_pairs, over_groups
from bayesmix.spec.blocks.growth import (
    check_growth_variances,
    distal_responses,
    growth_factors,
    growth_family,
    growth_loadings,
    growth_parts,
    growth_residuals,
    random_growth,
    repeated_measures,
    with_thresholds_from_zero,
    with_time_covariates,
)
from bayesmix.spec.blocks.item_response import CERTAIN, guessing_logit, item_response, item_response_classes
from bayesmix.spec.blocks.measurement import (
    Families,
    Formula,
    Items,
    Offset,
    item_responses,
    items_on_factors,
    listed,
    loading_on,
    with_offset,
)
from bayesmix.spec.blocks.occasions import Occasions, check_chain_identified
from bayesmix.spec.blocks.priors import LOADING
from bayesmix.spec.blocks.regression import Regression, random_class_logits_of_regression, random_names

__all__ = [
    "CERTAIN",
    "LOADING",
    "ByGroup",
    "Covariance",
    "Families",
    "Formula",
    "Items",
    "KnownColumn",
    "Measurement",
    "Occasions",
    "Offset",
    "Regression",
    "check_chain_identified",
    "check_growth_variances",
    "class_logits",
    "class_number",
    "class_on_factors",
    "cluster_class",
    "distal_responses",
    "factor_effects",
    "growth_factors",
    "growth_family",
    "growth_loadings",
    "growth_parts",
    "growth_residuals",
    "guessing_logit",
    "item_response",
    "item_response_classes",
    "item_responses",
    "items_on_factors",
    "known_pairs",
    "listed",
    "loading_on",
    "named_factors",
    "over_groups",
    "parts_by_class",
    "parts_by_response_class",
    "random_class_logits",
    "random_class_logits_of_regression",
    "random_coefficients",
    "random_growth",
    "random_names",
    "repeated_measures",
    "with_covariances",
    "with_offset",
    "with_thresholds_from_zero",
    "with_time_covariates",
]
