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

#: A fold over two ranks at once, of which one is the loop's.
GROUP_NORM = """
inputs: {X: [G, C, N]}
constants: {eps: 1e-5}
outputs: [Z]
einsums: |
  MU[g]    = X[g,c,n]/(C*N) :: sum[c, n]
  V[g]     = (X[g,c,n] - MU[g])**2/(C*N) :: sum[c, n]
  Y[g,c,n] = (X[g,c,n] - MU[g])*rsqrt(V[g] + eps)
  Z[g]     = Y[g,c,n] :: max[c, n]
"""

#: A softmax by its log-sum-exp, causal.
LOG_SUM_EXP = """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
same: [[P, M]]
outputs: [AV]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m]/sqrt(E) :: sum[e]
  L[p]    = QK[m,p] :: logsumexp[m] | m <= p
  AV[f,p] = exp(QK[m,p] - L[p])*V[f,m] :: sum[m] | m <= p
"""

#: Norms before and after, rotary halves, QK-norm, a causal mask inside documents, a sink for each head, gated feed-forward.
WHOLE = """
batch: [B]
inputs: {X: [D, P], WN1: [D], WQ: [H, E, D], WK: [H, E, D], WV: [H, F, D], C: [A, P], S: [A, P], SINK: [H], DM: [P],
  WO: [D, H, F],
  WN2: [D], WN3: [D], WN4: [D], WG: [I, D], WU: [I, D], WD: [D, I]}
outputs: [Y]
ranks: {E: 2*A, M: P}
constants: {eps: 1e-6}
einsums: |
  V1[p] = X[d,p]*X[d,p] :: sum[d]
  N1[d,p] = X[d,p]*rsqrt(V1[p]/D + eps)*WN1[d]
  Q0[h,e,p] = WQ[h,e,d]*N1[d,p] :: sum[d]
  K0[h,e,m] = WK[h,e,d]*N1[d,m] :: sum[d]
  V[h,f,m] = WV[h,f,d]*N1[d,m] :: sum[d]
  QV[h,p] = Q0[h,e,p]*Q0[h,e,p] :: sum[e]
  KV[h,m] = K0[h,e,m]*K0[h,e,m] :: sum[e]
  QN[h,e,p] = Q0[h,e,p]*rsqrt(QV[h,p]/E + eps)
  KN[h,e,m] = K0[h,e,m]*rsqrt(KV[h,m]/E + eps)
  QL[h,a,p] = QN[h,a,p]*C[a,p] - QN[h,a+A,p]*S[a,p]
  QH[h,a,p] = QN[h,a+A,p]*C[a,p] + QN[h,a,p]*S[a,p]
  KL[h,a,m] = KN[h,a,m]*C[a,m] - KN[h,a+A,m]*S[a,m]
  KH[h,a,m] = KN[h,a+A,m]*C[a,m] + KN[h,a,m]*S[a,m]
  QK[h,m,p] = QL[h,a,p]*KL[h,a,m] + QH[h,a,p]*KH[h,a,m] :: sum[a]
  GM0[h,p] = QK[h,m,p] :: max[m] | m <= p, DM[m] == DM[p]
  GM[h,p] = max(GM0[h,p], SINK[h])
  SN[h,m,p] = exp(QK[h,m,p]/sqrt(E) - GM[h,p]/sqrt(E))
  SD0[h,p] = SN[h,m,p] :: sum[m] | m <= p, DM[m] == DM[p]
  SD[h,p] = SD0[h,p] + exp(SINK[h]/sqrt(E) - GM[h,p]/sqrt(E))
  AV[h,f,p] = SN[h,m,p]/SD[h,p]*V[h,f,m] :: sum[m] | m <= p, DM[m] == DM[p]
  O[d,p] = WO[d,h,f]*AV[h,f,p] :: sum[h,f]
  V2[p] = O[d,p]*O[d,p] :: sum[d]
  R1[d,p] = X[d,p] + O[d,p]*rsqrt(V2[p]/D + eps)*WN2[d]
  V3[p] = R1[d,p]*R1[d,p] :: sum[d]
  N3[d,p] = R1[d,p]*rsqrt(V3[p]/D + eps)*WN3[d]
  G[i,p] = WG[i,d]*N3[d,p] :: sum[d]
  U[i,p] = WU[i,d]*N3[d,p] :: sum[d]
  FF[d,p] = WD[d,i]*silu(G[i,p])*U[i,p] :: sum[i]
  V4[p] = FF[d,p]*FF[d,p] :: sum[d]
  Y[d,p] = R1[d,p] + FF[d,p]*rsqrt(V4[p]/D + eps)*WN4[d]
"""

#: Heads are mixed before and after the softmax (Shazeer et al., arXiv 2003.02436), under a causal mask.
TALKING_HEADS = """
inputs: {Q: [I, E, P], K: [I, E, M], V: [G, F, M], WL: [I, H], WW: [H, G]}
same: [[P, M]]
outputs: [AV]
einsums: |
  J[i,m,p]  = Q[i,e,p]*K[i,e,m] :: sum[e] | m <= p
  L[h,m,p]  = J[i,m,p]*WL[i,h] :: sum[i] | m <= p
  GM[h,p]   = L[h,m,p] :: max[m] | m <= p
  SN[h,m,p] = exp(L[h,m,p] - GM[h,p]) | m <= p
  SD[h,p]   = SN[h,m,p] :: sum[m] | m <= p
  A[h,m,p]  = SN[h,m,p]/SD[h,p] | m <= p
  U[g,m,p]  = A[h,m,p]*WW[h,g] :: sum[h] | m <= p
  AV[g,f,p] = U[g,m,p]*V[g,f,m] :: sum[m] | m <= p
"""

#: Scores are convolved over keys and queries before the softmax (Golovneva et al., arXiv 2504.00927).
MULTI_TOKEN = """
inputs: {Q: [E, P], K: [E, M], V: [F, M], W: [U, T]}
outputs: [AV]
same: [[M, P]]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e] | m <= p
  CV[m,p] = (W[u,t]*QK[m+u-1,p+t-1]
            ) :: sum[u,t] | m + u <= p + t, m + u >= 1, m + u - 1 < M, p + t >= 1, p + t - 1 < P
  GM[p] = CV[m,p] :: max[m] | m <= p
  SN[m,p] = exp(CV[m,p] - GM[p]) | m <= p
  SD[p] = SN[m,p] :: sum[m] | m <= p
  AV[f,p] = SN[m,p]*V[f,m]/SD[p] :: sum[m] | m <= p
"""

#: name: (rank, passes as written, fewest safe passes, cascade)
LAYERS = {
    "decoder": ("M", 3, 1, DECODER),
    "whole decoder layer": ("M", 3, 1, WHOLE),
    "multi-token": ("M", 3, 1, MULTI_TOKEN),
    "causal talking heads": ("M", 3, 1, TALKING_HEADS),
    "packed documents": ("M", 3, 1, PACKED),
    "entropy": ("M", 3, 1, SOFTMAX % "H" + "  H[p] = -A[m,p]*log(A[m,p]) :: sum[m]\n"),
    "entropy by logits": (
        "M", 3, 1, SOFTMAX % "H" + "  H[p] = A[m,p]*(GM[p] + log(SD[p]) - X[m,p]) :: sum[m]\n",
    ),
    "top-k of a softmax": ("M", 3, 1, SOFTMAX % "TI, H" + "  TI[p,j], H[p,j] = A[m,p] :: topk[m -> j]\n"),
    "Kullback-Leibler": ("M", 3, 1, KULLBACK_LEIBLER),
    "correlation": ("M", 2, 1, CORRELATION),
    "batch norm": ("N", 3, 1, BATCH_NORM),
    "group norm": ("N", 3, 1, GROUP_NORM),
    "softmax by a log-sum-exp": ("M", 2, 1, LOG_SUM_EXP),
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
    "layer norm, divided inside its sums": (
        "D", 3, 1,
        "inputs: {X: [D, P], W: [D, O]}\nconstants: {eps: 1e-5}\noutputs: [Z]\neinsums: |\n  MU[p] = X[d,p]/D :: sum[d]\n"
        "  V[p] = (X[d,p] - MU[p])**2/D :: sum[d]\n  R[p] = (V[p] + eps)**(-0.5)\n  Y[d,p] = (X[d,p] - MU[p])*R[p]\n"
        "  Z[o,p] = Y[d,p]*W[d,o] :: sum[d]\n",
    ),
    "largest of normalised": (
        "M", 2, 1,
        "inputs: {X: [M, P]}\noutputs: [H]\neinsums: |\n  S[p] = X[m,p]*X[m,p] :: sum[m]\n"
        "  Z[m,p] = X[m,p]*rsqrt(S[p] + 1e-6)\n  H[p] = Z[m,p] :: max[m]\n",
    ),
    "entropy in bits": ("M", 3, 1, SOFTMAX % "H" + "  H[p] = -A[m,p]*log2(A[m,p]) :: sum[m]\n"),
    "focal loss": (
        "V", 3, 1,
        "inputs: {Z: [V, N], Y: [N]}\noutputs: [L]\neinsums: |\n  GM[n] = Z[v,n] :: max[v]\n"
        "  S[n] = exp(Z[v,n] - GM[n]) :: sum[v]\n  P[v,n] = exp(Z[v,n] - GM[n])/S[n]\n"
        "  L[n] = -eq(v, Y[n])*(1 - P[v,n])**2*log(P[v,n]) :: sum[v]\n",
    ),
    "gradient of the queries from logits": (
        "M", 4, 1,
        "inputs: {X: [M, P], K: [E, M], V: [F, M], DO: [F, P]}\noutputs: [DQ]\neinsums: |\n  GM[p] = X[m,p] :: max[m]\n"
        "  SN[m,p] = exp(X[m,p] - GM[p])\n  SD[p] = SN[m,p] :: sum[m]\n  A[m,p] = SN[m,p]/SD[p]\n"
        "  DA[m,p] = DO[f,p]*V[f,m] :: sum[f]\n  RS[p] = A[m,p]*DA[m,p] :: sum[m]\n"
        "  DQ[e,p] = A[m,p]*(DA[m,p] - RS[p])*K[e,m] :: sum[m]\n",
    ),
    "covariance of all pairs of features": (
        "N", 2, 1,
        "inputs: {X: [D, N]}\nranks: {E: D}\noutputs: [C]\neinsums: |\n  MU[d] = X[d,n]/N :: sum[n]\n"
        "  C[d,e] = (X[d,n] - MU[d])*(X[e,n] - MU[e])/(N - 1) :: sum[n]\n",
    ),
    "correlation of two batches' normalised features": (
        "N", 3, 1,
        "inputs: {A: [D, N], B: [D, N]}\nranks: {E: D}\noutputs: [C]\neinsums: |\n  MA[d] = A[d,n]/N :: sum[n]\n"
        "  VA[d] = (A[d,n] - MA[d])**2/N :: sum[n]\n  MB[d] = B[d,n]/N :: sum[n]\n  VB[d] = (B[d,n] - MB[d])**2/N :: sum[n]\n"
        "  C[d,e] = (A[d,n] - MA[d])*rsqrt(VA[d] + 1e-5)*(B[e,n] - MB[e])*rsqrt(VB[e] + 1e-5)/N :: sum[n]\n",
    ),
    "variance over two ranks": (
        "N,H", 2, 1,
        "inputs: {X: [C, N, H]}\noutputs: [V]\neinsums: |\n  S[c] = X[c,n,h] :: sum[n, h]\n"
        "  V[c] = (X[c,n,h] - S[c]/(N*H))**2/(N*H) :: sum[n, h]\n",
    ),
}  # fmt: skip
