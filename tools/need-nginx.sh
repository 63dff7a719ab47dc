#!/bin/sh
# Makes sure there is an nginx to put upstream of the proxy. Debian starts the service it installs where
# policy allows; that does no harm, the tests run servers of their own.
set -eu

if command -v nginx >/dev/null 2>&1; then
	exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
fi
echo "installing nginx"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light </dev/null || true
command -v nginx >/dev/null 2>&1 || { echo "nginx is missing and could not be installed" >&2; exit 1; }
