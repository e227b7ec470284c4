"""Mechanisms and statistics that no file of einsums/ holds: rank, passes before and after by hand, text."""

from __future__ import annotations

RECENT = {
    "differential attention, causal, with the norm of each head behind it": (
        "M",
        3,
        1,
        """
inputs: {Q1: [E, P], Q2: [E, P], K1: [E, M], K2: [E, M], V: [F, M], LAM: [], G: [F]}
constants: {eps: 1e-5}
outputs: [O]
ranks: {P: M}
einsums: |
  QK1[m,p] = Q1[e,p]*K1[e,m]/sqrt(E) :: sum[e] | m <= p
  QK2[m,p] = Q2[e,p]*K2[e,m]/sqrt(E) :: sum[e] | m <= p
  G1[p] = QK1[m,p] :: max[m] | m <= p
  G2[p] = QK2[m,p] :: max[m] | m <= p
  S1[m,p] = exp(QK1[m,p] - G1[p]) | m <= p
  S2[m,p] = exp(QK2[m,p] - G2[p]) | m <= p
  D1[p] = S1[m,p] :: sum[m] | m <= p
  D2[p] = S2[m,p] :: sum[m] | m <= p
  A[m,p] = S1[m,p]/D1[p] - LAM[]*S2[m,p]/D2[p] | m <= p
  AV[f,p] = A[m,p]*V[f,m] :: sum[m] | m <= p
  MS[p] = AV[f,p]*AV[f,p] :: sum[f]
  O[f,p] = AV[f,p]*rsqrt(MS[p]/F + eps)*G[f]
""",
    ),
    "differential attention from two log-sum-exps, with a gate for each token": (
        "M",
        3,
        1,
        """
inputs: {Q1: [E, P], Q2: [E, P], K1: [E, M], K2: [E, M], V: [F, M], GA: [P]}
outputs: [O]
einsums: |
  QK1[m,p] = Q1[e,p]*K1[e,m] :: sum[e]
  QK2[m,p] = Q2[e,p]*K2[e,m] :: sum[e]
  G1[p] = QK1[m,p] :: max[m]
  G2[p] = QK2[m,p] :: max[m]
  D1[p] = exp(QK1[m,p] - G1[p]) :: sum[m]
  D2[p] = exp(QK2[m,p] - G2[p]) :: sum[m]
  L1[p] = G1[p] + log(D1[p])
  L2[p] = G2[p] + log(D2[p])
  O[f,p] = (exp(QK1[m,p] - L1[p]) - sigmoid(GA[p])*exp(QK2[m,p] - L2[p]))*V[f,m] :: sum[m]
""",
    ),
    "attention to keys less their mean (SageAttention's smoothing)": (
        "M",
        4,
        1,
        """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
outputs: [O]
einsums: |
  KM[e] = K[e,m] :: sum[m]
  KS[e,m] = K[e,m] - KM[e]/M
  QK[m,p] = Q[e,p]*KS[e,m] :: sum[e]
  GM[p] = QK[m,p] :: max[m]
  SN[m,p] = exp(QK[m,p] - GM[p])
  SD[p] = SN[m,p] :: sum[m]
  O[f,p] = SN[m,p]/SD[p]*V[f,m] :: sum[m]
""",
    ),
    "cross-entropy with smoothed labels": (
        "N",
        3,
        1,
        """
inputs: {X: [D, P], W: [N, D], Y: [P]}
outputs: [L]
constants: {ls: 0.1}
einsums: |
  Z[n,p] = W[n,d]*X[d,p] :: sum[d]
  M[p] = Z[n,p] :: max[n]
  E[n,p] = exp(Z[n,p] - M[p])
  S[p] = E[n,p] :: sum[n]
  LP[n,p] = Z[n,p] - M[p] - log(S[p])
  SM[p] = LP[n,p] :: sum[n]
  T[p] = where(eq(n, Y[p]), LP[n,p], 0) :: sum[n]
  L[p] = -(1 - ls)*T[p] - ls*SM[p]/N
""",
    ),
    "skewness": (
        "N",
        2,
        1,
        """
inputs: {X: [N, P]}
outputs: [G]
einsums: |
  S[p] = X[n,p] :: sum[n]
  MU[p] = S[p]/N
  M2[p] = (X[n,p] - MU[p])**2 :: sum[n]
  M3[p] = (X[n,p] - MU[p])**3 :: sum[n]
  G[p] = M3[p]/N/(M2[p]/N)**1.5
""",
    ),
    "kurtosis of standardised values": (
        "N",
        3,
        1,
        """
inputs: {X: [N, P]}
outputs: [K]
einsums: |
  S[p] = X[n,p] :: sum[n]
  MU[p] = S[p]/N
  V[p] = (X[n,p] - MU[p])**2/N :: sum[n]
  Z[n,p] = (X[n,p] - MU[p])/sqrt(V[p])
  K[p] = Z[n,p]**4/N :: sum[n]
""",
    ),
    "focal loss with its exponent as a constant": (
        "N",
        3,
        1,
        """
inputs: {Z: [N, P], Y: [P]}
outputs: [L]
constants: {ga: 2}
einsums: |
  M[p] = Z[n,p] :: max[n]
  E[n,p] = exp(Z[n,p] - M[p])
  S[p] = E[n,p] :: sum[n]
  R[n,p] = E[n,p]/S[p]
  L[p] = where(eq(n, Y[p]), -(1 - R[n,p])**ga*log(R[n,p]), 0) :: sum[n]
""",
    ),
    "generalised mean of magnitudes, scaled by the largest": (
        "S",
        2,
        1,
        """
inputs: {X: [C, S]}
outputs: [Y]
constants: {pw: 3}
einsums: |
  MX[c] = abs(X[c,s]) :: max[s]
  Z[c] = (abs(X[c,s])/MX[c])**pw :: sum[s]
  Y[c] = MX[c]*(Z[c]/S)**0.333
""",
    ),
    "scores over the largest magnitude, over their sum": (
        "M",
        3,
        1,
        """
inputs: {Q: [E, P], K: [E, M], V: [F, M]}
outputs: [O]
einsums: |
  QK[m,p] = Q[e,p]*K[e,m] :: sum[e]
  AM[p] = abs(QK[m,p]) :: max[m]
  W[m,p] = QK[m,p]/AM[p]
  N[p] = abs(W[m,p]) :: sum[m]
  O[f,p] = W[m,p]/N[p]*V[f,m] :: sum[m]
""",
    ),
    "weights by Gumbel noise, one place drawn": (
        "N",
        2,
        1,
        """
inputs: {Z: [N, P], U: [N, P]}
outputs: [I]
constants: {te: 0.7}
einsums: |
  L[p] = Z[n,p]/te :: logsumexp[n]
  G[n,p] = Z[n,p]/te - L[p] - log(-log(U[n,p]))
  I[p,j] = G[n,p] :: argmax[n -> j]
""",
    ),
}

CROSS_TWICE = """
inputs: {X: [D, P], C: [D, M], WQ1: [E, D], WK1: [E, D], WQ2: [E, D], WK2: [E, D]}
outputs: [Y]
einsums: |
  QA[e,p] = WQ1[e,d]*X[d,p] :: sum[d]
  KA[e,m] = WK1[e,d]*C[d,m] :: sum[d]
  SA[m,p] = QA[e,p]*KA[e,m] :: sum[e]
  MA[p] = SA[m,p] :: max[m]
  EA[m,p] = exp(SA[m,p] - MA[p])
  DA[p] = EA[m,p] :: sum[m]
  AA[d,p] = EA[m,p]/DA[p]*C[d,m] :: sum[m]
  X2[d,p] = X[d,p] + AA[d,p]
  QB[e,p] = WQ2[e,d]*X2[d,p] :: sum[d]
  KB[e,m] = WK2[e,d]*C[d,m] :: sum[d]
  SB[m,p] = QB[e,p]*KB[e,m] :: sum[e]
  MB[p] = SB[m,p] :: max[m]
  EB[m,p] = exp(SB[m,p] - MB[p])
  DB[p] = EB[m,p] :: sum[m]
  AB[d,p] = EB[m,p]/DB[p]*C[d,m] :: sum[m]
  Y[d,p] = X2[d,p] + AB[d,p]
"""

SQUEEZE = """
inputs: {X: [C, N], W: [C, U], A: [R, C], B: [C, R], PW: [O, C]}
outputs: [Y]
ranks: {N: S + U - 1}
einsums: |
  Z[c,s] = W[c,u]*X[c,s+u] :: sum[u]
  G[c] = Z[c,s]/S :: sum[s]
  H[r] = A[r,c]*G[c] :: sum[c]
  K[c] = B[c,r]*relu(H[r]) :: sum[r]
  T[c,s] = Z[c,s]*sigmoid(K[c])
  Y[o,s] = PW[o,c]*T[c,s] :: sum[c]
"""

POSTERIOR = """
inputs: {E: [T, S], A: [R, S], P0: [S]}
outputs: [G]
ranks: {R: S}
einsums: |
  V[0,s] = P0[s]
  loop t:
    C[t,s] = V[t,r] + A[r,s] :: logsumexp[r]
    V[t+1,s] = C[t,s] + E[t,s]
  W[T,r] = 0
  loop t:
    W[t,r] = W[t+1,s] + A[r,s] + E[t,s] :: logsumexp[s]
  L[] = V[T,s] :: logsumexp[s]
  G[t,s] = exp(V[t+1,s] + W[t+1,s] - L[])
"""

SLOTS = """
inputs: {Q: [E, T], K: [E, T], V: [F, T], AL: [N, T]}
outputs: [O]
einsums: |
  KS[0,n,e] = 0
  VS[0,n,f] = 0
  loop t:
    KS[t+1,n,e] = AL[n,t]*KS[t,n,e] + (1 - AL[n,t])*K[e,t]
    VS[t+1,n,f] = AL[n,t]*VS[t,n,f] + (1 - AL[n,t])*V[f,t]
    L[t,n] = Q[e,t]*KS[t+1,n,e] :: sum[e]
    GM[t] = L[t,n] :: max[n]
    SN[t,n] = exp(L[t,n] - GM[t])
    SD[t] = SN[t,n] :: sum[n]
    A[t,n] = SN[t,n]/SD[t]
    O[f,t] = A[t,n]*VS[t+1,n,f] :: sum[n]
"""

ONE_LIST = """
inputs: {X: [N], Z: [N, P], V: [F, N]}
outputs: [Y]
einsums: |
  M[p] = Z[n,p] :: max[n]
  C[n,p] = X[n] + M[p]
  TJ[p,j], TV[p,j] = C[n,p] :: topk[n -> j]
  Y[f,p] = TV[p,j]*V[f,TJ[p,j]] :: sum[j]
"""

QUANTISED_KEYS = """
inputs: {Q: [E, P], K: [E, M]}
outputs: [L]
einsums: |
  AK[] = abs(K[e,m]) :: max[e,m]
  KQ[e,m] = round(K[e,m]/AK[]*127)
  QK[m,p] = Q[e,p]*KQ[e,m]*AK[]/127 :: sum[e]
  L[p] = QK[m,p] :: logsumexp[m]
"""

CROSS_THRICE = """
inputs: {X: [D, P], C: [D, M], W1: [D, D2], W2: [D, D2], W3: [D, D2]}
ranks: {D2: D}
outputs: [Z]
einsums: |
  QA[d2,p] = W1[d,d2]*X[d,p] :: sum[d]
  SA[m,p] = QA[d2,p]*C[d2,m] :: sum[d2]
  MA[p] = SA[m,p] :: max[m]
  EA[m,p] = exp(SA[m,p] - MA[p])
  DA[p] = EA[m,p] :: sum[m]
  AA[d,p] = EA[m,p]*C[d,m]/DA[p] :: sum[m]
  QB[d2,p] = W2[d,d2]*AA[d,p] :: sum[d]
  SB[m,p] = QB[d2,p]*C[d2,m] :: sum[d2]
  MB[p] = SB[m,p] :: max[m]
  EB[m,p] = exp(SB[m,p] - MB[p])
  DB[p] = EB[m,p] :: sum[m]
  AB[d,p] = EB[m,p]*C[d,m]/DB[p] :: sum[m]
  QC[d2,p] = W3[d,d2]*AB[d,p] :: sum[d]
  SC[m,p] = QC[d2,p]*C[d2,m] :: sum[d2]
  MC[p] = SC[m,p] :: max[m]
  EC[m,p] = exp(SC[m,p] - MC[p])
  DC[p] = EC[m,p] :: sum[m]
  Z[d,p] = EC[m,p]*C[d,m]/DC[p] :: sum[m]
"""

STANDARDISED = """
inputs: {QK: [M, P], V: [F, M]}
outputs: [O]
einsums: |
  S1[p] = QK[m,p] :: sum[m]
  MU[p] = S1[p]/M
  S2[p] = (QK[m,p] - MU[p])**2 :: sum[m]
  Z[m,p] = (QK[m,p] - MU[p])/sqrt(S2[p]/M)
  GM[p] = Z[m,p] :: max[m]
  EX[m,p] = exp(Z[m,p] - GM[p])
  SD[p] = EX[m,p] :: sum[m]
  O[f,p] = EX[m,p]/SD[p]*V[f,m] :: sum[m]
"""
