"""What people write that the language says in another way, and how."""

from __future__ import annotations

from collections.abc import Mapping

#: Functions that are none here, by name.
FUNCTIONS_SAID: Mapping[str, str] = {
    "or": "of two conditions that are 0 or 1, 'or' is max(a, b)",
    "and": "of two conditions that are 0 or 1, 'and' is min(a, b)",
    "not": "of a condition that is 0 or 1, 'not' is 1 - a",
    "ne": "'not equal' is 1 - eq(a, b)",
    "if": "write where(condition, value, otherwise)",
    "pow": "write a**b",
    "square": "write a**2",
    "clip": "write min(max(x, low), high)",
    "clamp": "write min(max(x, low), high)",
    "sum": "a reduction stands behind the expression: S[p] = X[m,p] :: sum[m]",
    "prod": "a reduction stands behind the expression: S[p] = X[m,p] :: prod[m]",
    "mean": "a mean is a sum by a size: S[p] = X[m,p]/M :: sum[m]",
    "logsumexp": "a reduction stands behind the expression: L[p] = X[m,p] :: logsumexp[m]",
    "softmax": "write its steps: a maximum, exponentials less it, their sum, and the quotient",
    "argmax": "a list stands behind the expression: I[p,j] = X[m,p] :: argmax[m -> j], with one j",
    "argmin": "a list stands behind the expression: I[p,j] = X[m,p] :: argmin[m -> j], with one j",
    "topk": "a list stands behind the expression: I[p,j], S[p,j] = X[m,p] :: topk[m -> j]",
    "cumsum": "a running sum is a loop: S[0] = 0, and in 'loop m:' S[m+1] = S[m] + X[m]",
}

#: Reductions that are none here, by name.
REDUCTIONS_SAID: Mapping[str, str] = {
    "mean": "a mean is a sum by a size: S[p] = X[m,p]/M :: sum[m]",
    "argmax": "it makes a list, of one place: I[p,j] = X[m,p] :: argmax[m -> j]; or a reduction of your own",
    "argmin": "it makes a list, of one place: I[p,j] = X[m,p] :: argmin[m -> j]; or a reduction of your own",
    "topk": "it makes a list: I[p,j], S[p,j] = X[m,p] :: topk[m -> j]",
    "topk_index": "it makes a list: I[p,j] = X[m,p] :: topk_index[m -> j]",
    "sort": "it makes a list: S[p,j] = X[m,p] :: sort[m -> j]",
    "softmax": "write its steps: a maximum, exponentials less it, their sum, and the quotient",
    "cumsum": "a running sum is a loop: S[0] = 0, and in 'loop m:' S[m+1] = S[m] + X[m]",
}
