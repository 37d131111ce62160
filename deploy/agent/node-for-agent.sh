#!/bin/sh
# Starts the agent in the Node that it came with, so that it takes little memory. Its workers get none of this: they are
# started by themselves, and compute.
#
# The supervisor lives for years and does little: what it does often enough (20,000 times and more) is still compiled, and
# the rest stays as it was read, without V8's compilers and what they make of it in memory.
set -eu
bin=${0%/*}
# One heap for all threads of the C library, and what is free at its end goes back to the system.
export MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536
exec "$bin/node" --optimize-for-size --no-sparkplug \
  --invocation-count-for-maglev=20000 --invocation-count-for-maglev-osr=20000 \
  --invocation-count-for-turbofan=200000 --invocation-count-for-osr=200000 \
  "$bin/aviary-agent.js" "$@"
