"""Texts in the form of Mplus outputs, written for the tests with numbers of theirs."""

from __future__ import annotations

import numpy as np

BEGIN = "Mplus VERSION 8.11\nMUTHEN & MUTHEN\n01/02/2026   3:04 PM\n\nINPUT INSTRUCTIONS\n\n"
END = "     Beginning Time:  10:00:00\n        Ending Time:  10:00:01\n       Elapsed Time:  00:00:01\n"
COLUMNS = """
                                                    Two-Tailed
                    Estimate       S.E.  Est./S.E.    P-Value
"""
INPUT = """  TITLE: A small example
  DATA: FILE = "some\\folder\\small.dat";
  VARIABLE: NAMES = id u1-u3 x;
    USEVARIABLES = u1-u3;  ! the items
    CATEGORICAL = u1-u3; MISSING = ALL (9999);
    CLASSES = c(2);
  ANALYSIS: TYPE = MIXTURE; STARTS = 20 5;
  OUTPUT: TECH11 TECH14;
"""
SUMMARY = """
INPUT READING TERMINATED NORMALLY

A small example

SUMMARY OF ANALYSIS

Number of groups                                                 1
Number of observations                                         500

Number of dependent variables                                    3
Number of independent variables                                  0
Number of continuous latent variables                            0
Number of categorical latent variables                           1

Observed dependent variables

  Binary and ordered categorical (ordinal)
   U1          U2          U3

Categorical latent variables
   C

Estimator                                                      MLR
Link                                                         LOGIT

SUMMARY OF DATA

     Number of missing data patterns             3

RANDOM STARTS RESULTS RANKED FROM THE BEST TO THE WORST LOGLIKELIHOOD VALUES

Final stage loglikelihood values at local maxima, seeds, and initial stage start numbers:

            -900.125  107446           12
            -900.125  unperturbed      0
            -903.500  76974            16

THE BEST LOGLIKELIHOOD VALUE HAS BEEN REPLICATED.  RERUN WITH AT LEAST TWICE THE
RANDOM STARTS TO CHECK THAT THE BEST LOGLIKELIHOOD IS STILL OBTAINED AND REPLICATED.

     IN THE OPTIMIZATION, ONE OR MORE LOGIT THRESHOLDS APPROACHED EXTREME VALUES
     OF -15.000 AND 15.000 AND WERE FIXED TO STABILIZE MODEL ESTIMATION.

THE MODEL ESTIMATION TERMINATED NORMALLY

MODEL FIT INFORMATION

Number of Free Parameters                        7

Loglikelihood

          H0 Value                        -900.125
          H0 Scaling Correction Factor      1.0250
            for MLR

Information Criteria

          Akaike (AIC)                    1814.250
          Bayesian (BIC)                  1843.752
          Sample-Size Adjusted BIC        1821.534
            (n* = (n + 2) / 24)

FINAL CLASS COUNTS AND PROPORTIONS FOR THE LATENT CLASSES
BASED ON THE ESTIMATED MODEL

    Latent
   Classes

       1        200.50000          0.40100
       2        299.50000          0.59900

FINAL CLASS COUNTS AND PROPORTIONS FOR THE LATENT CLASSES
BASED ON ESTIMATED POSTERIOR PROBABILITIES

    Latent
   Classes

       1        200.50000          0.40100
       2        299.50000          0.59900

FINAL CLASS COUNTS AND PROPORTIONS FOR THE LATENT CLASSES
BASED ON THEIR MOST LIKELY LATENT CLASS MEMBERSHIP

Class Counts and Proportions

    Latent
   Classes

       1              210          0.42000
       2              290          0.58000

CLASSIFICATION QUALITY

     Entropy                         0.731

Average Latent Class Probabilities for Most Likely Latent Class Membership (Row)
by Latent Class (Column)

           1        2

    1   0.912    0.088
    2   0.075    0.925

"""
RESULTS = f"""MODEL RESULTS
{COLUMNS}
Latent Class 1

 Thresholds
    U1$1              15.000      0.000    999.000    999.000
    U2$1              -0.500      0.200     -2.500      0.012
    U3$1               1.250      0.250      5.000      0.000

Latent Class 2

 Thresholds
    U1$1              -1.000      0.100    -10.000      0.000
    U2$1               0.750  *********  *********  *********
    U3$1           0.200D+01  0.500D-01     40.000      0.000

Categorical Latent Variables

 Means
    C#1               -0.401      0.150     -2.673      0.008

QUALITY OF NUMERICAL RESULTS

     Condition Number for the Information Matrix              0.356E-02

"""
REST = f"""RESULTS IN PROBABILITY SCALE
{COLUMNS}
Latent Class 1

 U2
    Category 1         0.378      0.047      8.043      0.000
    Category 2         0.622      0.047     13.234      0.000

LATENT CLASS INDICATOR ODDS RATIOS FOR THE LATENT CLASSES

                                                95% C.I.
                    Estimate       S.E.  Lower 2.5% Upper 2.5%

Latent Class 1 Compared to Latent Class 2

 U2
    Category > 1       3.490      0.900      2.100      5.800

TECHNICAL 11 OUTPUT

     VUONG-LO-MENDELL-RUBIN LIKELIHOOD RATIO TEST FOR 1 (H0) VERSUS 2 CLASSES

          H0 Loglikelihood Value                         -950.125
          2 Times the Loglikelihood Difference            100.000
          Difference in the Number of Parameters                4
          P-Value                                          0.0001

     LO-MENDELL-RUBIN ADJUSTED LRT TEST

          Value                                            97.500
          P-Value                                          0.0002

TECHNICAL 14 OUTPUT

     PARAMETRIC BOOTSTRAPPED LIKELIHOOD RATIO TEST FOR 1 (H0) VERSUS 2 CLASSES

          H0 Loglikelihood Value                         -950.125
          Approximate P-Value                              0.0000
          Successful Bootstrap Draws                           10

"""
SMALL = BEGIN + INPUT + SUMMARY + RESULTS + REST + END


def line(name: str, value: float, se: float = 0.1) -> str:
    """A row of MODEL RESULTS."""
    return f"    {name:12s}{value:12.3f}{se:11.3f}{value / se:11.3f}{0.05:11.3f}\n"


def block(heading: str, rows: list[tuple]) -> str:
    """A heading and its rows."""
    return f" {heading}\n" + "".join(line(*row) for row in rows) + "\n"


def output(said: str, results: str, more: str = "", loglik: float = -900.125) -> str:
    """An output of another input and other results."""
    head = SUMMARY.replace("-900.125", f"{loglik:.3f}")
    head = head[: head.index("FINAL CLASS COUNTS")]
    between = f"MODEL RESULTS\n{COLUMNS}\n{results}\nQUALITY OF NUMERICAL RESULTS\n\n"
    return BEGIN + said + head + between + more + END


def of_lca(fit, order: list[int], items: dict[str, str]) -> str:
    """The output that Mplus would write at the estimates of a latent class model of binary items, in another order."""
    size, k = len(order), fit.model.classes[0].size
    assert size == k
    logit = fit.params["class_logit"].values[order]
    slope = fit.params["class_slope"].values[order] if "class_slope" in fit.params else None
    tau = -fit.params["item_logit"].isel(category=1).values[order]
    text = ""
    for c in range(size):
        text += f"Latent Class {c + 1}\n\n"
        text += block("Thresholds", [(f"{new}$1", tau[c, p]) for p, new in enumerate(items.values())])
    text += "Categorical Latent Variables\n\n"
    if slope is not None:
        for c in range(size - 1):
            text += block(f"C#{c + 1}        ON", [("X", slope[c, 0] - slope[-1, 0], 0.2)])
    heading = "Means" if slope is None else "Intercepts"
    text += block(heading, [(f"C#{c + 1}", logit[c] - logit[-1], 0.3) for c in range(size - 1)])
    names = " ".join(items.values())
    said = (
        f"  TITLE: LCA\n  DATA: FILE = run.dat;\n  VARIABLE: NAMES = {names} X; CATEGORICAL = {names};\n"
        f"  USEVARIABLES = {names}{' X' * (slope is not None)};\n  CLASSES = C({size});\n  ANALYSIS: TYPE = MIXTURE;\n"
        f"{'  MODEL: %OVERALL% C ON X;' * (slope is not None)}\n"
    )
    return output(said, text, loglik=fit.loglik)


def of_lta(fit, order: list[int], waves: list[list[str]]) -> str:
    """Likewise of a transition model with two occasions and invariant measurement."""
    k = len(order)
    first = fit.params["C1_logit"].values[order]
    move = fit.params["C2_logit"].values[np.ix_(order, order)]
    move = move - move[:, -1:]
    tau = -fit.params["item_logit"].isel(category=1).values[order]
    text = ""
    for t, wave in enumerate(waves, start=1):
        text += f"Parameters for Class-specific Model Parts of C{t}\n\n"
        for c in range(k):
            text += f"Latent Class C{t}#{c + 1}\n\n"
            text += block("Thresholds", [(f"{item}$1", tau[c, p]) for p, item in enumerate(wave)])
    text += "Categorical Latent Variables\n\n"
    for d in range(k - 1):
        text += block(f"C2#{d + 1}     ON", [(f"C1#{c + 1}", move[c, d] - move[-1, d]) for c in range(k - 1)])
    means = [(f"C1#{c + 1}", first[c] - first[-1]) for c in range(k - 1)]
    text += block("Means", means + [(f"C2#{d + 1}", move[-1, d], 0.4) for d in range(k - 1)])
    odds = np.exp(move)
    share = odds / odds.sum(axis=1, keepdims=True)
    more = "LATENT TRANSITION PROBABILITIES BASED ON THE ESTIMATED MODEL\n\n"
    more += "  C1 Classes (Rows) by C2 Classes (Columns)\n\n"
    more += "        " + "".join(f"{d + 1:9d}" for d in range(k)) + "\n\n"
    more += "".join(f"   {c + 1}" + "".join(f"{x:10.3f}" for x in share[c]) + "\n" for c in range(k)) + "\n"
    names = " ".join(i for w in waves for i in w)
    said = (
        f"  TITLE: LTA\n  DATA: FILE = run.dat;\n  VARIABLE: NAMES = {names}; CATEGORICAL = {names};\n"
        f"  CLASSES = C1({k}) C2({k});\n  ANALYSIS: TYPE = MIXTURE;\n  MODEL: %OVERALL% C2 ON C1;\n"
    )
    return output(said, text, more, fit.loglik)
