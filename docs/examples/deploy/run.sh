#!/bin/sh
# The service and two workers, by plain commands; Ctrl-C or SIGTERM ends all of them.
#   sh run.sh [SETTINGS], with cotality.env beside it by default
set -eu
set -a
. "${1:-$(dirname "$0")/cotality.env}"
set +a

python -m cotality.jobs worker cotality.web.work:jobs --slot=1 \
    --queue=tasks=4 --queue=comparisons=1 --queue=samples=2 &
one=$!
python -m cotality.jobs worker cotality.web.work:jobs --slot=2 \
    --queue=tasks=4 --queue=comparisons=1 --queue=samples=2 &
two=$!
python -m cotality.web &
web=$!

# Those that have ended already are nobody's loss.
trap 'kill "$web" "$one" "$two" 2>/dev/null || true' INT TERM EXIT
# It is the service that people miss. A signal ends the first wait, so it waits again.
wait "$web" || true
kill "$web" "$one" "$two" 2>/dev/null || true
wait
