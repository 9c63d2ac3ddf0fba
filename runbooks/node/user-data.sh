#!/bin/sh
# Puts the collector on a node, beside the script that collects now. A program of its own: user data writes it to a file and
# calls it (`sh install-collector.sh`), in front of or behind whatever else the bootstrap does. It always ends with 0 and says
# what became of it in the bootstrap log: a node without the collector is a node as before.
#
# In its environment: where the program is and its digest, the cluster, the name of the node, and the digest of its inventory.
# In SOURCE lie already: sluice-metrics.service, sluice.yaml (node.yaml beside this file, with the node's name), and
# axiom_ingest_token.

SOURCE="${SOURCE:-/etc/sluice}"
LOG="${LOG:-/var/log/nats-bootstrap.log}"
PROGRAM="${PROGRAM:-/usr/local/bin/sluice}"
UNITS="${UNITS:-/etc/systemd/system}"

say() { printf '[bootstrap] collector: %s\n' "$1" >>"$LOG"; }

install_collector() (
    set -eu
    step='it was not told everything'
    new=''
    trap 'status=$?; rm -f "$new"; [ "$status" = 0 ] || say "FAILED: $step; nats-monitor goes on"' EXIT
    for name in SLUICE_URL SLUICE_SHA256 CLUSTER NODE INVENTORY_DIGEST; do
        step="$name is not set"
        eval "[ -n \"\${$name:-}\" ]"
    done
    step="the program could not be fetched from $SLUICE_URL"
    new="$(mktemp)"
    curl -fsSL --retry 3 --max-time 120 -o "$new" "$SLUICE_URL"
    step='it is another program than the one that was pinned'
    printf '%s  %s\n' "$SLUICE_SHA256" "$new" | sha256sum --check --status
    step="the program does not start on this machine ($(uname -m))"
    chmod 0755 "$new"
    "$new" --version >/dev/null
    step='its files could not be put into place'
    install -m 0755 "$new" "$PROGRAM"
    (umask 077 && printf 'CLUSTER=%s\nNODE=%s\nINVENTORY_DIGEST=%s\n' "$CLUSTER" "$NODE" "$INVENTORY_DIGEST" >"$SOURCE/node.env")
    install -m 0644 "$SOURCE/sluice-metrics.service" "$UNITS/sluice-metrics.service"
    step='its service does not start (journalctl -u sluice-metrics)'
    systemctl daemon-reload
    systemctl enable --now sluice-metrics.service || {
        systemctl disable --now sluice-metrics.service
        exit 1
    }
)

# Not `if install_collector`: there the shell would go on after what failed.
install_collector
[ "$?" = 0 ] && say "OK, $("$PROGRAM" --version)"
exit 0
