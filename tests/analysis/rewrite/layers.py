"""Layers, moments and selections as people write them: title, rank with the passes, the cascade."""

from __future__ import annotations

DECODER = """
same: [[M, P]]
inputs: {X: [M, D], WQ: [D, E], WK: [D, E], WV: [D, F], WO: [F, D], N1: [D], CO: [M, E], DOC: [M], SINK: []}
constants: {eps: 1e-6}
outputs: [Y]
einsums: |
  S1[m]    = X[m,d]*X[m,d] :: sum[d]
  XN[m,d]  = X[m,d]*rsqrt(S1[m]/D + eps)*N1[d]
  Q[p,e]   = XN[p,d]*WQ[d,e] :: sum[d]
  QR[p,e]  = Q[p,e]*CO[p,e]
  K[m,e]   = XN[m,d]*WK[d,e] :: sum[d]
  KR[m,e]  = K[m,e]*CO[m,e]
  V[m,f]   = XN[m,d]*WV[d,f] :: sum[d]
  QK[m,p]  = QR[p,e]*KR[m,e] :: sum[e] | m <= p
  S[m,p]   = where(eq(DOC[m], DOC[p]), QK[m,p], -inf) | m <= p
  LM[p]    = S[m,p] :: max[m] | m <= p
  GM[p]    = max(LM[p], SINK[])
  SN[m,p]  = exp(S[m,p] - GM[p]) | m <= p
  SD[p]    = SN[m,p] :: sum[m] | m <= p
  A[m,p]   = SN[m,p]/(SD[p] + exp(SINK[] - GM[p])) | m <= p
  AV[p,f]  = A[m,p]*V[m,f] :: sum[m] | m <= p
  O[p,d]   = AV[p,f]*WO[f,d] :: sum[f]
  Y[p,d]   = X[p,d] + O[p,d]
"""

PACKED = """
inputs: {Q: [E, P], K: [E, M], V: [F, M], ROW: [P], COL: [M]}
outputs: [AV]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  S[m,p]  = where(eq(COL[m], ROW[p]), QK[m,p], -inf)
  GM[p]   = S[m,p] :: max[m]
  SN[m,p] = exp(S[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  AV[f,p] = SN[m,p]*V[f,m]/SD[p] :: sum[m]
"""

SOFTMAX = """
inputs: {X: [M, P]}
outputs: [%s]
einsums: |
  GM[p]   = X[m,p] :: max[m]
  SN[m,p] = exp(X[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
"""

KULLBACK_LEIBLER = """
inputs: {X: [M], Y: [M]}
outputs: [D]
einsums: |
  GX[]  = X[m] :: max[m]
  EX[m] = exp(X[m] - GX[])
  SX[]  = EX[m] :: sum[m]
  GY[]  = Y[m] :: max[m]
  EY[m] = exp(Y[m] - GY[])
  SY[]  = EY[m] :: sum[m]
  A[m]  = EX[m]/SX[]
  B[m]  = EY[m]/SY[]
  D[]   = A[m]*(log(A[m]) - log(B[m])) :: sum[m]
"""

CORRELATION = """
inputs: {X: [M], Y: [M]}
outputs: [R]
einsums: |
  SX[]  = X[m] :: sum[m]
  SY[]  = Y[m] :: sum[m]
  CX[m] = X[m] - SX[]/M
  CY[m] = Y[m] - SY[]/M
  XY[]  = CX[m]*CY[m] :: sum[m]
  XX[]  = CX[m]*CX[m] :: sum[m]
  YY[]  = CY[m]*CY[m] :: sum[m]
  R[]   = XY[]/sqrt(XX[]*YY[])
"""

BATCH_NORM = """
inputs: {X: [N, C]}
constants: {eps: 1e-5}
outputs: [Z]
einsums: |
  S[c]   = X[n,c] :: sum[n]
  V[c]   = (X[n,c] - S[c]/N)**2 :: sum[n]
  Y[n,c] = (X[n,c] - S[c]/N)*rsqrt(V[c]/N + eps)
  Z[c]   = Y[n,c] :: max[n]
"""

#: name: (rank, passes as written, fewest safe passes, cascade)
LAYERS = {
    "decoder": ("M", 3, 1, DECODER),
    "packed documents": ("M", 3, 1, PACKED),
    "entropy": ("M", 3, 1, SOFTMAX % "H" + "  H[p] = -A[m,p]*log(A[m,p]) :: sum[m]\n"),
    "entropy by logits": (
        "M", 3, 1, SOFTMAX % "H" + "  H[p] = A[m,p]*(GM[p] + log(SD[p]) - X[m,p]) :: sum[m]\n",
    ),
    "top-k of a softmax": ("M", 3, 1, SOFTMAX % "TI, H" + "  TI[p,j], H[p,j] = A[m,p] :: topk[m -> j]\n"),
    "Kullback-Leibler": ("M", 3, 1, KULLBACK_LEIBLER),
    "correlation": ("M", 2, 1, CORRELATION),
    "batch norm": ("N", 3, 1, BATCH_NORM),
    "router": (
        "N", 3, 1,
        "inputs: {X: [D, P], W: [D, N]}\noutputs: [EX, G]\neinsums: |\n  L[n,p] = X[d,p]*W[d,n] :: sum[d]\n"
        "  GM[p] = L[n,p] :: max[n]\n  SN[n,p] = exp(L[n,p] - GM[p])\n  SD[p] = SN[n,p] :: sum[n]\n"
        "  R[n,p] = SN[n,p]/SD[p]\n  EX[p,j], G[p,j] = R[n,p] :: topk[n -> j]\n",
    ),
    "quantised product": (
        "K", 2, 1,
        "inputs: {X: [K, P], W: [K, N]}\noutputs: [Y]\neinsums: |\n  AM[p] = abs(X[k,p]) :: max[k]\n"
        "  XQ[k,p] = X[k,p]*448/AM[p]\n  A[n,p] = XQ[k,p]*W[k,n] :: sum[k]\n  Y[n,p] = A[n,p]*AM[p]/448\n",
    ),
    "moment of inertia": (
        "M", 2, 1,
        "inputs: {W: [M], X: [M, D]}\noutputs: [I]\neinsums: |\n  S[] = W[m] :: sum[m]\n  SX[d] = W[m]*X[m,d] :: sum[m]\n"
        "  C[d] = SX[d]/S[]\n  J[d] = W[m]*(X[m,d] - C[d])**2 :: sum[m]\n  I[] = J[d] :: sum[d]\n",
    ),
    "layer norm and a product": (
        "D", 3, 1,
        "inputs: {X: [D], W: [D, O]}\nconstants: {eps: 1e-5}\noutputs: [Z]\neinsums: |\n  S[] = X[d] :: sum[d]\n"
        "  C[d] = X[d] - S[]/D\n  V[] = C[d]*C[d] :: sum[d]\n  Y[d] = C[d]*rsqrt(V[]/D + eps)\n"
        "  Z[o] = Y[d]*W[d,o] :: sum[d]\n",
    ),
    "largest of normalised": (
        "M", 2, 1,
        "inputs: {X: [M, P]}\noutputs: [H]\neinsums: |\n  S[p] = X[m,p]*X[m,p] :: sum[m]\n"
        "  Z[m,p] = X[m,p]*rsqrt(S[p] + 1e-6)\n  H[p] = Z[m,p] :: max[m]\n",
    ),
}  # fmt: skip
