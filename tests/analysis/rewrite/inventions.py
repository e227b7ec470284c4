"""Cascades made up to try the rewrites on: none was known when those were written."""

from __future__ import annotations

from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade

TEXTS = {
    "entmax-normalised": """
inputs: {X: [M, P], V: [F, M]}
einsums: |
  GM[p]  = X[m,p] :: max[m]
  Z[m,p] = (X[m,p] - GM[p])/2
  T[p]   = Z[m,p] :: sum[m]
  TAU[p] = T[p]/M - 1/sqrt(M)
  H[m,p] = relu(Z[m,p] - TAU[p])*relu(Z[m,p] - TAU[p])
  SD[p]  = H[m,p] :: sum[m]
  AV[f,p] = H[m,p]/SD[p]*V[f,m] :: sum[m]
""",
    "entmax": """
inputs: {X: [M, P], V: [F, M]}
einsums: |
  GM[p]  = X[m,p] :: max[m]
  MU[p]  = X[m,p]/M :: sum[m]
  TAU[p] = max(MU[p]/2, GM[p]/2 - 1)
  A[m,p] = relu(X[m,p]/2 - TAU[p])**2
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "sequential-normalisers": """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  N2[p]   = A[m,p]*A[m,p] :: sum[m]
  B[m,p]  = A[m,p]/sqrt(N2[p])
  AV[f,p] = B[m,p]*V[f,m] :: sum[m]
""",
    "max-plus-decay": """
constants: {lam: 0.25}
inputs: {S: [M, P], C: [M, F]}
einsums: |
  T[m,p] = S[m,p] - lam*(M - m)
  B[p]   = T[m,p] :: max[m]
  Z[f,p] = T[m,p] - B[p] + C[m,f] :: max[m]
  Y[f,p] = Z[f,p] + C[m,f] - B[p] :: min[m]
""",
    "softmax-variance": """
inputs: {X: [M, P], W: [M]}
einsums: |
  GM[p]   = X[m,p] :: max[m]
  SN[m,p] = exp(X[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  MU[p]   = A[m,p]*W[m] :: sum[m]
  VAR[p]  = A[m,p]*(W[m] - MU[p])**2 :: sum[m]
""",
    "bits": """
inputs: {A: [N, P]}
einsums: |
  ALL[p] = gt(A[n,p], -2) :: min[n]
  ANY[p] = max(gt(A[n,p], 1), ALL[p]) :: min[n]
  Z[p]   = min(gt(A[n,p], 0), ANY[p]) :: max[n]
""",
    "reach": """
inputs: {A: [N, P]}
einsums: |
  ALL[p] = gt(A[n,p], -2) :: and[n]
  ANY[p] = max(gt(A[n,p], 1), ALL[p]) :: and[n]
  Z[p]   = min(gt(A[n,p], 0), ANY[p]) :: or[n]
""",
    "lse-variance": """
inputs: {X: [M, P], W: [M]}
outputs: [L, VAR]
einsums: |
  GM[p]  = X[m,p] :: max[m]
  SN[m,p] = exp(X[m,p] - GM[p])
  SE[p]  = SN[m,p] :: sum[m]
  L[p]   = GM[p] + log(SE[p])
  A[m,p] = exp(X[m,p] - L[p])
  MU[p]  = A[m,p]*W[m] :: sum[m]
  C[m,p] = W[m] - MU[p]
  VAR[p] = A[m,p]*C[m,p]*C[m,p] :: sum[m]
""",
    "cosine": """
constants: {scale: 10, eps: 1e-6}
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  NQ[p]   = Q[e,p]*Q[e,p] :: sum[e]
  NK[m]   = K[e,m]*K[e,m] :: sum[e]
  DP[m,p] = Q[e,p]*K[e,m] :: sum[e]
  QK[m,p] = scale*DP[m,p]/sqrt(NQ[p] + eps)/sqrt(NK[m] + eps)
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "cross-covariance": """
inputs: {Q: [M, E], K: [M, D]}
outputs: [G]
einsums: |
  NQ[e]   = Q[m,e]*Q[m,e] :: sum[m]
  NK[d]   = K[m,d]*K[m,d] :: sum[m]
  QH[m,e] = Q[m,e]/sqrt(NQ[e])
  KH[m,d] = K[m,d]/sqrt(NK[d])
  G[e,d]  = QH[m,e]*KH[m,d] :: sum[m]
""",
    "keys-normalised": """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  NK[e]   = K[e,m]*K[e,m] :: sum[m]
  KH[e,m] = K[e,m]/sqrt(NK[e])
  QK[m,p] = Q[e,p]*KH[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "key-temperature": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], T: [M]}
einsums: |
  S[m,p]  = Q[e,p]*K[e,m] :: sum[e]
  QK[m,p] = S[m,p]/softplus(T[m])
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "gated-softmax": """
inputs: {Q: [E, P], K: [E, M], V: [F, M], G: [M, P]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = sigmoid(G[m,p])*SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "gated-by-max": """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = sigmoid(QK[m,p] - GM[p])*SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "causal-decay-two": """
constants: {lam: 0.9, mu: 0.7}
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
same: [[M, P]]
outputs: [AV, BV]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m] | m <= p
  SN[m,p] = exp(QK[m,p] - GM[p])*lam**(p - m) | m <= p
  TN[m,p] = exp(QK[m,p] - GM[p])*mu**(p - m) | m <= p
  SD[p]   = SN[m,p] :: sum[m] | m <= p
  TD[p]   = TN[m,p] :: sum[m] | m <= p
  AV[f,p] = SN[m,p]/SD[p]*V[f,m] :: sum[m] | m <= p
  BV[f,p] = TN[m,p]/(SD[p] + TD[p])*V[f,m] :: sum[m] | m <= p
""",
    "retention-normalised": """
constants: {lam: 0.9}
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
same: [[M, P]]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  D[m,p]  = QK[m,p]*lam**(p - m) | m <= p
  N[p]    = D[m,p] :: sum[m] | m <= p
  C[p]    = max(abs(N[p]), 1)
  AV[f,p] = D[m,p]/C[p]*V[f,m] :: sum[m] | m <= p
""",
    "two-temperatures": """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  GM[p]   = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  HN[m,p] = exp((QK[m,p] - GM[p])/2)
  SD[p]   = SN[m,p] :: sum[m]
  HD[p]   = HN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p] - HN[m,p]/HD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "min-max-scaled": """
inputs: {X: [M, P], V: [F, M]}
einsums: |
  HI[p]   = X[m,p] :: max[m]
  LO[p]   = X[m,p] :: min[m]
  A[m,p]  = (X[m,p] - LO[p])/(HI[p] - LO[p] + 1)
  SD[p]   = A[m,p] :: sum[m]
  AV[f,p] = A[m,p]/SD[p]*V[f,m] :: sum[m]
""",
    "scores-normalised": """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  N2[p]   = QK[m,p]*QK[m,p] :: sum[m]
  R[p]    = 1/sqrt(N2[p]/M + 1)
  L[m,p]  = QK[m,p]*R[p]
  GM[p]   = L[m,p] :: max[m]
  SN[m,p] = exp(L[m,p] - GM[p])
  SD[p]   = SN[m,p] :: sum[m]
  A[m,p]  = SN[m,p]/SD[p]
  AV[f,p] = A[m,p]*V[f,m] :: sum[m]
""",
    "top-k-negative": """
inputs: {X: [N, P]}
einsums: |
  GM[p] = X[n,p] :: sum[n]
  TI[p,j], TS[p,j] = X[n,p]*GM[p] :: topk[n -> j]
""",
    "top-k-share": """
inputs: {X: [N, P]}
einsums: |
  GM[p] = X[n,p] :: max[n]
  SD[p] = exp(X[n,p] - GM[p]) :: sum[n]
  TI[p,j], TS[p,j] = exp(X[n,p] - GM[p])/SD[p] :: topk[n -> j]
""",
}


def invention(name: str) -> Cascade:
    """Return the cascade called *name*."""
    return cascade_from_text(f"title: {name}\nsource: test\n{TEXTS[name].strip()}\n", name)
