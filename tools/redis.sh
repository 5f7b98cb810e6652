#!/usr/bin/env bash
# Prints where a redis-server is: on the path, or else taken from Debian's packages into the folder given, without root and
# without touching the machine's own lists. Only the four packages that it needs beside Debian's base.
set -euo pipefail
if found=$(command -v redis-server); then
    echo "$found"
    exit
fi
folder=$(mkdir -p "$1" && cd "$1" && pwd)
if [ ! -x "$folder/redis-server" ]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        { echo "redis-server is missing, and this is no Debian to take it from: install Redis" >&2; exit 1; }
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/packages"
    apt=(apt-get -qq -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
    "${apt[@]}" update >&2
    (cd "$folder/packages" && "${apt[@]}" download redis-server redis-tools libjemalloc2 liblzf1 >&2)
    for package in "$folder"/packages/*.deb; do
        dpkg --extract "$package" "$folder/root"
    done
    cat >"$folder/redis-server" <<'START'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/root/usr
LD_LIBRARY_PATH=$(echo "$here"/lib/*/ | tr ' ' ':') exec "$here/bin/redis-server" "$@"
START
    chmod +x "$folder/redis-server"
    rm -rf "$folder/lists" "$folder/cache" "$folder/packages"
fi
echo "$folder/redis-server"
