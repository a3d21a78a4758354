#!/bin/sh
# Serves on all of the container's addresses, which needs a token: made once, kept in the volume, readable by the
# server's user only. Clients read it with `docker compose exec greenroom cat /data/ws-token`.
set -eu
token=${GREENROOM_HOME:-/data}/ws-token
if [ ! -s "$token" ]; then
  umask 077
  mkdir -p "$(dirname "$token")"
  greenroom token new --raw > "$token.new"
  mv "$token.new" "$token"
fi
exec greenroom app-server --listen ws://0.0.0.0:4500 --ws-auth capability-token --ws-token-file "$token"
