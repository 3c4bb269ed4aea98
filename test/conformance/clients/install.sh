#!/bin/sh
# Installs into DIR what the conformance tests' gRPC clients need, for each language whose tools
# are there: DIR/python (site packages), DIR/node, DIR/java (jars). What is installed is left alone
# until the file that pins its version changes.
#
#   test/conformance/clients/install.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
into=$(cd "$1" && pwd)

# fresh NAME FILE...: is NAME installed as the files say?
fresh() {
  name=$1
  shift
  sums=$(cat "$@" | cksum)
  [ -f "$into/$name.installed" ] && [ "$(cat "$into/$name.installed")" = "$sums" ]
}

finished() { echo "$sums" >"$into/$1.installed"; }

have() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: leaving out its client" >&2; return 1; }
  done
}

if have python3 && ! fresh python "$here/python/requirements.txt"; then
  echo "installing the gRPC client in Python"
  rm -rf "$into/python"
  python3 -m pip install --quiet --root-user-action ignore --target "$into/python" -r "$here/python/requirements.txt"
  finished python
fi

if have node npm && ! fresh node "$here/node/package.json" "$here/node/package-lock.json" "$here/node/client.js"; then
  echo "installing the gRPC client in Node"
  rm -rf "$into/node"
  mkdir -p "$into/node"
  cp "$here/node/package.json" "$here/node/package-lock.json" "$here/node/client.js" "$into/node/"
  (cd "$into/node" && npm ci --silent --no-audit --no-fund --ignore-scripts)
  finished node
fi

if have javac mvn && ! fresh java "$here/java/pom.xml" "$here/java/src/main/java/Client.java"; then
  echo "installing the gRPC client in Java"
  rm -rf "$into/java"
  mkdir -p "$into/java/source"
  cp -R "$here/java/pom.xml" "$here/java/src" "$into/java/source/"
  (cd "$into/java/source" &&
    mvn --quiet --batch-mode -DskipTests compile dependency:copy-dependencies -DoutputDirectory="$into/java/lib")
  mv "$into/java/source/target/classes" "$into/java/classes"
  rm -rf "$into/java/source"
  finished java
fi
