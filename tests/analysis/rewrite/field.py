"""Mechanisms of the field that no file of einsums/ holds: rank, passes before and after by hand, text."""

from __future__ import annotations

FIELD = {
    "prefix language model": (
        "M",
        3,
        1,
        """
inputs: {Q: [E, P], K: [E, M], V: [F, M], N: []}
same: [[M, P]]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m]/sqrt(E) :: sum[e]
  S[m,p]  = where(max(le(m, p), lt(m, N[])), QK[m,p], -inf)
  GM[p]   = S[m,p] :: max[m]
  SN[m,p] = exp(S[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    ),
    "modern Hopfield network with its energy": (
        "M",
        3,
        1,
        """
inputs: {Q: [E, P], K: [E, M], B: []}
einsums: |
  QK[m,p] = B[]*Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  LSE[p]  = (GM[p] + log(SD[p]))/B[]
  NQ[p]   = Q[e,p]*Q[e,p] :: sum[e]
  EN[p]   = NQ[p]/2 - LSE[p]
  A[m,p]  = SN[m,p]/SD[p]
  X[e,p]  = A[m,p]*K[e,m] :: sum[m]
""",
    ),
    "keys of four bits under a scale for each group": (
        "M",
        3,
        1,
        """
inputs: {Q: [E, P], KC: [E, M], KS: [G, M], KZ: [G, M], VC: [F, M], VS: [M], VZ: [M]}
ranks: {E: G*J}
einsums: |
  K[g,j,m] = (KC[g*J+j,m] - KZ[g,m])*KS[g,m]
  QK[m,p] = Q[g*J+j,p]*K[g,j,m] :: sum[g, j]
  V[f,m]  = (VC[f,m] - VZ[m])*VS[m]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    ),
    "random features, stable": (
        "M",
        2,
        1,
        """
inputs: {Q: [E, P], K: [E, M], V: [F, M], W: [R, E]}
einsums: |
  WK[r,m] = W[r,e]*K[e,m] :: sum[e]
  NK[m]   = K[e,m]*K[e,m] :: sum[e]
  UK[r,m] = WK[r,m] - NK[m]/2
  GK[]    = UK[r,m] :: max[r, m]
  FK[r,m] = exp(UK[r,m] - GK[])
  WQ[r,p] = W[r,e]*Q[e,p] :: sum[e]
  NQ[p]   = Q[e,p]*Q[e,p] :: sum[e]
  GQ[p]   = WQ[r,p] - NQ[p]/2 :: max[r]
  FQ[r,p] = exp(WQ[r,p] - NQ[p]/2 - GQ[p])
  KV[f,r] = FK[r,m]*V[f,m] :: sum[m]
  KS[r]   = FK[r,m] :: sum[m]
  NU[f,p] = FQ[r,p]*KV[f,r] :: sum[r]
  DE[p]   = FQ[r,p]*KS[r] :: sum[r]
  AV[f,p] = NU[f,p]/DE[p]
""",
    ),
    "smoothed labels": (
        "V",
        3,
        1,
        """
inputs: {X: [D, N], W: [D, V], Y: [N]}
constants: {eps: 0.1}
einsums: |
  Z[v,n] = X[d,n]*W[d,v] :: sum[d]
  ZM[n]  = Z[v,n] :: max[v]
  SE[n]  = exp(Z[v,n] - ZM[n]) :: sum[v]
  L[n]   = ZM[n] + log(SE[n])
  LP[v,n] = Z[v,n] - L[n]
  T[v,n] = where(eq(v, Y[n]), 1 - eps, 0) + eps/V
  LO[n]  = -T[v,n]*LP[v,n] :: sum[v]
""",
    ),
    "contrastive loss of rows and columns": (
        "N",
        2,
        1,
        """
inputs: {X: [D, M], Y: [D, N], S: []}
same: [[M, N]]
einsums: |
  L[m,n] = S[]*X[d,m]*Y[d,n] :: sum[d]
  GR[m]  = L[m,n] :: max[n]
  SR[m]  = exp(L[m,n] - GR[m]) :: sum[n]
  GC[n]  = L[m,n] :: max[m]
  SC[n]  = exp(L[m,n] - GC[n]) :: sum[m]
  D[m]   = L[m,m]
  LR[]   = (GR[m] + log(SR[m]) - D[m])/M :: sum[m]
  LC[]   = (GC[n] + log(SC[n]) - D[n])/N :: sum[n]
  LO[]   = (LR[] + LC[])/2
""",
    ),
    "scores of a beam": (
        "V",
        3,
        1,
        """
inputs: {X: [D, B], W: [D, V], SC: [B]}
einsums: |
  Z[v,b] = X[d,b]*W[d,v] :: sum[d]
  ZM[b] = Z[v,b] :: max[v]
  SE[b] = exp(Z[v,b] - ZM[b]) :: sum[v]
  LP[v,b] = Z[v,b] - ZM[b] - log(SE[b]) + SC[b]
  TI[b,j], TS[b,j] = LP[v,b] :: topk[v -> j]
""",
    ),
    "RWKV-4 as a sum over the past": (
        "I",
        3,
        1,
        """
inputs: {K: [D, I], V: [D, I], W: [D]}
ranks: {T: I}
einsums: |
  S[i,t,d] = K[d,i] - (t - i)*W[d] | i <= t
  GM[t,d] = S[i,t,d] :: max[i] | i <= t
  SN[i,t,d] = exp(S[i,t,d] - GM[t,d]) | i <= t
  SD[t,d] = SN[i,t,d] :: sum[i] | i <= t
  Y[d,t] = SN[i,t,d]/SD[t,d]*V[d,i] :: sum[i] | i <= t
""",
    ),
    "sink with a value of its own": (
        "M",
        3,
        1,
        """
inputs: {Q: [E, P], K: [E, M], V: [F, M], SK: [], VS: [F]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m]/sqrt(E) :: sum[e]
  LM[p]   = QK[m,p] :: max[m]
  GM[p]   = max(LM[p], SK[])
  SN[m,p] = exp(QK[m,p] - GM[p])
  SS[p]   = SN[m,p] :: sum[m]
  SD[p]   = SS[p] + exp(SK[] - GM[p])
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
  O[f,p]  = AV[f,p] + exp(SK[] - GM[p])/SD[p]*VS[f]
""",
    ),
    "experts by a top-k of a softmax": (
        "X",
        3,
        1,
        """
inputs: {H: [D, T], WR: [X, D], W1: [X, F, D], W2: [X, D, F]}
einsums: |
  R[x,t] = WR[x,d]*H[d,t] :: sum[d]
  RM[t] = R[x,t] :: max[x]
  RE[x,t] = exp(R[x,t] - RM[t])
  RS[t] = RE[x,t] :: sum[x]
  P[x,t] = RE[x,t]/RS[t]
  TI[t,j], TP[t,j] = P[x,t] :: topk[x -> j]
  TS[t] = TP[t,j] :: sum[j]
  U[f,t,j] = W1[TI[t,j],f,d]*H[d,t] :: sum[d]
  G[f,t,j] = silu(U[f,t,j])
  Z[d,t,j] = W2[TI[t,j],d,f]*G[f,t,j] :: sum[f]
  Y[d,t] = TP[t,j]/TS[t]*Z[d,t,j] :: sum[j]
""",
    ),
}
