#!/bin/sh
# Starts the agent in the Node that it came with, so that it takes little memory. Its workers get none of this: they are
# started by themselves, and compute.
#
# The supervisor lives for years and does little, so that its code is interpreted: V8's compilers, and what they make of it,
# would take 8 MB. An application that has a picture answered costs it 0.5 ms instead of 0.3. What it has not done for two
# collections is forgotten, and read again when it is needed; and it collects a few times as soon as it is calm.
set -eu
bin=${0%/*}
# No authority counts but the fleet's own. Node would read all that it knows for nothing, which is 1 MB.
unset NODE_EXTRA_CA_CERTS
export SSL_CERT_FILE=/dev/null
# One heap for all threads of the C library, and what is free at its end goes back to the system.
export MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536
exec "$bin/node" --optimize-for-size --no-sparkplug --no-maglev --no-opt \
  --max-semi-space-size=1 --expose-gc --bytecode-old-age=2 --memory-reducer-gc-count=6 --v8-pool-size=1 \
  --use-openssl-ca \
  "$bin/aviary-agent.js" "$@"
