#!/usr/bin/env bash
# One run on a machine with a GPU, ten minutes at most: benchmarks/gpu/run.sh FOLDER
# Run from the project's folder, with torch and Triton installed. Each part has a limit of its own, and none stops the next; the same
# command resumes.
set -u
OUT=${1:?usage: benchmarks/gpu/run.sh FOLDER}
HERE=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$OUT"
export PYTHONPATH="$HERE/../..${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
{ date -u; nvidia-smi -q -d CLOCK,POWER,PERFORMANCE,TEMPERATURE; command -v ncu; } > "$OUT/machine.txt" 2>&1
timeout -k 5 260 python3 "$HERE/measure.py" "$OUT/rows.csv" "$HERE/grid.yaml" 230 0
timeout -k 5 140 python3 "$HERE/probes.py" "$OUT/probes.csv" 120
timeout -k 5 150 python3 "$HERE/measure.py" "$OUT/again.csv" "$HERE/grid.yaml" 130 1    # other inputs: the spread between runs
python3 "$HERE/hidden.py" "$OUT/probes.csv" | tee "$OUT/hidden.txt"
