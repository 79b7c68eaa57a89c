from . import models as models
from . import mplus as mplus
from . import plots as plots
from .bayes.importance import ImportanceFailed as ImportanceFailed
from .bayes.one_item import of_item as of_item
from .bayes.pymc_model import build as build
from .bayes.pymc_model import prior_table as prior_table
from .bayes.sampling import sample as sample
from .data.dataset import Dataset as Dataset
from .data.reshaping import wide as wide
from .enumeration.bootstrap_test import BootstrapTest as BootstrapTest
from .enumeration.bootstrap_test import lr_test as lr_test
from .enumeration.fits import Enumeration as Enumeration
from .enumeration.fits import enumerate_classes as enumerate_classes
from .enumeration.invariance_steps import Invariance as Invariance
from .enumeration.invariance_steps import invariance as invariance
from .enumeration.structures import Structures as Structures
from .enumeration.structures import enumerate_structures as enumerate_structures
from .enumeration.vuong import VuongTest as VuongTest
from .enumeration.vuong import vuong_test as vuong_test
from .goodness.chi_squares import GoodnessOfFit as GoodnessOfFit
from .goodness.chi_squares import goodness_of_fit as goodness_of_fit
from .goodness.missing_answers import LittleTest as LittleTest
from .goodness.missing_answers import MissingData as MissingData
from .goodness.missing_answers import little_test as little_test
from .goodness.missing_answers import missing_data as missing_data
from .goodness.pattern_tables import response_patterns as response_patterns
from .goodness.residual_tables import Residuals as Residuals
from .goodness.residual_tables import residuals as residuals
from .graph.posterior import log_likelihood as log_likelihood
from .graph.problem import Problem as Problem
from .graph.problem import prepare as prepare
from .graph.simulation import simulate as simulate
from .inference.contrasts import Contrast as Contrast
from .inference.contrasts import contrast as contrast
from .inference.nested import LikelihoodRatio as LikelihoodRatio
from .inference.nested import likelihood_ratio as likelihood_ratio
from .inference.pooling import pool as pool
from .inference.sizes_at import ClassSizes as ClassSizes
from .inference.sizes_at import class_sizes as class_sizes
from .inference.wald import WaldTest as WaldTest
from .inference.wald import test as test
from .listing.overview import report as report
from .ml.estimation import fit as fit
from .ml.resampling import Bootstrap as Bootstrap
from .ml.resampling import bootstrap as bootstrap
from .ml.status import ClassStatus as ClassStatus
from .ml.status import class_status as class_status
from .prediction.drawn_classes import class_draws as class_draws
from .prediction.predicted import Prediction as Prediction
from .prediction.predicting import predict as predict
from .reports.documents import export as export
from .reports.page import to_html as to_html
from .reports.saved import load as load
from .reports.tidy import tables as tables
from .results.class_logits import class_curves as class_curves
from .results.class_odds import odds_ratios as odds_ratios
from .results.classified import class_counts as class_counts
from .results.classified import class_probabilities as class_probabilities
from .results.classified import classification as classification
from .results.classified import classification_diagnostics as classification_diagnostics
from .results.classified import entropies as entropies
from .results.classified import paths as paths
from .results.comparison import Comparison as Comparison
from .results.comparison import compare as compare
from .results.factor_scores import reliability as reliability
from .results.fit import Fit as Fit
from .results.growth_curves import trajectories as trajectories
from .results.item_characteristics import item_curves as item_curves
from .results.marginal_likelihood import MarginalLikelihood as MarginalLikelihood
from .results.marginal_likelihood import log_marginal_likelihood as log_marginal_likelihood
from .results.marginal_likelihood import model_probabilities as model_probabilities
from .results.occasions import decomposition as decomposition
from .results.occasions import transitions as transitions
from .results.regression import coefficients as coefficients
from .results.residual_covariances import residual_covariances as residual_covariances
from .spec.families import Family as Family
from .spec.families import bernoulli as bernoulli
from .spec.families import binomial as binomial
from .spec.families import censored_normal as censored_normal
from .spec.families import negative_binomial as negative_binomial
from .spec.families import nominal as nominal
from .spec.families import normal as normal
from .spec.families import ordinal as ordinal
from .spec.families import partial_credit as partial_credit
from .spec.families import poisson as poisson
from .spec.families import zero_inflated_negative_binomial as zero_inflated_negative_binomial
from .spec.families import zero_inflated_poisson as zero_inflated_poisson
from .spec.model import Covariates as Covariates
from .spec.model import Effect as Effect
from .spec.model import LatentClass as LatentClass
from .spec.model import Model as Model
from .spec.model import Repeated as Repeated
from .spec.model import Response as Response
from .spec.model import Term as Term
from .spec.model import constrain as constrain
from .spec.model import survey as survey
from .spec.normal_covariates import with_covariates as with_covariates
from .spec.parameters import Alike as Alike
from .spec.parameters import Fixed as Fixed
from .spec.parameters import Parameter as Parameter
from .spec.parameters import Prior as Prior
from .spec.parameters import at as at
from .spec.quadrature import adaptive as adaptive
from .spec.quadrature import exact as exact
from .spec.quadrature import gauss_hermite as gauss_hermite
from .spec.quadrature import monte_carlo as monte_carlo
from .spec.quadrature import trapezoid as trapezoid
from .spec.sampling_design import Survey as Survey
from .studies.run import study as study
from .studies.summary import Study as Study
from .three_steps.relating import three_step as three_step
from .three_steps.result import ThreeStep as ThreeStep

__all__ = [
    "Alike",
    "Bootstrap",
    "BootstrapTest",
    "ClassSizes",
    "ClassStatus",
    "Comparison",
    "Contrast",
    "Covariates",
    "Dataset",
    "Effect",
    "Enumeration",
    "Family",
    "Fit",
    "Fixed",
    "GoodnessOfFit",
    "ImportanceFailed",
    "Invariance",
    "LatentClass",
    "LikelihoodRatio",
    "LittleTest",
    "MarginalLikelihood",
    "MissingData",
    "Model",
    "Parameter",
    "Prediction",
    "Prior",
    "Problem",
    "Repeated",
    "Residuals",
    "Response",
    "Structures",
    "Study",
    "Survey",
    "Term",
    "ThreeStep",
    "VuongTest",
    "WaldTest",
    "adaptive",
    "at",
    "bernoulli",
    "binomial",
    "bootstrap",
    "build",
    "censored_normal",
    "class_counts",
    "class_curves",
    "class_draws",
    "class_probabilities",
    "class_sizes",
    "class_status",
    "classification",
    "classification_diagnostics",
    "coefficients",
    "compare",
    "constrain",
    "contrast",
    "decomposition",
    "entropies",
    "enumerate_classes",
    "enumerate_structures",
    "exact",
    "export",
    "fit",
    "gauss_hermite",
    "goodness_of_fit",
    "invariance",
    "item_curves",
    "likelihood_ratio",
    "little_test",
    "load",
    "log_likelihood",
    "log_marginal_likelihood",
    "lr_test",
    "missing_data",
    "model_probabilities",
    "models",
    "monte_carlo",
    "mplus",
    "negative_binomial",
    "nominal",
    "normal",
    "odds_ratios",
    "of_item",
    "ordinal",
    "partial_credit",
    "paths",
    "plots",
    "poisson",
    "pool",
    "predict",
    "prepare",
    "prior_table",
    "reliability",
    "report",
    "residual_covariances",
    "residuals",
    "response_patterns",
    "sample",
    "simulate",
    "study",
    "survey",
    "tables",
    "test",
    "three_step",
    "to_html",
    "trajectories",
    "transitions",
    "trapezoid",
    "vuong_test",
    "wide",
    "with_covariates",
    "zero_inflated_negative_binomial",
    "zero_inflated_poisson",
]
