"""Priors of the blocks, on natural scales; those named Data... are in units of the data."""

from __future__ import annotations

from bayesmix.spec.parameters import Prior

CLASS_LOGIT = Prior("ExchangeableLogit", sigma=1.5)
CHOLESKY_LOADING = Prior("CholeskyNormal", sigma=1.5)
LOADING = Prior("Normal", mu=0.0, sigma=1.5)
REGRESSION = Prior("DataNormal", sigma=1.0)
SLOPE, LOGIT_SLOPE = Prior("DataNormal", sigma=2.0), Prior("DataExchangeableLogit", sigma=1.5)
ITEM_LOADING, DATA_SD = Prior("DataNormal", sigma=1.5), Prior("DataHalfNormal", sigma=1.5)
SD = Prior("HalfNormal", sigma=1.5)
