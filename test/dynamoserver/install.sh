#!/bin/sh
# Installs into DIR a server that speaks DynamoDB's protocol, for tests. It is left alone until its lock file changes.
#
#   test/dynamoserver/install.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null && command -v npm >/dev/null || { echo "node or npm is missing: leaving out the tests with DynamoDB" >&2; exit 0; }
mkdir -p "$1"
into=$(cd "$1" && pwd)
sums=$(cat "$here/package.json" "$here/package-lock.json" | cksum)
[ -f "$into/installed" ] && [ "$(cat "$into/installed")" = "$sums" ] && exit 0
echo "installing dynalite, a server for the tests with DynamoDB"
rm -rf "$into/node_modules"
cp "$here/package.json" "$here/package-lock.json" "$into/"
(cd "$into" && npm ci --silent --no-audit --no-fund --ignore-scripts)
echo "$sums" >"$into/installed"
