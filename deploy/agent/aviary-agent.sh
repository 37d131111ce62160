#!/bin/sh
# The installed agent, with the Node that it came with. For root it is run as the user of its service, to whom all that it
# keeps belongs.
set -eu
user=aviary-agent
command=${1:-}

set -- /usr/lib/aviary-agent/bin/aviary-agent "$@"
[ "$(id -u)" = 0 ] || exec "$@"

# What is root's there is of no use to somebody else.
unset XDG_RUNTIME_DIR
set -- setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"
[ "$command" = join ] || exec "$@"

"$@"
# A board that has joined goes to work.
if [ -d /run/systemd/system ]; then systemctl start aviary-agent.service; fi
