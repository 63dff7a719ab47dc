#!/bin/sh
# Makes sure there is a HAProxy to measure beside. Debian starts the service it installs where policy
# allows; that does no harm, as shipped it listens nowhere.
set -eu

have() { command -v haproxy >/dev/null 2>&1 || test -x /usr/sbin/haproxy; }

if have; then
	exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
fi
echo "installing HAProxy"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends haproxy </dev/null || true
have || { echo "HAProxy is missing and could not be installed" >&2; exit 1; }
