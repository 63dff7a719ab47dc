#!/bin/sh
# Makes sure there is a Prometheus server to scrape the proxy and to answer its queries. Debian starts the
# service it installs where policy allows; that does no harm, the tests run servers of their own.
set -eu

if command -v prometheus >/dev/null 2>&1; then
	exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
fi
echo "installing prometheus"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus </dev/null || true
command -v prometheus >/dev/null 2>&1 || { echo "prometheus is missing and could not be installed" >&2; exit 1; }
