"""Cascades that the rewrite tests start from, written as a paper would write them."""

from __future__ import annotations

from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade

QKV = "inputs: {Q: [E, P], K: [E, M], V: [F, M]}"
TEXTS = {
    "variance": """
inputs: {X: [D]}
einsums: |
  S1[] = X[d] :: sum[d]
  MU[] = S1[]/D
  C[d] = X[d] - MU[]
  S2[] = C[d]*C[d] :: sum[d]
  VAR[] = S2[]/D
""",
    "layernorm": """
constants: {eps: 1e-5}
inputs: {X: [D], GA: [D]}
einsums: |
  S1[] = X[d] :: sum[d]
  MU[] = S1[]/D
  C[d] = X[d] - MU[]
  S2[] = C[d]*C[d] :: sum[d]
  RS[] = 1/sqrt(S2[]/D + eps)
  Y[d] = C[d]*RS[]*GA[d]
""",
    "layernorm-matmul": """
constants: {eps: 1e-5}
inputs: {X: [D, P], GA: [D], W: [O, D]}
einsums: |
  S1[p] = X[d,p] :: sum[d]
  MU[p] = S1[p]/D
  C[d,p] = X[d,p] - MU[p]
  S2[p] = C[d,p]*C[d,p] :: sum[d]
  RS[p] = 1/sqrt(S2[p]/D + eps)
  Y[d,p] = C[d,p]*RS[p]*GA[d]
  Z[o,p] = Y[d,p]*W[o,d] :: sum[d]
""",
    "rmsnorm-matmul": """
constants: {eps: 1e-5}
inputs: {X: [D, P], GA: [D], W: [O, D]}
einsums: |
  S2[p] = X[d,p]*X[d,p] :: sum[d]
  RS[p] = 1/sqrt(S2[p]/D + eps)
  Y[d,p] = X[d,p]*RS[p]*GA[d]
  Z[o,p] = Y[d,p]*W[o,d] :: sum[d]
""",
    "softmax-1": f"""
{QKV}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  LM[p]   = QK[m,p] :: max[m]
  GM[p]   = max(LM[p], 0)
  SN[m,p] = exp(QK[m,p] - GM[p])
  SS[p]   = SN[m,p] :: sum[m]
  SD[p]   = SS[p] + exp(-GM[p])
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "sink": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], SK: [P]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  LM[p]   = QK[m,p] :: max[m]
  GM[p]   = max(LM[p], SK[p])
  SN[m,p] = exp(QK[m,p] - GM[p])
  SS[p]   = SN[m,p] :: sum[m]
  SD[p]   = SS[p] + exp(SK[p] - GM[p])
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "softpick": f"""
constants: {{eps: 1e-6}}
{QKV}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  D0[m,p] = exp(QK[m,p] - GM[p]) - exp(-GM[p])
  SD[p]   = abs(D0[m,p]) :: sum[m]
  A[m,p]  = relu(D0[m,p])/(SD[p] + eps*exp(-GM[p]))
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "mla": """
inputs: {Q: [E, P], QR: [R, P], CL: [C, M], KR: [R, M], WQ: [C, E], WV: [F, C]}
einsums: |
  QC[c,p] = WQ[c,e]*Q[e,p] :: sum[e]
  Q1[m,p] = QC[c,p]*CL[c,m] :: sum[c]
  Q2[m,p] = QR[r,p]*KR[r,m] :: sum[r]
  QK[m,p] = Q1[m,p] + Q2[m,p]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AC[c,p] = A[m,p]*CL[c,m] :: sum[m]
  O[f,p]  = WV[f,c]*AC[c,p] :: sum[c]
""",
    "landmark": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], KL: [E, M1]}
einsums: |
  QK[m1,m0,p] = Q[e,p]*K[e,m1*M0+m0] :: sum[e]
  LM[m1,p]    = QK[m1,m0,p] :: max[m0]
  SN[m1,m0,p] = exp(QK[m1,m0,p] - LM[m1,p])
  SD[m1,p]    = SN[m1,m0,p] :: sum[m0]
  LG[m1,p]    = Q[e,p]*KL[e,m1] :: sum[e]
  HM[p]       = LG[m1,p] :: max[m1]
  HN[m1,p]    = exp(LG[m1,p] - HM[p])
  HD[p]       = HN[m1,p] :: sum[m1]
  G[m1,p]     = HN[m1,p]/HD[p]
  A[m1,m0,p]  = SN[m1,m0,p]/SD[m1,p]
  W[m1,m0,p]  = A[m1,m0,p]*G[m1,p]
  O[f,p]      = W[m1,m0,p]*V[f,m1*M0+m0] :: sum[m1,m0]
""",
    "agent": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], G: [E, T]}
einsums: |
  AK[m,t] = G[e,t]*K[e,m] :: sum[e]
  GM[t]   = AK[m,t] :: max[m]
  SN[m,t] = exp(AK[m,t] - GM[t])
  SD[t]   = SN[m,t] :: sum[m]
  A[m,t]  = SN[m,t]/SD[t]
  VA[f,t] = A[m,t]*V[f,m] :: sum[m]
  QA[t,p] = Q[e,p]*G[e,t] :: sum[e]
  HM[p]   = QA[t,p] :: max[t]
  TN[t,p] = exp(QA[t,p] - HM[p])
  TD[p]   = TN[t,p] :: sum[t]
  TA[t,p] = TN[t,p]/TD[p]
  O[f,p]  = TA[t,p]*VA[f,t] :: sum[t]
""",
    "block-sparse": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], T: [P, J]}
ranks: {M: M1*M0}
einsums: |
  QK[j,m0,p] = Q[e,p]*K[e,T[p,j]*M0+m0] :: sum[e]
  GM[p]      = QK[j,m0,p] :: max[j,m0]
  SN[j,m0,p] = exp(QK[j,m0,p] - GM[p])
  SD[p]      = SN[j,m0,p] :: sum[j,m0]
  A[j,m0,p]  = SN[j,m0,p]/SD[p]
  O[f,p]     = A[j,m0,p]*V[f,T[p,j]*M0+m0] :: sum[j,m0]
""",
    "causal": f"""
{QKV}
same: [[M, P]]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m] | m <= p
  SN[m,p] = exp(QK[m,p] - GM[p]) | m <= p
  SD[p]   = SN[m,p] :: sum[m] | m <= p
  A[m,p]  = SN[m,p]/SD[p] | m <= p
  AV[f,p] = A[m,p]*V[f,m] :: sum[m] | m <= p
""",
    "window": f"""
{QKV}
same: [[M, P]]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m] | m <= p, m > p - 3
  SN[m,p] = exp(QK[m,p] - GM[p]) | m <= p, m > p - 3
  SD[p]   = SN[m,p] :: sum[m] | m <= p, m > p - 3
  A[m,p]  = SN[m,p]/SD[p] | m <= p, m > p - 3
  AV[f,p] = A[m,p]*V[f,m] :: sum[m] | m <= p, m > p - 3
""",
    "masked": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], MASK: [M, P]}
einsums: |
  S[m,p]  = Q[e,p]*K[e,m] :: sum[e]
  QK[m,p] = S[m,p] + MASK[m,p]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "log-sum-exp": """
inputs: {I: [M, P]}
einsums: |
  GM[p] = I[m,p] :: max[m]
  SE[p] = exp(I[m,p] - GM[p]) :: sum[m]
  L[p]  = GM[p] + log(SE[p])
""",
    "entropy": """
inputs: {I: [M, P]}
einsums: |
  GM[p]   = I[m,p] :: max[m]
  SN[m,p] = exp(I[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  H[p]    = A[m,p]*log(A[m,p]) :: sum[m]
""",
    "backward": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], DO: [F, P], L: [P]}
outputs: [DQ, DK, DV]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  PR[m,p] = exp(QK[m,p] - L[p])
  DV[f,m] = PR[m,p]*DO[f,p] :: sum[p]
  DP[m,p] = DO[f,p]*V[f,m] :: sum[f]
  DD[p]   = PR[m,p]*DP[m,p] :: sum[m]
  DS[m,p] = PR[m,p]*(DP[m,p] - DD[p])
  DQ[e,p] = DS[m,p]*K[e,m] :: sum[m]
  DK[e,m] = DS[m,p]*Q[e,p] :: sum[p]
""",
    "linear": f"""
{QKV}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  AV[f,p] = QK[m,p]*V[f,m] :: sum[m]
""",
    "hinge": """
inputs: {X: [D]}
einsums: |
  S[] = X[d] :: sum[d]
  T[] = S[]/D
  Y[] = relu(X[d] - T[]) :: sum[d]
""",
    "deviation": """
inputs: {X: [D]}
einsums: |
  S[] = X[d] :: sum[d]
  T[] = S[]/D
  Y[] = abs(X[d] - T[]) :: sum[d]
""",
    "tanh": """
inputs: {X: [D]}
einsums: |
  S[] = X[d] :: max[d]
  Y[] = tanh(X[d] - S[]) :: sum[d]
""",
    "gaussian": """
inputs: {X: [D]}
einsums: |
  S[] = X[d] :: sum[d]
  T[] = S[]/D
  Y[] = exp(-(X[d] - T[])**2) :: sum[d]
""",
    "sort": """
inputs: {X: [D]}
ranks: {J: D}
einsums: |
  Y[j] = X[d] :: sort[d -> j]
""",
    "max-plus": """
inputs: {S: [N, P], W: [N]}
einsums: |
  T[p] = S[n,p] :: max[n]
  Z[p] = S[n,p] - T[p] + W[n] :: max[n]
""",
    "max-times": """
inputs: {S: [N, P]}
einsums: |
  GM[p] = S[n,p] :: max[n]
  SD[p] = exp(S[n,p] - GM[p]) :: sum[n]
  Z[p]  = exp(S[n,p] - GM[p])/SD[p] :: max[n]
""",
    "or-and": """
inputs: {A: [N, P], B: [N, P]}
einsums: |
  ANY[p] = gt(A[n,p], 1) :: or[n]
  Z[p]   = min(gt(B[n,p], 0), ANY[p]) :: or[n]
""",
    "topk-shift": """
inputs: {S: [N, P]}
einsums: |
  GM[p] = S[n,p] :: max[n]
  TI[p,j], TS[p,j] = S[n,p] - GM[p] :: topk[n -> j]
""",
    "decay": """
constants: {lam: 0.9}
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  S[m,p]  = Q[e,p]*K[e,m] :: sum[e]
  QK[m,p] = S[m,p]*lam**(M - m)
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "two-normalisers": f"""
{QKV}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  SQ[p]   = SN[m,p]*SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p] + SN[m,p]*SN[m,p]/SQ[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
}


def mechanism(name: str) -> Cascade:
    """Return the cascade called *name*."""
    return cascade_from_text(f"title: {name}\nsource: test\n{TEXTS[name].strip()}\n", name)
