#!/bin/sh
# Installs Amazon's DynamoDB Local into DIR, for tests. What is installed is left alone until a file that it comes from
# changes.
#
#   test/dynamoserver/install.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v javac >/dev/null && command -v mvn >/dev/null || { echo "javac or mvn is missing: leaving out the tests with DynamoDB" >&2; exit 0; }
mkdir -p "$1"
into=$(cd "$1" && pwd)
sums=$(cat "$here/java/pom.xml" "$here/java/src/main/java/Local.java" | cksum)
[ -f "$into/installed" ] && [ "$(cat "$into/installed")" = "$sums" ] && exit 0
echo "installing DynamoDB Local"
rm -rf "$into/lib" "$into/classes" "$into/source"
mkdir "$into/source"
cp -R "$here/java/pom.xml" "$here/java/src" "$into/source/"
(cd "$into/source" &&
  mvn --quiet --batch-mode -DskipTests compile dependency:copy-dependencies -DoutputDirectory="$into/lib")
mv "$into/source/target/classes" "$into/classes"
rm -rf "$into/source"
echo "$sums" >"$into/installed"
