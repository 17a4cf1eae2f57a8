#!/usr/bin/env bash
# Builds a release.
#
#   packaging/release.sh build DIR     archives, deb, rpm, image context, chart, SBOMs and SHA256SUMS, into the empty directory DIR
#   packaging/release.sh verify DIR    builds the first target of DIR again, elsewhere, and requires the same files
#
# The environment may set TARGETS, VERSION, COMMIT and SOURCE_DATE_EPOCH; by default they come from git. The same values give the
# same files, byte for byte, wherever and whenever they are built: the Go that compiles them is GO, which the go command downloads.
set -euo pipefail
cd "$(dirname "$0")/.."

GO=go1.26.11
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
GOMOD=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

# identify sets what a build depends on.
identify() {
	export COMMIT=${COMMIT:-$(git rev-parse HEAD)}
	export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
	if [ -z "${VERSION:-}" ]; then
		# A release is a tag v1.2.3; anything else sorts before the next one.
		VERSION=$(git describe --exact-match --match 'v[0-9]*' 2>/dev/null | sed 's/^v//') ||
			VERSION=0.0.0-dev.$(git rev-list --count HEAD)
	fi
	export VERSION TARGETS=${TARGETS:-linux/amd64 linux/arm64 darwin/arm64 darwin/amd64 windows/amd64}
	export TZ=UTC LC_ALL=C CGO_ENABLED=0 GOFLAGS= GOWORK=off
	export GOTOOLCHAIN=$GO
	umask 022
}

# compile OS ARCH FILE
compile() {
	local p=nms-alert-relay/internal/build date
	date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
	GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X $p.version=$VERSION -X $p.commit=$COMMIT -X $p.date=$date" -o "$3" ./cmd/alert-relay
}

# archive FILE DIR: a tar.gz of DIR that depends on its content alone.
archive() {
	tar --directory "$(dirname "$2")" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		--create "$(basename "$2")" | gzip -9 --no-name >"$1"
}

build() {
	local out=$1 target os arch name program host native
	mkdir -p "$out"
	[ -z "$(ls -A "$out")" ] || { echo "release: $out isn't empty (choose another directory)" >&2; return 1; }
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	echo "release: version $VERSION, commit $COMMIT, targets $TARGETS"
	GOBIN=$work/tools go install -trimpath "$NFPM"
	GOBIN=$work/tools go install -trimpath "$GOMOD" # the SBOM has its checksum

	host=$(go env GOHOSTOS)/$(go env GOHOSTARCH) native=$work/native
	compile "${host%/*}" "${host#*/}" "$native"
	mkdir "$work/completion"
	for shell in bash zsh fish; do "$native" completion $shell >"$work/completion/$shell"; done

	for target in $TARGETS; do
		os=${target%/*} arch=${target#*/} program=alert-relay
		[ "$os" != windows ] || program=alert-relay.exe
		name=alert-relay_${VERSION}_${os}_${arch}
		echo "release: $name"
		mkdir "$work/$name"
		if [ "$target" = "$host" ]; then cp "$native" "$work/$name/$program"; else compile "$os" "$arch" "$work/$name/$program"; fi
		"$work/tools/cyclonedx-gomod" bin -json -noserial -notimestamp -version "v$VERSION" -output "$out/$name.cdx.json" "$work/$name/$program" 2>"$work/log" ||
			{ cat "$work/log" >&2; return 1; }
		cp LICENSE README.md CHANGELOG.md config.example.yaml "$work/$name"
		mkdir "$work/$name/monitoring"
		cp monitoring/{alertmanager.example.yaml,dashboard.json,rules.yaml} "$work/$name/monitoring"
		cp -r "$work/completion" docs/examples "$work/$name"
		if [ "$os" = linux ]; then
			mkdir "$work/$name/packaging"
			cp packaging/{alert-relay.*,environment,credentials.conf,*install.sh,*remove.sh} "$work/$name/packaging"
			for kind in deb rpm; do
				(cd "$work/$name" && ARCH=$arch "$work/tools/nfpm" package --config "$OLDPWD/packaging/nfpm.yaml" --packager $kind --target "$out" >/dev/null)
			done
			rm "$work/$name"/packaging/*install.sh "$work/$name"/packaging/*remove.sh
			mkdir -p "$out/image/linux_$arch"
			mkdir -p "$out/image/state"
			cp "$work/$name/alert-relay" "$out/image/linux_$arch/alert-relay"
			cp packaging/Dockerfile /etc/ssl/certs/ca-certificates.crt "$out/image"
		fi
		archive "$out/$name.tar.gz" "$work/$name"
	done
	# As helm package makes it, but reproducible: the links to monitoring/ resolved, under the version of the relay.
	echo "release: alert-relay-$VERSION.tgz"
	cp -rL helm/alert-relay "$work/alert-relay"
	sed -i "s/^\(version\|appVersion\): .*/\1: $VERSION/" "$work/alert-relay/Chart.yaml"
	archive "$out/alert-relay-$VERSION.tgz" "$work/alert-relay"

	(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >"$work/sums" && mv "$work/sums" SHA256SUMS)
}

verify() {
	local dir=$1 again
	again=$(mktemp -d)
	TARGETS=${TARGETS%% *}
	mkdir "$again/elsewhere"
	git ls-files -z | tar --null --files-from - --create | tar --extract --directory "$again/elsewhere"
	(umask 077 && "$again/elsewhere/packaging/release.sh" build "$again/dist")
	# What the second build made must be what the first made.
	(cd "$dir" && sha256sum --check --strict --quiet "$again/dist/SHA256SUMS") ||
		{ echo "release: $again/dist differs from $dir" >&2; return 1; }
	rm -rf "$again"
	echo "release: $TARGETS is reproducible"
}

case "${1:-} $#" in
"build 2" | "verify 2") identify && "$1" "$(realpath -m "$2")" ;;
*) sed -n 's/^#   packaging/usage: packaging/p' "$0" >&2 && exit 2 ;;
esac
