"""Likelihood ratios of nested fits: their numbers, their scaling, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from bayesmix.models import lca
from scipy import stats

import bayesmix as bm
from inference.conftest import FOUR, QUICK


def test_the_ratio_is_chi_square_by_hand(plain, predicted):
    found = bm.likelihood_ratio(plain, predicted, scaling="none")
    ratio = 2 * (predicted.loglik - plain.loglik)
    np.testing.assert_allclose([found.statistic, found.p], [ratio, stats.chi2.sf(ratio, 2)], rtol=1e-12)
    assert (found.df, found.correction, found.scaling) == (2, 1.0, "none")


def test_robust_errors_scale_it(plain, predicted):
    found = bm.likelihood_ratio(plain, predicted)
    p0, p1, c0, c1 = 9, 11, plain.quality["scaling"], predicted.quality["scaling"]
    correction = (p0 * c0 - p1 * c1) / (p0 - p1)
    np.testing.assert_allclose(found.correction, correction, rtol=1e-12)
    np.testing.assert_allclose(found.statistic, 2 * (predicted.loglik - plain.loglik) / correction, rtol=1e-12)


def test_the_scaling_factor_is_the_trace_over_the_parameters(predicted):
    trace = np.trace(predicted.covariance_robust.to_numpy() @ np.linalg.inv(predicted.covariance_hessian.to_numpy()))
    np.testing.assert_allclose(predicted.quality["scaling"], trace / 11, rtol=1e-6)


def scaled(fit, scaling):
    return replace(fit, quality={**fit.quality, "scaling": scaling})


def test_a_negative_scale_is_said(plain, predicted):
    with pytest.raises(ValueError, match=r"came out as -\d.*give the data, df="):
        bm.likelihood_ratio(scaled(plain, 3.0), predicted)


def test_hessian_errors_leave_it_as_it_is_and_two_kinds_are_refused(plain, predicted, persons):
    hessian = bm.fit(lca(FOUR, 2), persons, standard_errors="hessian", **QUICK)
    other = bm.fit(lca(FOUR, 2, "x + w"), persons, standard_errors="hessian", **QUICK)
    assert bm.likelihood_ratio(hessian, other).scaling == "none"
    with pytest.raises(ValueError, match="say scaling="):
        bm.likelihood_ratio(hessian, predicted)


def test_other_answers_are_refused(plain, persons):
    other = bm.fit(lca(FOUR, 2, "x"), persons.iloc[:-1], **QUICK)
    with pytest.raises(ValueError, match="not of the same answers"):
        bm.likelihood_ratio(plain, other)


def test_another_number_of_classes_is_sent_to_the_bootstrap(plain, persons):
    one = bm.fit(lca(FOUR, 1), persons, **QUICK)
    with pytest.raises(ValueError, match=r"no chi-square distribution: take the bootstrap test, bm\.lr_test"):
        bm.likelihood_ratio(one, plain)


def test_what_is_not_nested_is_refused(plain, predicted, persons):
    with pytest.raises(ValueError, match="give the one with fewer parameters first"):
        bm.likelihood_ratio(predicted, plain)
    with pytest.raises(ValueError, match=r"below .* of the restricted one"):
        bm.likelihood_ratio(plain, replace(predicted, loglik=plain.loglik - 1))
    penalised = bm.fit(lca(FOUR, 2, "x"), persons, priors="default", **QUICK)
    with pytest.raises(ValueError, match="penalised by priors"):
        bm.likelihood_ratio(plain, penalised)
    with pytest.raises(TypeError, match=r"expected what bm\.fit"):
        bm.likelihood_ratio(plain, predicted.model)


@pytest.mark.filterwarnings("ignore:The best log-likelihood")
def test_a_variance_of_zero_is_said(plain, persons):
    two_level = bm.fit(lca(FOUR, 2, cluster="g"), persons, **QUICK)
    single = bm.fit(lca(FOUR, 2, cluster="g", effects="none"), persons, **QUICK)
    with pytest.warns(UserWarning, match="half of p is right"):
        found = bm.likelihood_ratio(single, two_level, scaling="none")
    assert found.notes
