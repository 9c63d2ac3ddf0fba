#!/bin/sh
# For the user data of a node: puts the collector beside the script that collects now. Whatever does not work is said in the
# bootstrap log, and the script goes on: a node without the collector is a node as before.
#
# Filled in by whoever renders the user data: where the program is, its digest, the cluster, the number of the node, the
# inventory (node.yaml beside this file) and its digest.

SLUICE_URL="${SLUICE_URL:?}"                 # of the build for this machine's architecture (uname -m)
SLUICE_SHA256="${SLUICE_SHA256:?}"           # of exactly that file: another one is not started
CLUSTER="${CLUSTER:?}"
NODE="${NODE:?}"
INVENTORY_DIGEST="${INVENTORY_DIGEST:?}"     # as `sluice trust --print-digest` says it
SOURCE="${SOURCE:-/etc/sluice}"              # where sluice-metrics.service, sluice.yaml and axiom_ingest_token lie already
LOG="${LOG:-/var/log/nats-bootstrap.log}"
PROGRAM="${PROGRAM:-/usr/local/bin/sluice}"
UNITS="${UNITS:-/etc/systemd/system}"

say() { printf '[bootstrap] collector: %s\n' "$1" >>"$LOG"; }

install_collector() (
    set -eu
    new="$(mktemp)"
    trap 'rm -f "$new"' EXIT
    curl -fsSL --retry 3 --max-time 120 -o "$new" "$SLUICE_URL"
    printf '%s  %s\n' "$SLUICE_SHA256" "$new" | sha256sum --check --status
    # A program for another machine ends here.
    chmod 0755 "$new"
    "$new" --version >/dev/null
    install -m 0755 "$new" "$PROGRAM"
    umask 077
    printf 'CLUSTER=%s\nNODE=%s\nINVENTORY_DIGEST=%s\n' "$CLUSTER" "$NODE" "$INVENTORY_DIGEST" >"$SOURCE/node.env"
    install -m 0644 "$SOURCE/sluice-metrics.service" "$UNITS/sluice-metrics.service"
    systemctl daemon-reload
    systemctl enable --now sluice-metrics.service
)

# Not `if install_collector`: there the shell would go on after what failed.
install_collector
if [ "$?" = 0 ]; then
    say "OK, $("$PROGRAM" --version)"
else
    say "FAILED: the program could not be fetched, is another one than was pinned, or does not start; nats-monitor goes on"
fi
