#!/usr/bin/env bash
# A real Zabbix for the end-to-end tests.
#
#   e2e/zabbix.sh VERSION VERB [ARGUMENT…]        VERSION is 6.0 or 7.0
#
#   install     install the packages with apt-get (6.0: on this Debian 12;
#               7.0: Debian 13's packages, in a directory of their own)
#   start       start database, server and frontend; return when the API answers
#   stop        stop them
#   reset       start again with the database of a fresh installation
#   status      print which of the three are running
#   env         print shell assignments: URL, trapper address, credentials
#   send ARG…   run zabbix_sender against this server
#   js ARG…     run zabbix_js, the interpreter of webhook scripts
#   sql ARG…    run psql on Zabbix's database
#   log         print the server's log
#   purge       stop, and delete all data
#
# Needs root, but no systemd. Everything listens on 127.0.0.1 only. The database
# doesn't sync to disk, which is fast; a power cut may destroy it.
#
# Environment:
#   ZABBIX_STATE        data directory                 (.zabbix in the repository)
#   ZABBIX_PORT         first of three ports           (6.0: 26000, 7.0: 27000)
#   ZABBIX_SERVER_CONF  additional lines for zabbix_server.conf
#   ZABBIX_MIRROR       Debian mirror for 7.0          (the one that apt uses here)
set -euo pipefail

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
note() { echo "zabbix.sh: $*" >&2; }
fail() { note "$@"; exit 1; }

VERSION=${1:-} VERB=${2:-}
[ -n "$VERB" ] || usage
shift 2
REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HOME_DIR=$(realpath -m "${ZABBIX_STATE:-$REPOSITORY/.zabbix}/$VERSION")
PASSWORD=zabbix
# Values arrive through the trapper, or by HTTP: one poller is enough. 6.0 polls HTTP agent items with its general pollers, which it
# doesn't start without one for unreachable hosts.

case $VERSION in
6.0)
	ROOT=/ PORT=${ZABBIX_PORT:-26000} PHP=php8.2
	PACKAGES=(postgresql-15 zabbix-server-pgsql zabbix-frontend-php zabbix-agent
		php8.2-cli php8.2-cgi php-pgsql php-curl)
	TOOLS=(curl mount)
	POLLERS=(StartPollers=1 StartPollersUnreachable=1 StartPingers=0 StartHTTPPollers=0)
	;;
7.0)
	ROOT=$HOME_DIR/root PORT=${ZABBIX_PORT:-27000} PHP=php8.4 SUITE=trixie
	PACKAGES=(postgresql-17 zabbix-server-pgsql zabbix-frontend-php zabbix-sender
		php8.4-cli php8.4-cgi php-pgsql php-curl tzdata)
	TOOLS=(curl mount mmdebstrap)
	POLLERS=(StartPollers=0 StartPollersUnreachable=0 StartPingers=0 StartHTTPPollers=0 StartAgentPollers=0 StartHTTPAgentPollers=1 StartSNMPPollers=0)
	;;
*) fail "unknown version $VERSION: expected 6.0 or 7.0" ;;
esac
# php-cgi satisfies the frontend's dependency on a web server.
DB_PORT=$PORT SERVER_PORT=$((PORT + 1)) WEB_PORT=$((PORT + 2))

# --- processes ------------------------------------------------------------------

need_root() { [ "$(id -u)" = 0 ] || fail "$VERB needs root"; }

# within USER COMMAND…: exec COMMAND as USER in this version's root. Our configuration
# is mounted at /etc/zabbix in a mount namespace of its own, so that the machine's
# /etc is never changed.
within() {
	local user=$1; shift
	exec unshare --mount --propagation private bash -c '
		set -e
		home=$1 root=$2 user=$3; shift 3
		mkdir -p "$home/etc"
		if [ "$root" != / ]; then
			mkdir -p "$root$home"
			mount --rbind /proc "$root/proc"
			mount --rbind /dev "$root/dev"
			mount --bind "$home" "$root$home"
		fi
		mount --bind "$home/etc" "$root/etc/zabbix"
		export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
		if [ "$root" = / ]; then exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"; fi
		exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"' \
		within "$HOME_DIR" "$ROOT" "$user" "$@"
}

postgres_bin() { echo "${ROOT%/}"/usr/lib/postgresql/*/bin | awk -v root="${ROOT%/}" '{print substr($NF, length(root) + 1)}'; }

psql_as_owner() { (PGPASSWORD=$PASSWORD PGOPTIONS="-c client_min_messages=warning" within root "$(postgres_bin)/psql" -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$DB_PORT" -U zabbix "$@"); }

# A daemon is identified by its pid and start time, in case the kernel reuses the pid.
birth() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }

running() {
	local pid born
	read -r pid born 2>/dev/null <"$HOME_DIR/$1.pid" && [ -n "$born" ] && [ "$(birth "$pid")" = "$born" ]
}

# daemon NAME USER COMMAND…: start COMMAND in the background, in its own session.
daemon() {
	local name=$1 user=$2 pid; shift 2
	(
		cd /
		setsid --fork bash -c 'echo $$ >"$1"; shift; exec "$@"' daemon "$HOME_DIR/$name.new" \
			bash "$REPOSITORY/e2e/zabbix.sh" "$VERSION" within "$user" "$@"
	) >>"$HOME_DIR/log/$name" 2>&1 </dev/null
	until [ -s "$HOME_DIR/$name.new" ]; do sleep 0.02; done
	pid=$(cat "$HOME_DIR/$name.new")
	rm "$HOME_DIR/$name.new"
	echo "$pid $(birth "$pid")" >"$HOME_DIR/$name.pid"
}

# await SECONDS NAME CONDITION…: wait for a daemon until CONDITION succeeds.
await() {
	local tries=$(($1 * 10)) name=$2; shift 2
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ $tries -le 0 ] || ! running "$name"; then
			tail -n 8 "$HOME_DIR/log/$name"* >&2 || true
			fail "$name did not start: see $HOME_DIR/log"
		fi
		sleep 0.1
	done
}

# halt NAME SIGNAL: send SIGNAL to a daemon, and SIGKILL to its process group if it
# still runs after 20 s.
halt() {
	local name=$1 signal=$2 pid tries=200
	if running "$name"; then
		read -r pid _ <"$HOME_DIR/$name.pid"
		# PHP's workers don't exit with their parent: signal the whole group.
		if [ "$name" = web ]; then kill "-$signal" -- "-$pid"; else kill "-$signal" "$pid"; fi
		while running "$name" && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done
		if running "$name"; then note "$name did not stop within 20 s: killed"; kill -KILL -- "-$pid"; fi
	fi
	rm -f "$HOME_DIR/$name.pid"
}

# --- install ---------------------------------------------------------------------

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q=2 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2; }

# on_host PACKAGE…: install the packages that are missing on this machine.
on_host() {
	local package missing=() policy=/usr/sbin/policy-rc.d ours= result=0
	for package in "$@"; do
		[ "$(dpkg-query -f '${db:Status-Status}' -W "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	note "installing ${missing[*]}"
	# Keep the packages' scripts from starting daemons.
	if [ ! -e $policy ]; then ours=$policy; install -m 755 /dev/stdin $policy <<<$'#!/bin/sh\nexit 101'; fi
	{ apt update && apt install --yes --no-install-recommends "${missing[@]}"; } || result=$?
	[ -z "$ours" ] || rm "$ours"
	[ $result = 0 ] || fail "apt-get could not install ${missing[*]}"
}

# The packages are unpacked but not configured, which takes a quarter of the time. The
# few things that their scripts would do and that are needed follow below.
install_in_root() {
	[ ! -e "$ROOT/.complete" ] || return 0
	purge_files
	mkdir -p "$HOME_DIR"
	local mirror=${ZABBIX_MIRROR:-} settings include
	known() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | sed -n 1p; }
	[ -n "$mirror" ] || mirror=$(known)
	[ -n "$mirror" ] || { apt update; mirror=$(known); }
	[ -n "$mirror" ] || fail "apt has no Debian mirror here: set ZABBIX_MIRROR"
	note "unpacking Debian $SUITE with Zabbix into $ROOT"
	settings=$HOME_DIR/apt.conf
	apt-config dump | grep -E '^Acquire::(http|https|Retries)' >"$settings" || true
	include=$(IFS=,; echo "${PACKAGES[*]}")
	mmdebstrap --quiet --mode=root --variant=extract --format=directory --aptopt="$settings" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include='?essential' --include="$include" \
		"$SUITE" "$ROOT" "$mirror" >&2 || fail "mmdebstrap could not unpack Debian $SUITE"
	rm -rf "$settings" "$ROOT"/usr/share/{doc,man,locale}
	(
		cd "$ROOT"
		# Ids that are unlikely to exist on the host.
		for file in passwd group; do cp usr/share/base-passwd/$file.master etc/$file; done
		printf '%s:*:%s:%s::/:/bin/sh\n' postgres 62017 62017 zabbix 62070 62070 >>etc/passwd
		printf '%s:*:%s:\n' postgres 62017 zabbix 62070 >>etc/group
		echo '127.0.0.1 localhost' >etc/hosts
		mkdir -p etc/zabbix
		local extension
		for extension in usr/share/php*-*/*/*.ini; do
			ln -s "/$extension" "etc/php/${PHP#php}/cli/conf.d/$(sed -n 's/^; priority=//p' "$extension")-$(basename "$extension")"
		done
		ldconfig -r .
	)
	touch "$ROOT/.complete"
}

installed() { if [ "$ROOT" = / ]; then [ -x /usr/sbin/zabbix_server ] && [ -d /usr/share/zabbix ]; else [ -e "$ROOT/.complete" ]; fi; }

# --- start -----------------------------------------------------------------------

# Each daemon's user owns the directory that it writes to, and must be able to reach it.
directories() {
	mkdir -p "$HOME_DIR"/{etc,log,sessions,socket}
	chmod 755 "$HOME_DIR" "$HOME_DIR"/{etc,log}
	local user
	for user in postgres zabbix www-data; do
		(within $user test -x "$HOME_DIR") || fail "user $user can't enter $HOME_DIR: choose another directory with ZABBIX_STATE"
	done
	(within root chown zabbix "$HOME_DIR/socket")
	(within root chown www-data "$HOME_DIR/sessions")
}

start_database() {
	! running database || return 0
	local bin; bin=$(postgres_bin)
	if [ ! -e "$HOME_DIR/database/PG_VERSION" ]; then
		rm -rf "$HOME_DIR/database"
		(within root install -d -o postgres -g postgres -m 700 "$HOME_DIR/database")
		(cd / && within postgres bash -c '"$1"/initdb -D "$2" -U zabbix --pwfile=<(echo "$3") -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync' \
			_ "$bin" "$HOME_DIR/database" "$PASSWORD") >"$HOME_DIR/log/initdb" 2>&1 || fail "initdb failed: see $HOME_DIR/log/initdb"
	fi
	rm -f "$HOME_DIR/database/postmaster.pid"
	daemon database postgres "$bin/postgres" -D "$HOME_DIR/database" -p "$DB_PORT" -c listen_addresses=127.0.0.1 \
		-c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
		-c shared_buffers=128MB -c max_connections=100 -c timezone=UTC
	await 30 database psql_as_owner -d postgres -c 'select 1'
}

exists() { [ -n "$(psql_as_owner -d postgres -c "select 1 from pg_database where datname = '$1'")" ]; }

# The schema is loaded once, into a template database that is copied for each reset.
fill_database() {
	if ! exists pristine; then
		note "loading the schema of Zabbix $VERSION"
		psql_as_owner -d postgres -c 'drop database if exists filling' -c 'create database filling'
		local part
		for part in schema images data; do
			zcat "${ROOT%/}/usr/share/zabbix-server-pgsql/$part.sql.gz" | psql_as_owner -d filling -o /dev/null
		done
		# Its agent doesn't run here; Zabbix would report that as a problem.
		psql_as_owner -d filling -c "update hosts set status = 1 where host = 'Zabbix server'"
		psql_as_owner -d postgres -c 'alter database filling rename to pristine'
	fi
	exists zabbix || psql_as_owner -d postgres -c 'create database zabbix template pristine'
}

start_server() {
	! running server || return 0
	{
		printf '%s\n' ListenIP=127.0.0.1 "ListenPort=$SERVER_PORT" LogType=console \
			"PidFile=$HOME_DIR/socket/server.pid" "SocketDir=$HOME_DIR/socket" \
			DBHost=127.0.0.1 "DBPort=$DB_PORT" DBName=zabbix DBUser=zabbix "DBPassword=$PASSWORD" \
			CacheUpdateFrequency=1 StartDBSyncers=2 StartTrappers=3 StartLLDProcessors=1 StartDiscoverers=0 \
			HousekeepingFrequency=0 Timeout=10 StatsAllowedIP=127.0.0.1
		printf '%s\n' "${POLLERS[@]}"
		echo "${ZABBIX_SERVER_CONF:-}"
	} >"$HOME_DIR/etc/zabbix_server.conf"
	daemon server zabbix /usr/sbin/zabbix_server -f -c /etc/zabbix/zabbix_server.conf
	await 60 server bash -c "exec 3<>/dev/tcp/127.0.0.1/$SERVER_PORT"
}

answers() {
	curl -fsS -m 5 -H 'Content-Type: application/json-rpc' -d '{"jsonrpc":"2.0","method":"apiinfo.version","params":[],"id":1}' \
		"http://127.0.0.1:$WEB_PORT/api_jsonrpc.php" | grep -q '"result"'
}

start_frontend() {
	! running web || return 0
	cat >"$HOME_DIR/etc/zabbix.conf.php" <<-END
		<?php
		\$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '127.0.0.1', 'PORT' => '$DB_PORT', 'DATABASE' => 'zabbix',
			'USER' => 'zabbix', 'PASSWORD' => '$PASSWORD', 'SCHEMA' => '', 'ENCRYPTION' => false, 'KEY_FILE' => '',
			'CERT_FILE' => '', 'CA_FILE' => '', 'VERIFY_HOST' => false, 'CIPHER_LIST' => '', 'VAULT' => '',
			'VAULT_URL' => '', 'VAULT_DB_PATH' => '', 'VAULT_TOKEN' => '', 'DOUBLE_IEEE754' => true];
		\$ZBX_SERVER = '127.0.0.1';
		\$ZBX_SERVER_PORT = '$SERVER_PORT';
		\$ZBX_SERVER_NAME = 'e2e $VERSION';
		\$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
	END
	PHP_CLI_SERVER_WORKERS=3 daemon web www-data "$PHP" -d date.timezone=UTC -d post_max_size=32M -d max_execution_time=300 \
		-d max_input_time=300 -d memory_limit=512M -d display_errors=0 -d session.save_path="$HOME_DIR/sessions" \
		-S "127.0.0.1:$WEB_PORT" -t /usr/share/zabbix
	await 30 web answers
}

start() {
	need_root
	installed || fail "Zabbix $VERSION is not installed: run $0 $VERSION install"
	directories
	start_database
	fill_database
	start_server
	start_frontend
}

stop() { halt web TERM; halt server TERM; halt database INT; }

purge_files() {
	! findmnt -rno TARGET | grep -q "^$HOME_DIR/" || fail "cannot delete $HOME_DIR: something is mounted below it"
	rm -rf --one-file-system "$HOME_DIR"
}

case $VERB in
install)
	need_root
	on_host "${TOOLS[@]}"
	if [ "$ROOT" = / ]; then on_host "${PACKAGES[@]}"; else install_in_root; fi
	;;
start) start ;;
stop) need_root; stop ;;
reset)
	need_root
	installed || fail "Zabbix $VERSION is not installed: run $0 $VERSION install"
	halt server TERM
	directories
	start_database
	psql_as_owner -d postgres -c 'drop database if exists zabbix with (force)'
	start
	;;
status)
	result=0
	for name in database server web; do
		if running $name; then echo "$name is running"; else echo "$name is not running"; result=1; fi
	done
	exit $result
	;;
env)
	cat <<-END
		ZABBIX_VERSION=$VERSION
		ZABBIX_URL=http://127.0.0.1:$WEB_PORT
		ZABBIX_TRAPPER=127.0.0.1:$SERVER_PORT
		ZABBIX_USER=Admin
		ZABBIX_PASSWORD=zabbix
	END
	;;
send) need_root; within root zabbix_sender -z 127.0.0.1 -p "$SERVER_PORT" "$@" ;;
js) need_root; within root zabbix_js "$@" ;;
sql) need_root; psql_as_owner -d zabbix "$@" ;;
log) cat "$HOME_DIR/log/server" ;;
purge) need_root; stop; purge_files ;;
within) within "$@" ;; # called by daemon
*) usage ;;
esac
