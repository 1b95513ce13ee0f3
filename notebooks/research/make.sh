#!/usr/bin/env bash
# Makes everything in this folder: fetches the data, has the recorded words run in the real kernel, writes the reports, and
# checks that all of it holds. Needs `datarus`, and a Python (DATARUS_PYTHON) with ipykernel, pandas, matplotlib,
# scikit-learn and typst.
set -euo pipefail
cd "$(dirname "$0")"
python=${DATARUS_PYTHON:-python3}
datarus=${DATARUS:-datarus}

[ -f data/flights.csv ] || "$python" fetch.py
rm -f late-flights.ipynb
coproc server { exec "$python" recorded.py episode.md 0; }
trap 'kill "$server_PID"' EXIT
read -r address <&"${server[0]}"
"$datarus" ask --research "What makes flights leave New York late: the hour, the weather or the aircraft?" \
    --data data --output late-flights.ipynb --model "$address" --yes >/dev/null
for format in html md docx pdf ipynb; do
    "$datarus" report late-flights.ipynb --to "$format"
done
"$datarus" report late-flights.ipynb --to html --audience reviewer --output late-flights-review.html
"$datarus" verify late-flights.ipynb
