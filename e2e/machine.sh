#!/usr/bin/env bash
# Makes the file system of a small Debian 12 with systemd, which e2e/packages_test.go boots with systemd-nspawn.
#
#   e2e/machine.sh DIR     installs what is needed on this Debian 12 (as root), and makes DIR unless it is there
#
# Environment: DEBIAN_MIRROR is the Debian mirror (the one that apt uses here).
set -euo pipefail
root=$(realpath -m "${1:?usage: e2e/machine.sh DIR}")

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q=2 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2; }
missing=()
for package in mmdebstrap systemd-container buildah ca-certificates; do
	[ "$(dpkg-query -f '${db:Status-Status}' -W $package 2>/dev/null)" = installed ] || missing+=($package)
done
[ ${#missing[@]} = 0 ] || { apt update && apt install --yes --no-install-recommends "${missing[@]}"; }
[ ! -e "$root.complete" ] || exit 0

known() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | sed -n 1p; }
mirror=${DEBIAN_MIRROR:-$(known)}
[ -n "$mirror" ] || { apt update; mirror=$(known); }
[ -n "$mirror" ] || { echo "machine.sh: apt has no Debian mirror here: set DEBIAN_MIRROR" >&2; exit 1; }
rm -rf "$root"
mkdir -p "$(dirname "$root")"
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
apt-config dump | grep -E '^Acquire::(http|https|Retries)' >"$settings" || true
mmdebstrap --quiet --mode=root --variant=essential --format=directory --aptopt="$settings" \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--include=systemd,systemd-sysv,dbus,openssl,rpm bookworm "$root" "$mirror" >&2
rm -f "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap # later installations in it are complete
touch "$root.complete"
